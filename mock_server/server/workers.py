"""Several server processes on the same ports (SO_REUSEPORT), for plans in which requests share nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from typing import Any

from windtunnel.mock_server.server.end_with_parent import PARENT_PID
from windtunnel.mock_server.server.options import ServeError, ServeOptions
from windtunnel.mock_server.transports.ports import bind


def run_workers(options: ServeOptions) -> int:
    """Serve with `options.workers` processes until signalled to stop; gives the worst exit status.

    A worker that ends takes the others with it: a group that serves a part of the requests would mislead.
    """
    # Bound, but not listening: the ports stay ours while the workers come up, and no connection is lost here.
    reserved = bind(options)
    ports = ",".join([str(port.number) for port in reserved.values()])
    workers: list[subprocess.Popen[str]] = []
    signalled: set[int] = set()

    def stop(*_: Any) -> None:
        # Once each: a worker that is already ending has given its handler back, and would die of a second one.
        for worker in workers:
            if worker.poll() is None and worker.pid not in signalled:
                signalled.add(worker.pid)
                worker.send_signal(signal.SIGTERM)

    previous = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        t0 = time.monotonic()
        workers += [_spawn(options, index, ports, t0) for index in range(1, options.workers + 1)]
        _announce(workers)
        # Without reaping, so that each worker's own status is still there to be asked for.
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
        stop()
        return max(abs(worker.wait()) for worker in workers)
    finally:
        stop()
        for number, handler in previous.items():
            signal.signal(number, handler)
        for port in reserved.values():
            port.close()


def _spawn(options: ServeOptions, index: int, ports: str, t0: float) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "windtunnel.mock_server", "--plan", "-", "--host", options.host]
    command += [
        "--ports",
        ports,
        "--admin-port",
        str(options.admin_port),
        "--worker",
        str(index),
        "--t0",
        repr(t0),
        "--loop",
        options.loop,
        "--epoch",
        options.epoch,
        "--unknown-fields",
        options.unknown_fields,
        "--unknown-ids",
        options.unknown_ids,
        "--with-parent",
    ]
    if options.journal is not None:
        command += ["--journal", str(options.journal)]
    environment = {**os.environ, PARENT_PID: str(os.getpid())}
    if options.control_token is not None:
        environment["WINDTUNNEL_CONTROL_TOKEN"] = options.control_token
    worker = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    )
    assert worker.stdin is not None
    worker.stdin.write(json.dumps(options.plan.model_dump(mode="json", by_alias=True)))
    worker.stdin.close()
    return worker


def _announce(workers: list[subprocess.Popen[str]]) -> None:
    lines = []
    for worker in workers:
        assert worker.stdout is not None
        line = worker.stdout.readline()
        if not line:
            raise ServeError("a worker ended before it was ready")
        lines.append(json.loads(line))
    together = {**lines[0], "pid": os.getpid(), "workers": [line["pid"] for line in lines]}
    print(json.dumps(together), flush=True)
