"""Parameters, memory and time from a model's configuration."""
