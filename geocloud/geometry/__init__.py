"""Polygons of a mask, and distances on the Earth."""
