"""What can go wrong in making a report.

ReportsError
├── RunDirectoryError   the directory is not one of a run, or a file in it cannot be read
└── ExpectationError    an expectation names no metric, or one that does not apply
"""

from __future__ import annotations

from pathlib import Path


class ReportsError(Exception):
    """Root of everything that this package raises on purpose."""


class RunDirectoryError(ReportsError):
    """`path` is not what a run leaves behind: says what was found and what was expected."""

    def __init__(self, path: Path, found: str, expected: str) -> None:
        super().__init__(f"{path}: found {found}, expected {expected}")
        self.path = path
        self.found = found
        self.expected = expected


class ExpectationError(ReportsError):
    """An expectation that cannot be judged, because it is written wrongly or names an absent metric."""

    def __init__(self, text: str, found: str, expected: str) -> None:
        super().__init__(f"expect: '{text}': found {found}, expected {expected}")
        self.text = text
        self.found = found
        self.expected = expected
