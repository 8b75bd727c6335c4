"""The generated parts of all manuals. `python -m windtunnel.harness.manual` renews them."""
