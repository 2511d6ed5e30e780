"""One function per command. They print nothing; the command line does."""
