"""Doing the plan: one folder, one process a trial."""
