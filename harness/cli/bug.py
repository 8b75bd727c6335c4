"""An error that nobody expected: it is ours, and never looks like a verdict."""

from __future__ import annotations

import os
import sys
import tempfile
import traceback

BUG = 70
"""The exit code of `sysexits.h` for an internal software error."""


def report_bug(error: BaseException) -> int:
    """Print the line to report, with the type and the place, and where the traceback is; gives the exit code."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "windtunnel" in frame.filename or "harness" in frame.filename]
    last = (ours or list(frames))[-1:]
    place = f" at {last[0].filename}:{last[0].lineno} ({last[0].name})" if last else ""
    said = " ".join(str(error).split())
    print(
        f"windtunnel: a bug of windtunnel, not of yours: {type(error).__name__}: {said}{place}",
        file=sys.stderr,
    )
    print(f"windtunnel: please report that line; the whole traceback: {_kept(error)}", file=sys.stderr)
    return BUG


def _kept(error: BaseException) -> str:
    """The file that has the traceback; the traceback itself where none can be written."""
    text = "".join(traceback.format_exception(error))
    try:
        handle, path = tempfile.mkstemp(prefix="windtunnel-bug-", suffix=".txt")
        with os.fdopen(handle, "w", encoding="utf-8", errors="replace") as file:
            file.write(text)
    except OSError:
        return f"\n{text}"
    return path
