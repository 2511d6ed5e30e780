"""Training of the kinds that read single patches."""
