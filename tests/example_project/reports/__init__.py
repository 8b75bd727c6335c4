"""What the desk tells its management; it has nothing to do with windtunnel."""


def weekly(answered, asked):
    """Return a line for the weekly report."""
    return f"{answered} of {asked} questions answered"
