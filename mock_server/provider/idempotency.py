"""`Idempotency-Key`: requests that repeat an earlier one, and the answer of that one.

    POST with a key ─┬─ never seen ───────────► admitted; remembered once it is accepted
                     ├─ seen, same request ───► a replay: the first one's answer, at the first one's pace
                     └─ seen, other request ──► 409

What is remembered is the answer; the first request's ticket only while it is being worked on. Memory is bounded.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace
from hashlib import blake2b
from typing import TYPE_CHECKING, TypeAlias

import orjson

from windtunnel.mock_server.api.errors import ApiError
from windtunnel.mock_server.api.routes import ENDPOINTS
from windtunnel.mock_server.request import Request
from windtunnel.mock_server.script import Send

if TYPE_CHECKING:
    from windtunnel.mock_server.api.endpoint import Answer
    from windtunnel.mock_server.provider.ticket import Ticket

MAX_KEYS = 10_000
"""Idempotency keys remembered; the least recently used one is forgotten first."""

MAX_BYTES = 64 * 2**20
"""Bytes of the answers remembered with them."""

CONFLICT = ApiError(
    409,
    "This idempotency key was used before, with another request. Repeat that request, or use a new key.",
    "idempotency_error",
)

Key: TypeAlias = tuple[str, str, str, str]
"""Region, hash of the API key, endpoint, idempotency key."""


class IdempotencyEntry:
    """An accepted request and its answer. `ticket` is None once the work is over."""

    __slots__ = ("_key", "_registry", "answer", "fingerprint", "size", "ticket")

    def __init__(
        self, registry: Idempotency, key: Key, fingerprint: str, ticket: Ticket, answer: Answer
    ) -> None:
        self._registry = registry
        self._key = key
        self.fingerprint = fingerprint
        self.ticket: Ticket | None = ticket
        self.answer = answer
        self.size = sum([len(step.data) for step in answer.script.steps if type(step) is Send])

    def end(self, *, forget: bool) -> None:
        """Let go of the ticket of work that has ended; with `forget` drop the whole entry, so a retry begins anew."""
        self.ticket = None
        if forget:
            self._registry.forget(self._key)


class Idempotency:
    """The idempotency keys in use, of all API keys and endpoints of one provider."""

    __slots__ = ("_bytes", "_entries")

    def __init__(self) -> None:
        self._entries: OrderedDict[Key, IdempotencyEntry] = OrderedDict()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, request: Request) -> IdempotencyEntry | ApiError | None:
        """Return the entry of an equal request, the error for a different request under the same key, or None."""
        key = _key(request)
        found = None if key is None else self._entries.get(key)
        if found is None or key is None:
            return None
        self._entries.move_to_end(key)
        return found if found.fingerprint == _fingerprint(request) else CONFLICT

    def remember(self, ticket: Ticket, answer: Answer) -> IdempotencyEntry | None:
        """Store an accepted request and return its entry; None if it named no key, or its method takes none."""
        key = _key(ticket.request)
        if key is None:
            return None
        self.forget(key)
        # A replay must not repeat the effect, and the effect would keep the whole request in memory.
        entry = IdempotencyEntry(
            self, key, _fingerprint(ticket.request), ticket, replace(answer, effect=None)
        )
        self._entries[key] = entry
        self._bytes += entry.size
        while len(self._entries) > MAX_KEYS or (self._bytes > MAX_BYTES and len(self._entries) > 1):
            self._bytes -= self._entries.popitem(last=False)[1].size
        return entry

    def forget(self, key: Key) -> None:
        """Remove a key, if it is known."""
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._bytes -= entry.size


def _key(request: Request) -> Key | None:
    """Return the key of a request's entry; None for a request without a key, or that is no POST."""
    endpoint = ENDPOINTS.get(request.endpoint)
    if not request.idempotency_key or (endpoint is not None and endpoint.method != "POST"):
        return None
    return request.region, request.key_hash, request.endpoint, request.idempotency_key


def _fingerprint(request: Request) -> str:
    """Return a digest that is equal for equal requests.

    The boundary of a form differs from one attempt to the next, so its fields and files are hashed, not its bytes.
    """
    hashed = blake2b("\0".join(request.ids).encode(), digest_size=16)
    if not request.parts:
        hashed.update(request.body_hash.encode())
        return hashed.hexdigest()
    hashed.update(orjson.dumps(request.body, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS))
    for name, parts in sorted(request.parts.items()):
        for part in parts:
            about = f"\0{name}\0{part.filename}\0{part.content_type}\0{len(part.data)}\0"
            hashed.update(about.encode("utf-8", "surrogateescape"))
            hashed.update(part.data)
    return hashed.hexdigest()
