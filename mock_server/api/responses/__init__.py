"""The Responses API: checks, output, events, and stored responses."""
