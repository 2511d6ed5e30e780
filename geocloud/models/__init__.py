"""Networks, their weights and cards, and the names users know them by."""
