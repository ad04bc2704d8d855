"""Carries out a plan: one folder per run, one process per step of a trial."""
