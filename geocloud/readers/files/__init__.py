"""Opening files safely."""
