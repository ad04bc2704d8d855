"""Sections of the report, one file each: TITLE, PLACE (its order), and `blocks(record)`."""
