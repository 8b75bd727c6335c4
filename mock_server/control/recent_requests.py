"""The last requests with their scripts, for the live page and the admin API.

Nothing is rendered before it is requested. Bodies are never shown, and large ones not kept.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from windtunnel.mock_server.journal.columns import SERVED_NAMES
from windtunnel.mock_server.script import Script, Send, script_text

MAX_REQUESTS = 100
"""The number of requests that are kept."""

LARGE = 65_536
"""Bytes of one step, from which on a script is rendered at once, so that its bytes can go."""

LONG = 2_000
"""Steps, from which on the same holds."""

SHOWN = (
    "served_id",
    "call_id",
    "attempt",
    "plan",
    "arrived_s",
    "started_s",
    "first_byte_s",
    "last_byte_s",
    "ended_s",
    "status",
    "faults",
    "region",
    "api",
    "model",
    "stream",
    "key_hash",
    "tokens_planned",
    "tokens_sent",
    "bytes_sent",
    "abandoned",
    "idempotent_replay",
    "queue_depth",
    "ending",
)
_ID = SERVED_NAMES.index("served_id")
_COLUMNS = tuple((name, SERVED_NAMES.index(name)) for name in SHOWN)


class RecentRequests:
    """The last `MAX_REQUESTS` requests that are over, by their served rows."""

    __slots__ = ("_entries",)

    def __init__(self) -> None:
        self._entries: deque[tuple[tuple[Any, ...], Script | str | None]] = deque(maxlen=MAX_REQUESTS)

    def add(self, row: tuple[Any, ...], script: Script | None) -> None:
        """Add a request that is over."""
        shown_script: Script | str | None = script
        if script is not None:
            steps = script.steps
            if len(steps) > LONG or (
                len(steps) < 10 and any(type(step) is Send and len(step.data) > LARGE for step in steps)
            ):
                shown_script = script_text(script)  # the text, so that the bytes can be freed
        self._entries.append((row, shown_script))

    def clear(self) -> None:
        """Forget all of them."""
        self._entries.clear()

    def entries(self, *, scripts: bool = True) -> list[dict[str, Any]]:
        """Return the requests, the latest first: some columns of the served row, and the script as a line of text."""
        latest_first = reversed(self._entries)
        return [shown(row, script) if scripts else columns(row) for row, script in latest_first]

    def script_of(self, served_id: str) -> str | None:
        """Return the script of one request as a line of text. Raises `KeyError` for one that is not remembered."""
        for row, script in self._entries:
            if row[_ID] == served_id:
                return script_text(script) if isinstance(script, Script) else script
        raise KeyError(served_id)


def shown(row: tuple[Any, ...], script: Script | str | None) -> dict[str, Any]:
    """Return some columns of a served row, and its script."""
    return columns(row) | {"script": script_text(script) if isinstance(script, Script) else script}


def columns(row: tuple[Any, ...]) -> dict[str, Any]:
    """Return some columns of a served row."""
    return {name: row[index] for name, index in _COLUMNS}
