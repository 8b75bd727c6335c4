"""What lies between a client and its region: round trips, jitter, bandwidth, loss."""
