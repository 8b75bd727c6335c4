"""What a row says of an exception besides its type: a short message without secrets, and where in the user's code."""

from __future__ import annotations

import os
import re
import sysconfig
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from windtunnel.harness.environments.versions import installed_folders

LONGEST = 300
"""Characters of a message that are kept."""

_SECRETS = (
    re.compile(r"\b(?:sk|pk|rk)-[\w-]{6,}"),
    re.compile(r"(?i)(?<=bearer )[^\s'\",]+"),
    re.compile(r"(?i)(?<=api[-_ ]key[=:])\s*[^\s'\",}]+"),
    re.compile(r"(?<=://)[^/\s@]+(?=@)"),
)
_SECRET_NAME = re.compile(r"(?i)key|token|secret|passw|credential")
_SHORTEST_SECRET = 8
_ADDRESS = re.compile(r"\b0x[0-9a-fA-F]{6,}\b")
_MASK = "***"
_LIBRARIES = tuple(
    str(Path(folder).resolve()) for folder in (sysconfig.get_path("stdlib"), *installed_folders())
)
_OURS = str(Path(__file__).resolve().parents[1])


def message_of(error: BaseException) -> str:
    """Return what an exception says, on one line: bounded, keys and addresses of objects masked."""
    try:
        text = str(error)
    except Exception as broken:  # noqa: BLE001  # a user's exception may have any __str__
        text = f"(its message cannot be had: {type(broken).__name__})"
    for secret in _own_secrets():
        text = text.replace(secret, _MASK)
    for pattern in _SECRETS:
        text = pattern.sub(_MASK, text)
    text = _ADDRESS.sub("0x…", text)
    text = " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _own_secrets() -> list[str]:
    """Values of environment variables that are secrets by their names: a message may quote one."""
    return [
        value
        for name, value in os.environ.items()
        if len(value) >= _SHORTEST_SECRET and _SECRET_NAME.search(name)
    ]


def place_of(error: BaseException, folders: Sequence[str]) -> str | None:
    """Return `file.py:line` of the innermost frame in the user's own code; None if there is none.

    Own code is a file below one of `folders` that is neither of the standard library, nor installed, nor windtunnel's.
    """
    roots = [str(Path(folder).resolve()) for folder in folders]
    found: tuple[str, int] | None = None
    trace: TracebackType | None = error.__traceback__
    while trace is not None:
        file = os.path.realpath(trace.tb_frame.f_code.co_filename)
        if not file.startswith((*(f"{library}{os.sep}" for library in _LIBRARIES), f"{_OURS}{os.sep}")):
            root = next((root for root in roots if file.startswith(root.rstrip(os.sep) + os.sep)), None)
            if root is not None:
                found = os.path.relpath(file, root), trace.tb_lineno
        trace = trace.tb_next
    return None if found is None else f"{found[0]}:{found[1]}"
