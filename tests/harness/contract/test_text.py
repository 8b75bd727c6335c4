"""Text from outside reaches a terminal without commands in it."""

from __future__ import annotations

import pytest

from windtunnel.harness.contract.text import printable


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("\x1b[2Jgone", "\\x1b[2Jgone"),
        ("\x9b31m", "\\x9b31m"),
        ("bell\a, back\b, return\r", "bell\\x07, back\\x08, return\\r"),
        ("\u202etxt.exe", "\\u202etxt.exe"),
        ("line\u2028line", "line\\u2028line"),
        ("\udc80", "\\udc80"),
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
        ("≥ 86 s · ✗ Größe 大", "≥ 86 s · ✗ Größe 大"),
    ],
)
def test_what_commands_a_terminal_is_written_out(raw: str, shown: str) -> None:
    """Controls of both ranges, direction marks, separators and lone surrogates; letters of any script stay."""
    assert printable(raw) == shown
