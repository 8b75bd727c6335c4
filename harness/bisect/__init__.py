"""Which release of a package changed what a client does."""
