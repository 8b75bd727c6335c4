"""The lines of a trace file, one at a time: whatever the file's size, one line of it is in memory."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final, cast

from windtunnel.harness.errors import InputError
from windtunnel.harness.inputs.timestamps import BYTE_ORDER_MARKS

MOST_LINE: Final = 4 * 2**20
"""Bytes of a line: spans with whole prompts in them are long, a file without line ends is no trace."""


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """The number and text of each line, without its end. Raises InputError for what is no readable text."""
    number = 0
    try:
        with _opened(path) as file:
            while content := file.readline(MOST_LINE + 1):
                number += 1
                if len(content) > MOST_LINE:
                    raise InputError(
                        path,
                        line=number,
                        found="a line of more than 4 MiB",
                        expected="a trace, one row a line",
                    )
                yield number, _text(path, number, content)
    except (OSError, EOFError, zlib.error) as error:
        found = "no such file" if isinstance(error, FileNotFoundError) else f"an unreadable file ({error})"
        line = number + 1 if number else None
        raise InputError(path, line=line, found=found, expected="a trace, one row a line") from None


def _opened(path: Path) -> IO[bytes]:
    return cast(IO[bytes], gzip.open(path)) if path.suffix == ".gz" else path.open("rb")


def _text(path: Path, number: int, content: bytes) -> str:
    if number == 1:
        mark, name = next((one for one in BYTE_ORDER_MARKS if content.startswith(one[0])), (b"", ""))
        if name.startswith("UTF-16"):
            raise InputError(path, line=1, found=name, expected="UTF-8")
        content = content.removeprefix(mark)
    try:
        return content.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise InputError(
            path, line=number, found=f"what is not UTF-8 ({error.reason})", expected="UTF-8"
        ) from None
