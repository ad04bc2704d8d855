"""Arrays in, values out."""
