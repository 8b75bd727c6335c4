"""Shards that go on living: one for each seed of hashes, shared by all tests of a session.

A start of one takes two seconds of CPU, and each cell is played in a fork of it that knows nothing of the others.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

from windtunnel.harness.virtual.order import Order

COMMAND = [sys.executable, "-m", "windtunnel.harness.virtual.shard"]
_RUNNING: dict[int, subprocess.Popen[str]] = {}


def play(cells: list[Path], hash_seed: int, timeout: float = 100) -> list[int]:
    """Play cells in one process; gives their exit codes, fewer than cells if it ends or takes too long."""
    shard = _RUNNING.get(hash_seed) or _start(hash_seed)
    assert shard.stdin is not None
    assert shard.stdout is not None
    codes: list[int] = []
    patience = threading.Timer(timeout, shard.kill)
    patience.start()
    try:
        for cell in cells:
            shard.stdin.write(Order(str(cell)).line())
            shard.stdin.flush()
            said = shard.stdout.readline()
            if not said:
                break
            codes.append(json.loads(said)["code"])
    finally:
        patience.cancel()
        if len(codes) < len(
            cells
        ):  # ended, killed, or interrupted in the middle of a cell: the next test starts anew
            _stop(hash_seed)
    return codes


def _start(hash_seed: int) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONHASHSEED": str(hash_seed), "WINDTUNNEL_PARENT_PID": str(os.getpid())}
    shard = subprocess.Popen(
        COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    )
    _RUNNING[hash_seed] = shard
    return shard


def _stop(hash_seed: int) -> None:
    with _RUNNING.pop(hash_seed) as shard:
        shard.kill()


def stop() -> None:
    """End all of them."""
    for hash_seed in list(_RUNNING):
        _stop(hash_seed)
