"""What each call did, as a few bytes a call: so that two plays of a cell can be held against each other.

    network ─► what was sent on behalf of a call ┐
    rows    ─► its row and those of its attempts ┴─► Behaviours ─► behaviour.json ─► `verify.py` compares two of them

Values are never kept, only digests: a request may hold what nobody should find on a disk.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from hashlib import blake2b
from pathlib import Path
from typing import Any
from zlib import crc32

from windtunnel.harness.contract.files import write_json
from windtunnel.harness.virtual.network.sockets import Address

BEHAVIOUR = "behaviour.json"
MOST_PARTS = 200_000
"""Parts of requests (a header, a piece of a body) that are remembered one by one; the digest goes on behind them."""

HEAD_END = b"\r\n\r\n"


class Behaviours:
    """Digests of all calls of a play. `call` tells whose code runs; `listeners` are the server's addresses."""

    def __init__(self, call: Callable[[], str], listeners: Collection[Address]) -> None:
        self._call = call
        self._listeners = listeners
        self._digests: dict[str, Any] = {}
        self._parts: dict[str, list[tuple[str, int]]] = {}
        self._room = MOST_PARTS

    def sent(self, at: float, here: Address, there: Address, kind: str, data: bytes) -> None:
        """Take what was sent, as the network's trace tells it."""
        call = self._call()
        digest = self._of(call)
        digest.update(b"%.6f %s %d " % (at, kind.encode(), len(data)))
        digest.update(data)
        if data and self._room > 0 and there in self._listeners:
            parts = parts_of(data)
            self._room -= len(parts)
            self._parts.setdefault(call, []).extend(parts)

    def ended(self, call: str, row: tuple[Any, ...]) -> None:
        """Take the row of a call, or of one of its attempts."""
        self._of(call).update(repr(row).encode())

    def write(self, folder: Path) -> None:
        """Write all of it, in the order in which the calls began."""
        calls = {call: [one.hexdigest(), self._parts.get(call, [])] for call, one in self._digests.items()}
        write_json(folder / BEHAVIOUR, calls)

    def _of(self, call: str) -> Any:
        digest = self._digests.get(call)
        if digest is None:
            digest = self._digests[call] = blake2b(digest_size=8)
        return digest


def parts_of(data: bytes) -> list[tuple[str, int]]:
    """Names and checksums of the parts of what a client sends: request line, headers, body."""
    head, end, body = data.partition(HEAD_END)
    if not end:
        return [("body", crc32(data))]
    first, *headers = head.split(b"\r\n")
    parts = [("request line", crc32(first)), *((_name(header), crc32(header)) for header in headers)]
    return [*parts, ("body", crc32(body))] if body else parts


def _name(header: bytes) -> str:
    return f"header {header.partition(b':')[0].decode('latin-1').lower()}"
