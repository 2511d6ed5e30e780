"""What evaluate measures, and how it reports."""
