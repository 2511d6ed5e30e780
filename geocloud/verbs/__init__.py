"""One function a user verb. They print nothing: the command line does."""
