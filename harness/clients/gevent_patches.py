"""Removal of gevent's patches where they are expensive and have no use."""

from __future__ import annotations

import select
import socket
from importlib import import_module
from types import SimpleNamespace

from gevent import monkey

from windtunnel.harness.clients.http_library import pool_libraries


def undo_gevents_poll() -> None:
    """Give httpcore and httpcore2 the real `select.poll` back, if gevent has replaced it. Doing it twice is fine.

    The pool asks `poll(0)` whether an idle connection has been closed by its peer. That never blocks, so
    gevent's version wins nothing: it starts watchers, switches greenlets in the middle of the pool's
    bookkeeping and, in the loop's thread, would bring a second hub to life.
    """
    if monkey.is_module_patched("select"):
        real = SimpleNamespace(poll=monkey.get_original("select", "poll"), POLLIN=select.POLLIN)
        for library in pool_libraries():
            # The module where the pool looks `select` up; to restore it in `select` itself would reach everything.
            vars(import_module(f"{library.__name__}._utils"))["select"] = real


def undo_gevents_sockets() -> None:
    """Give aiohttp's way of connecting the real `socket.socket` back. Doing it twice is fine.

    It opens its sockets itself and has the loop connect them. One of gevent's would bring a second hub to life in
    the loop's thread, and make watchers there for each connection.
    """
    if monkey.is_module_patched("socket"):
        import aiohappyeyeballs.impl

        real = SimpleNamespace(**{**vars(socket), "socket": monkey.get_original("socket", "socket")})
        aiohappyeyeballs.impl.socket = real  # type: ignore[assignment, attr-defined]  # where it is looked up
