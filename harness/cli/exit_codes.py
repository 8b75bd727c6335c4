"""What the exit code of a command says, besides 0 for 'fine'."""

from collections.abc import Iterable

EXPECTATION_FAILED = 1
"""An expectation of the scenario failed, and `--check` was given."""

INPUT_WRONG = 2
"""A scenario, a profile or an option is wrong, or the command needs what is not installed."""

NOT_VALID = 3
"""The measurement is not valid (with `--strict`: or noisy), not whole, or no request of a client reached the mock.

It wins over `EXPECTATION_FAILED`. So does an undecided expectation, with `--check`.
"""


def worst(codes: Iterable[int]) -> int:
    """The exit code of several parts of one command: that of the part which says least, 0 if all are fine."""
    found = set(codes)
    return next((code for code in (NOT_VALID, INPUT_WRONG, EXPECTATION_FAILED) if code in found), 0)
