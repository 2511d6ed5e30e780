"""Scenes that can be read window by window."""
