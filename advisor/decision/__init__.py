"""From a profile to an answer."""
