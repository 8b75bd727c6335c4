"""What `windtunnel init` writes: a scenario, a profile for a user's own callable, and a job for a CI system."""
