"""Networks of other methods that the paper names. None beats a band difference: docs/models.md has the figures."""
