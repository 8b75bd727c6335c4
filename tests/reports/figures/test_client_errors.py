"""Errors of a client's own: the same at the same place are one line, whatever numbers and ids they quote."""

from __future__ import annotations

import dataclasses

from windtunnel.reports.figures.client_errors import MOST, ClientError, over_cells


def error(message: str, count: int = 1, place: str | None = "myapp.py:14") -> ClientError:
    return ClientError("ValueError", message, place, count, 80)


def test_errors_are_added_up_over_cells() -> None:
    """Counts add up; numbers and ids make no error of its own, another place does."""
    cells = [
        [error("waited 1.5 s for req_0123456789abcdef", 3), error("no", 1)],
        [error("waited 12 s for req_fedcba9876543210", 2), error("no", 1, "myapp.py:20")],
    ]
    found = over_cells(cells, 160)
    assert [(one.message, one.place, one.count, one.calls) for one in found] == [
        ("waited 1.5 s for req_0123456789abcdef", "myapp.py:14", 5, 160),
        ("no", "myapp.py:14", 1, 160),
        ("no", "myapp.py:20", 1, 160),
    ]


def test_the_most_frequent_are_listed() -> None:
    """A client with hundreds of different errors has a short list."""
    found = over_cells([[error("x" * n, n) for n in range(1, 100)]], 5000)
    assert len(found) == MOST
    assert found[0].count == 99


def test_an_error_is_a_sentence() -> None:
    """Count, type, message and place, as far as they are known."""
    one = error("config key 'model' is missing", 80)
    assert str(one) == "80 of 80 calls: ValueError: config key 'model' is missing in myapp.py:14"
    bare = dataclasses.replace(one, message=None, place=None)
    assert str(bare) == "80 of 80 calls: ValueError"
