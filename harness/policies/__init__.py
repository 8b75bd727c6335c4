"""What surrounds a call: deadline, retries, budget, limiter, watchdogs. Decisions only: nothing here waits."""
