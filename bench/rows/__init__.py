"""Which rows a trial learns from, and with which labels."""
