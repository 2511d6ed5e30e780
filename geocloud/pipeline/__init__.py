"""The walk from a scene to its outputs."""
