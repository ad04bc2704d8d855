"""All that will be done, before it is."""
