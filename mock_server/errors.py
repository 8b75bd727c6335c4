"""The exceptions of the mock server, apart from the faults that it plays on purpose.

    WindtunnelServerError
    └── PlanError              something in a plan that cannot be used (also a ValueError)
        └── FaultHeaderError   the same, in an `x-windtunnel-fault` header

A `PlanError` may be raised inside a pydantic validator: pydantic then reports it with its own `loc`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class WindtunnelServerError(Exception):
    """The root of every exception of `mock_server`."""


class PlanError(WindtunnelServerError, ValueError):
    """A value in a plan is not valid.

    `path` is the key path (`phases.1.rules.0.match.region`), empty where the caller knows it; `found` is
    what stands there, `expected` what should.
    """

    def __init__(self, path: str, found: str, expected: str) -> None:
        self.path = path
        self.found = found
        self.expected = expected
        where = f"{path}: " if path else ""
        super().__init__(f"{where}found {found}, expected {expected}")


class FaultHeaderError(PlanError):
    """An `x-windtunnel-fault` header asks for something that does not exist or cannot be done."""


def printable(text: str) -> str:
    """Return text for a terminal or a log: control characters are spelled out, since they could do anything there."""
    return "".join([char if char.isprintable() or char == "\n" else repr(char)[1:-1] for char in text])


def nearest(name: str, known: Iterable[str], *, what: str = "name") -> str:
    """Return a phrase for an error message: the known name that is most like `name`, or all of them."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if close:
        return f"{close[0]!r} perhaps"
    return f"a known {what} ({', '.join(names)})"
