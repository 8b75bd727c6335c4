"""Chat completions: checks, the wire format, and stored completions."""
