"""Labelled data: pictures, labels, splits."""
