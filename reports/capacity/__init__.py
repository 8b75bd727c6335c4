"""What `windtunnel capacity` found: in words, as a table, as JSON, as a page."""
