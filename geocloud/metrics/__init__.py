"""Metrics, and rules that choose thresholds."""
