"""Several dates of one place explained together: ground, cloud and shadow."""
