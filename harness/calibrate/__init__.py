"""How fast and how true the harness is on this machine: every figure beside its yardstick, in the same minutes."""
