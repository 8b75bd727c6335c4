"""How long a request holds others: what the server works between a small request and its answer, meanwhile.

The measure is CPU time of the thread that serves, which a loaded machine does not lengthen much, over that of a piece
of work done right before and after: a slow machine is slow in both.
"""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from tests.mock_server.transports.conftest import PATIENCE, Serving, request_bytes

MOST_HOLD = 25.0
"""Pieces of work (`work_s`) that a request may hold another for: about a second of CPU on a slow core.

Several times the longest seen (7); an answer that is made in one step takes 60 and more.
"""

ATTEMPTS = 3
"""How often it is tried whether a request holds others: what the server does is there each time, a busy machine not."""

_LONG_PATIENCE = 5 * PATIENCE
_PROGRAM = Path(__file__).with_name("hold_client.py")
_SMALL = b'{"model":"gpt-4.1-mini","messages":[{"role":"user","content":"hi"}],"max_tokens":1}'


class Drained(NamedTuple):
    """What came of a heavy request: the status, and the bytes of head and body."""

    status: int
    bytes: int


def work_s() -> float:
    """The CPU seconds of a piece of work like the server's own: making and encoding 60,000 small dictionaries."""
    began = time.thread_time()
    for _ in range(60):
        orjson.dumps(
            [{"token": f"token {i}", "logprob": -i / 7, "bytes": list(range(12))} for i in range(1_000)]
        )
    return time.thread_time() - began


def least_hold(
    server: Serving, *requests: bytes, admin: bool = False, watched_s: float = _LONG_PATIENCE
) -> tuple[float, Sequence[Drained]]:
    """As `longest_hold`, of up to three attempts the least: what the server does is there in each of them.

    For requests that are as heavy when they are sent again.
    """
    for _ in range(ATTEMPTS):
        held, heavy = longest_hold(server, *requests, admin=admin, watched_s=watched_s)
        if held < MOST_HOLD:
            break
    return held, heavy


def longest_hold(
    server: Serving, *requests: bytes, admin: bool = False, watched_s: float = _LONG_PATIENCE
) -> tuple[float, Sequence[Drained]]:
    """The longest that small requests were held while others, sent at once, were under way; and those.

    In pieces of work, see `work_s`. After `watched_s` seconds whatever is still under way is hung up on.
    """
    before_s = work_s()
    port = next(iter(server.ports.values()))
    wanted: dict[str, Any] = {
        "process": server.process,
        "thread": server.thread,
        "port": port,
        "heavy_port": server.admin_port if admin else port,
        "small": request_bytes(body=_SMALL),
        "heavy": requests,
        "patience_s": _LONG_PATIENCE,
        "watched_s": watched_s,
    }
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(_PROGRAM)],
        input=pickle.dumps(wanted),
        capture_output=True,
        timeout=_LONG_PATIENCE + PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    told = json.loads(done.stdout)
    return told["held_s"] / max(before_s, work_s()), [Drained(*one) for one in told["heavy"]]


def closing(**how: Any) -> bytes:
    """A request after whose answer the connection is closed."""
    headers = {"connection": "close", **how.pop("headers", {})}
    return request_bytes(headers=headers, **how)
