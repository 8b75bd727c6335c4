"""How long a connection without requests lasts, and what becomes of it then.

    idle ──(rule: idle)──► expiry ─┬─ close ──► FIN
      ▲                            ├─ reset ──► forgotten: what comes next is answered with an RST
      └─ answered ◄── busy         └─ silent ─► forgotten: what comes next is never answered

A connection that the server's end has forgotten stays open for its client, and so in the records, until that one
closes it: neither end of a half-open connection knows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from windtunnel.mock_server.provider.compiled_settings import ConnectionSettings


class Expiring(Protocol):
    """A connection, as far as its expiry concerns it."""

    def close(self) -> None:
        """Close it with a FIN."""

    def reset(self) -> None:
        """Reset it at once."""


class KeepAlive:
    """Ends a connection that is idle for too long. `rules` gives the region's rules as they are now."""

    __slots__ = ("_connection", "_forgotten", "_loop", "_rules", "_timer")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        rules: Callable[[], ConnectionSettings | None],
        connection: Expiring,
    ) -> None:
        self._loop = loop
        self._rules = rules
        self._connection = connection
        self._timer: asyncio.TimerHandle | None = None
        self._forgotten: ConnectionSettings | None = None

    def idle(self) -> None:
        """Note that nothing is asked or answered from now on."""
        rules = self._rules()
        self.busy()
        if rules is not None and rules.idle is not None:
            self._timer = self._loop.call_later(rules.idle, self._expire, rules)

    def busy(self) -> None:
        """Note that something is, or that the connection is over."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def received(self) -> bool:
        """Note that bytes have come; returns whether nobody is there any more to read them."""
        self.busy()
        if self._forgotten is None:
            return False
        if self._forgotten.expiry == "reset":
            self._connection.reset()
        return True

    def announced(self) -> str:
        """Return what the header `keep-alive` says; empty if the rules do not have it sent."""
        rules = self._rules()
        if rules is None or rules.idle is None or not rules.announce:
            return ""
        return f"timeout={int(rules.idle)}"

    def last(self, number: int) -> bool:
        """Return whether request `number` (from 0) is the last one that the rules allow on this connection."""
        rules = self._rules()
        return rules is not None and rules.requests is not None and number + 1 >= rules.requests

    def _expire(self, rules: ConnectionSettings) -> None:
        self._timer = None
        if rules.expiry == "close":
            self._connection.close()
        else:
            self._forgotten = rules
