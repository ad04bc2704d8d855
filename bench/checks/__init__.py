"""Whether a run would mislead, and what tuning has forgotten."""
