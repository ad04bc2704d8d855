"""Whether a run would mislead, and what tuning forgot."""
