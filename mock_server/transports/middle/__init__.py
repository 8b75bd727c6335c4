"""What stands between clients and a region, as far as it concerns bytes: hops, and what forgets connections."""
