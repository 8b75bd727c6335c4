"""A soak: the phases of a scenario again and again, for hours, and what is written of it."""
