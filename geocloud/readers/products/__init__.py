"""Products as they are delivered."""
