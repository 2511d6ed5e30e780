"""Scores and masks of lazy xarray objects."""
