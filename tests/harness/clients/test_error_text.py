"""What is kept of an exception: its message without secrets, and where in the user's code it came from."""

from __future__ import annotations

from pathlib import Path

import pytest

from windtunnel.harness.clients.error_text import LONGEST, message_of, place_of


class SilentError(Exception):
    def __str__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("config key 'model' is missing"), "config key 'model' is missing"),
        (ValueError("two\nlines \x1b[31mred"), "two lines [31mred"),
        (ValueError("key sk-proj-abcdef123456 is wrong"), "key *** is wrong"),
        (ValueError("Authorization: Bearer abc.def"), "Authorization: Bearer ***"),
        (ValueError("http://me:pass@host/v1"), "http://***@host/v1"),
        (ValueError("<object at 0x7f00aa11bb22>"), "<object at 0x…>"),
        (SilentError(), "(its message cannot be had: RuntimeError)"),
        (KeyError("model"), "'model'"),
    ],
)
def test_a_message_is_one_line_without_secrets(error: Exception, said: str) -> None:
    """Keys, passwords, addresses and line ends are not kept."""
    assert message_of(error) == said


def test_a_message_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A long message is cut, and a secret of the environment is masked wherever it stands."""
    monkeypatch.setenv("MY_SERVICE_TOKEN", "correct-horse")
    said = message_of(ValueError("correct-horse " + 1000 * "x"))
    assert len(said) == LONGEST
    assert said.startswith("*** xx")


def test_the_place_is_the_innermost_frame_of_own_code(tmp_path: Path) -> None:
    """Frames of libraries, which own code called, do not count."""
    file = tmp_path / "app" / "mine.py"
    file.parent.mkdir()
    file.write_text("import json\ndef read(text):\n    return json.loads(text)\n")
    names: dict[str, object] = {}
    exec(compile(file.read_text(), str(file), "exec"), names)
    with pytest.raises(ValueError, match="Expecting") as caught:
        names["read"]("{")  # type: ignore[operator]  # a function of the file above
    assert place_of(caught.value, [str(tmp_path)]) == "app/mine.py:3"
    assert place_of(caught.value, [str(tmp_path / "elsewhere")]) is None
