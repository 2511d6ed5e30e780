"""What networks are trained from: scenes and their tags, simulated clouds, batches, recipes."""
