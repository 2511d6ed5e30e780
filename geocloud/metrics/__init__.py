"""Metrics and rules for thresholds."""
