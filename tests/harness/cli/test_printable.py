"""Messages on the terminal hold no escape sequence of a file."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from windtunnel.harness.cli.main import main


def test_escape_sequences_of_a_file_are_spelled_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key that would set the terminal's title, or clear it, is shown as it is written."""
    file = tmp_path / "mine.yaml"
    file.write_text('name: mine\nabout: Something.\n"\\e]0;title\\a\\e[2J": 1\n')
    monkeypatch.setattr(sys, "argv", ["windtunnel", "run", str(file)])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr()
    assert ended.value.code == 2
    assert "\x1b" not in said.err + said.out
    assert "\x07" not in said.err + said.out
    assert "title" in said.err
