"""Forecasts of parameters, memory and time from a model's configuration."""
