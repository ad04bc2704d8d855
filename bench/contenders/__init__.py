"""Contenders, one file each; the file's name is the contender's name."""
