"""Files that a command writes at its end, known to be writable before it begins."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

from windtunnel.harness.contract.files import write_whole
from windtunnel.harness.errors import InputError


def require_writable(files: Mapping[str, Path | None]) -> None:
    """Make the folders of files, by option, and raise an `InputError` for the first that could not be written."""
    asked = {option: path for option, path in files.items() if path is not None}
    for option, path in asked.items():
        others = [other for other, one in asked.items() if other != option and one == path]
        if others and not is_special(path):
            expected = f"another file than that of {others[0]}"
            raise InputError(option, path=str(path), found="one file for both", expected=expected)
        try:
            _try(path)
        except OSError as error:
            found = error.strerror or str(error)
            raise InputError(option, path=str(path), found=found, expected="a file to write") from None


def _try(path: Path) -> None:
    """Raise the OSError that writing would meet; nothing is left behind but the folder."""
    if path.is_dir():
        raise IsADirectoryError(None, "a directory")
    path.parent.mkdir(parents=True, exist_ok=True)
    if is_special(path):
        path.open("ab").close()
        return
    if path.exists():
        path.open("ab").close()
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f"{path.name}."):
        pass


def write_file(path: Path, content: str) -> None:
    """Write the whole file or nothing; into a device or a pipe as it comes."""
    if is_special(path):
        path.write_text(content, encoding="utf-8")
    else:
        write_whole(path, content)


def is_special(path: Path) -> bool:
    """Whether it is a device or a pipe, which is written into and never replaced."""
    return path.exists() and not path.is_file() and not path.is_dir()
