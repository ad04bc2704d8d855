"""Prices to dollars, and the break-even."""
