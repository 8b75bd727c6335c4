"""The folder in which the environments of a user are kept: `$WINDTUNNEL_HOME`, or one in the user's data folder."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

from windtunnel.harness.errors import InputError

HOME: Final = "WINDTUNNEL_HOME"
NAME: Final = r"[A-Za-z0-9][A-Za-z0-9._+-]*"
RECORD: Final = "windtunnel-env.json"
"""In each environment: what it was made from. It is written last, so one without it is not finished."""


def home() -> Path:
    """`$WINDTUNNEL_HOME`, else `windtunnel` in `$XDG_DATA_HOME`, else in `~/.local/share`."""
    if own := os.environ.get(HOME):
        return Path(own).expanduser().absolute()
    data = os.environ.get("XDG_DATA_HOME")
    base = Path(data) if data and Path(data).is_absolute() else Path.home() / ".local" / "share"
    return base / "windtunnel"


def env_folder(name: str) -> Path:
    """Where the environment of a name is, or will be. Raises InputError for what cannot be a name."""
    if not re.fullmatch(NAME, name):
        expected = "letters, digits, '.', '_', '+' or '-', beginning with a letter or a digit"
        raise InputError("windtunnel env", path="NAME", found=f"'{name}'", expected=expected)
    return home() / "envs" / name


def python_in(folder: Path) -> Path:
    """The interpreter of a virtual environment."""
    return folder / "bin" / "python"


def env_names() -> list[str]:
    """The names of the environments that there are, also of unfinished ones."""
    folder = home() / "envs"
    return sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
