"""Values for a JSON schema, as a pure function of schema and draws, bounded in size and recursion.

No library does all three: those that exist draw from the global `random` module and follow recursion without bound.
"""
