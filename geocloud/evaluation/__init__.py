"""Measuring models against labels, and reporting the results."""
