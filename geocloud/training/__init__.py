"""Training: data, one loop, and a trainer for each kind of network."""
