"""Show: a record as one self-contained page."""
