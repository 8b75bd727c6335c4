"""TLS between a connection and what is spoken on it: certificates, handshakes, and faults of both."""
