"""One server process from its command line to its exit.

    options ─► sockets (one a region) ─► Server, Control, journal ─► one JSON line ─► … ─► cut, flush, exit

Exit status: 0 after a proper stop, 2 when it could not begin, 3 when records could not be written.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import os
import resource
import signal
import stat
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from windtunnel.mock_server.control.control import Control
from windtunnel.mock_server.errors import printable
from windtunnel.mock_server.journal.journal import Journal
from windtunnel.mock_server.server.end_with_parent import die_with_parent
from windtunnel.mock_server.server.loop_lag import LagSampler
from windtunnel.mock_server.server.options import ServeError, ServeOptions, parse_arguments
from windtunnel.mock_server.server.server import Server
from windtunnel.mock_server.server.workers import run_workers
from windtunnel.mock_server.transports.listeners import Listeners
from windtunnel.mock_server.transports.ports import Port, bind, port_of, url
from windtunnel.mock_server.transports.tls.certificates import CertificatesError

FLUSH_PERIOD_S = 1.0
"""Seconds: what a killed server may lose of its records."""

CLOSING_S = 0.5
"""Seconds that clients get to read what was written before the server exits."""


def main(argv: Sequence[str] | None = None) -> int:
    """Serve as the command line says; returns the exit status. Messages go to stderr, the JSON line to stdout."""
    try:
        options = parse_arguments(argv)
        return run(options)
    except ServeError as error:
        print(f"windtunnel serve: {printable(str(error))}", file=sys.stderr)
        return 2


def run(options: ServeOptions) -> int:
    """Serve until told to stop; returns the exit status. Raises `ServeError` if it cannot begin."""
    options.check()
    if options.workers > 1:
        return run_workers(options)
    if options.with_parent:
        die_with_parent()
    _raise_descriptor_limit()
    with contextlib.ExitStack() as open_ports:
        ports = bind(options)
        for port in ports.values():
            open_ports.callback(port.close)
        admin = port_of(options, options.admin_port, option="--admin-port")
        open_ports.callback(admin.close)
        journal = _open_records(options)
        if options.loop == "uvloop":
            import uvloop

            factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
        else:
            factory = asyncio.new_event_loop
        with asyncio.Runner(loop_factory=factory) as runner:
            return runner.run(_serve(options, ports, admin, journal))


def _open_records(options: ServeOptions) -> Journal:
    try:
        return Journal(options.journal)
    except OSError as error:
        raise ServeError(f"cannot write the journal in {options.journal}: {error.strerror}") from error


async def _serve(options: ServeOptions, ports: dict[str, Port], admin: Port, journal: Journal) -> int:
    loop = asyncio.get_running_loop()
    # uvloop's clock ticks in milliseconds; other loops' own clock may be a virtual one, and is the truth there.
    clock = time.monotonic if type(loop).__module__.startswith("uvloop") else loop.time
    server = Server(
        options.plan,
        journal=journal,
        loop=loop,
        clock=clock,
        unix_time=time.time if options.epoch == "real" else None,
        serial=options.worker,
        t0=options.t0,
        unknown_fields=options.unknown_fields == "accept",
        unknown_ids=options.unknown_ids == "accept",
        hosts=(options.host.strip("[]"),),
    )
    server.control = Control(server, token=options.control_token, shared=options.shared_reason())
    lags = LagSampler(loop, server.now, options.journal)
    server.on_reset.append(lags.restart)
    server.on_new_segments.append(lags.new_segment)
    ca_file = _ca_file(server) if options.plan.provider.secured else None
    listeners = Listeners(server, ports, admin)
    await listeners.open()
    every_second = _EverySecond(loop, server, lags)
    _stop_on_signals(loop, server, options)
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    print(json.dumps(announcement(options, ports, admin, ca_file)), flush=True)
    await server.stopped.wait()
    await listeners.close()
    return await _end(server, every_second, lags)


def _ca_file(server: Server) -> Path:
    try:
        return server.connections.certificates.ca_file
    except CertificatesError as error:
        raise ServeError(str(error)) from error


async def _end(server: Server, every_second: _EverySecond, lags: LagSampler) -> int:
    every_second.cancel()
    server.cut()
    try:
        server.journal.close()
        lags.close()
    except OSError as error:
        server.records_failed(error)
    await server.connections.ended(CLOSING_S)
    if server.records_error is not None:
        print(f"windtunnel serve: records could not be written: {server.records_error}", file=sys.stderr)
        return 3
    return 0


class _EverySecond:
    """A timer that hands the records to the operating system every second, and adds a sample for the live page."""

    def __init__(self, loop: asyncio.AbstractEventLoop, server: Server, lags: LagSampler) -> None:
        self._loop = loop
        self._server = server
        self._lags = lags
        self._timer = loop.call_later(FLUSH_PERIOD_S, self._flush)

    def _flush(self) -> None:
        self._timer = self._loop.call_later(FLUSH_PERIOD_S, self._flush)
        self._server.sample()
        try:
            self._server.journal.flush()
            self._lags.flush()
        except OSError as error:
            self._server.records_failed(error)

    def cancel(self) -> None:
        """Stop the timer."""
        self._timer.cancel()


def announcement(
    options: ServeOptions, ports: dict[str, Port], admin: Port, ca_file: Path | None = None
) -> dict[str, Any]:
    """Return the JSON line that is printed once: the URLs of the regions and of the admin API, and `ca_file`, what
    clients are to trust where a region has TLS.

    The admin API has a port of its own besides those of the regions, so that it can be reached while a region cannot.
    It has no TLS.
    """
    secured = options.plan.provider.secured
    roots = {region: url(options.host, port, tls=region in secured) for region, port in ports.items()}
    control = url(options.host, admin)
    return {
        "base_url": f"{next(iter(roots.values()))}/v1",
        "admin_url": f"{control}/_windtunnel",
        "metrics_url": f"{control}/metrics",
        "regions": {region: f"{root}/v1" for region, root in roots.items()},
        **({} if ca_file is None else {"ca_file": str(ca_file)}),
        "pid": os.getpid(),
    }


def _stop_on_signals(loop: asyncio.AbstractEventLoop, server: Server, options: ServeOptions) -> None:
    """End on SIGTERM and SIGINT, and when the parent closes its end of our stdin."""
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, server.stop)
    if not options.with_parent or options.worker:
        return
    with contextlib.suppress(OSError, ValueError):
        stdin = sys.stdin.fileno()
        mode = os.fstat(stdin).st_mode
        if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode):
            loop.add_reader(stdin, _read_parent, loop, server, stdin)


def _read_parent(loop: asyncio.AbstractEventLoop, server: Server, stdin: int) -> None:
    if not os.read(stdin, 4096):
        loop.remove_reader(stdin)
        server.stop()


def _raise_descriptor_limit() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
