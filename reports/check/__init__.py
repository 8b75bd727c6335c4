"""What `windtunnel check` says of runs: judged expectations, for a terminal, a pull request or a CI system."""
