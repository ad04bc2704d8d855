"""Confidence intervals, tests and learning curves: arrays in, values out."""
