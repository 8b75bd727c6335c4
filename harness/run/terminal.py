"""A terminal that closes while a run is played, or while its report is written."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def outliving_the_terminal() -> Iterator[None]:
    """A SIGHUP does not end this process meanwhile: what is being written gets written. Of the main thread."""
    before = signal.getsignal(signal.SIGHUP)
    if before is signal.SIG_IGN:  # whoever ignores it from the start (`nohup` does so) means it
        yield
        return
    signal.signal(signal.SIGHUP, lambda *_: leave_the_terminal())
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)


def leave_the_terminal() -> None:
    """What is still said goes nowhere, where it would go to a terminal that has closed; the report is written."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        if os.isatty(stream) or not _is_open(stream):
            os.dup2(nowhere, stream)
    if nowhere > 2:  # it is one of the two where that had been closed
        os.close(nowhere)


def _is_open(stream: int) -> bool:
    try:
        os.write(stream, b"")
    except OSError:
        return False
    return True
