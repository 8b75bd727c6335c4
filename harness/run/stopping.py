"""Signals that end a play in good order: the records are kept, and a report is made of them."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from windtunnel.harness.run.terminal import leave_the_terminal


@contextmanager
def stopping() -> Iterator[asyncio.Event]:
    """An event that SIGINT, SIGTERM and SIGHUP set; one that was ignored from the start (`nohup`) stays ignored."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    heard = [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]

    def end(number: signal.Signals) -> None:
        if number is signal.SIGHUP:
            leave_the_terminal()
        stop.set()

    for number in heard:
        loop.add_signal_handler(number, end, number)
    try:
        yield stop
    finally:
        for number in heard:
            loop.remove_signal_handler(number)
