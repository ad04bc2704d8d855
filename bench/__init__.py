"""Measure: contenders of one shape, on the same rows, by one meter."""
