"""Training of the unmixing autoencoder."""
