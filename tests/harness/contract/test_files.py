"""Files appear whole, and what is not there yet reads as nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from windtunnel.harness.contract.files import read_json, write_json, write_whole


def test_text_and_bytes_are_written_as_they_are(tmp_path: Path) -> None:
    """Text is UTF-8 without any change of its line ends, bytes are bytes, and nothing else is left behind."""
    assert write_whole(tmp_path / "a.txt", "ä\r\n").read_bytes() == b"\xc3\xa4\r\n"
    assert write_whole(tmp_path / "b", b"\x00\xff").read_bytes() == b"\x00\xff"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.txt", "b"]


def test_a_file_that_cannot_be_written_whole_is_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that is full half-way leaves the file as it was, not the half of it."""
    path = write_whole(tmp_path / "a.txt", "before")

    def fill_disk(part: Path, content: bytes) -> int:
        with part.open("wb") as stream:
            stream.write(content[:2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", fill_disk)
    with pytest.raises(OSError, match="No space left"):
        write_whole(path, "after")
    assert path.read_text() == "before"


def test_json_is_read_back(tmp_path: Path) -> None:
    """What was written is read; nothing at all, half an object and a list read as an empty object."""
    assert read_json(write_json(tmp_path / "a.json", {"t0": 1.5})) == {"t0": 1.5}
    assert write_json(tmp_path / "a.json", {"t0": 2}, indent=1).read_text() == '{\n "t0": 2\n}'
    assert read_json(tmp_path / "absent.json") == {}
    assert read_json(write_whole(tmp_path / "half.json", '{"t0": ')) == {}
    assert read_json(write_whole(tmp_path / "list.json", "[1]")) == {}
