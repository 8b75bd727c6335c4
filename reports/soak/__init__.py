"""What a soak shows: what grows or slows down over hours, since when, how fast, and when it will hurt."""
