"""Scorers: the contract that all keep, and those that need no weights of geocloud."""
