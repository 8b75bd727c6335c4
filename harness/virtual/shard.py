"""`python -m windtunnel.harness.virtual.shard`: plays one cell after the other, each in a fork of a process that is
prepared.

    stdin:  an `Order` a line ─► fork, play, wait ─► stdout: {"code": 0} a line

A start of Python with all imports takes seconds, a fork milliseconds. The cell's own log takes what the fork prints.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from pathlib import Path

from windtunnel.harness.virtual.order import Order
from windtunnel.harness.virtual.prepared import Prepared, play, prepare
from windtunnel.mock_server.server.end_with_parent import die_with_parent

LOG = "virtual.log"
fork = os.fork
"""Bound before the guard forbids it to everybody else."""


def main() -> None:
    """Play what is asked for until stdin ends. Forks end with this process, and it ends with its parent."""
    die_with_parent()
    prepared = prepare()
    for line in sys.stdin:
        code = forked(prepared, Order.of(line))
        print(json.dumps({"code": code}), flush=True)


def forked(prepared: Prepared, order: Order) -> int:
    """Play a cell in a child; gives its exit code, negative for the signal that killed it."""
    if order.own_code:
        from windtunnel.harness.virtual.preload import let_arrow_find_pandas

        let_arrow_find_pandas()
    shard = os.getpid()
    child = fork()
    if child == 0:
        _play_and_exit(prepared, order, shard)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def _play_and_exit(prepared: Prepared, order: Order, shard: int) -> None:
    """The life of a fork: it never comes back into its parent's code."""
    folder, records = Path(order.folder), Path(order.records)
    code = 1
    try:
        die_with_parent(shard)
        log = os.open(folder / records / LOG, os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC, 0o644)
        os.dup2(log, sys.stdout.fileno())
        os.dup2(log, sys.stderr.fileno())
        os.chdir(folder)
        os.environ.update(order.environment)
        play(prepared, Path(), records=records, observed=order.observed)
        code = 0
    except BaseException:  # noqa: BLE001  # also SystemExit: said here, or nowhere
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    main()
