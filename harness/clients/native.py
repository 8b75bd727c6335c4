"""Undoing one of gevent's patches where it costs much and helps nobody."""

from __future__ import annotations

import select
from types import SimpleNamespace

import httpcore2._utils
from gevent import monkey


def undo_gevents_poll() -> None:
    """Give httpcore2 the real `select.poll` back, if gevent has replaced it. Doing it twice is fine.

    The pool asks `poll(0)` whether an idle connection has been closed by its peer. That never blocks, so
    gevent's version wins nothing: it starts watchers, switches greenlets in the middle of the pool's
    bookkeeping and, in the loop's thread, would bring a second hub to life.
    """
    if monkey.is_module_patched("select"):
        real = SimpleNamespace(poll=monkey.get_original("select", "poll"), POLLIN=select.POLLIN)
        httpcore2._utils.select = real  # type: ignore[assignment, attr-defined]  # where it is looked up
