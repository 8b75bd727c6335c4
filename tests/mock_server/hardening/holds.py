"""How long a request holds others: what the server works between a small request and its answer, meanwhile.

The measure is CPU time of the thread that serves, which a loaded machine does not lengthen much.
"""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tests.mock_server.transports.conftest import PATIENCE, Serving, request_bytes

MOST_HOLD_S = 1.0
"""CPU seconds: four times what a request may hold another for, for a machine that is slow and shared."""

_LONG_PATIENCE = 5 * PATIENCE
_PROGRAM = Path(__file__).with_name("hold_client.py")
_SMALL = b'{"model":"gpt-4.1-mini","messages":[{"role":"user","content":"hi"}],"max_tokens":1}'


class Drained(NamedTuple):
    """What came of a heavy request: the status, and the bytes of head and body."""

    status: int
    bytes: int


def longest_hold(
    server: Serving, *requests: bytes, admin: bool = False, watched_s: float = _LONG_PATIENCE
) -> tuple[float, Sequence[Drained]]:
    """The longest that small requests were held while others, sent at once, were under way; and those.

    After `watched_s` seconds whatever is still under way is hung up on.
    """
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
    return told["held_s"], [Drained(*one) for one in told["heavy"]]


def closing(**how: Any) -> bytes:
    """A request after whose answer the connection is closed."""
    headers = {"connection": "close", **how.pop("headers", {})}
    return request_bytes(headers=headers, **how)
