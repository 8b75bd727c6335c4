"""The call's header on what goes through `http.client`: requests, urllib3, urllib. Nothing is recorded of it.

Blocking calls have threads of their own, and a call's row belongs to one thread.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from http.client import HTTPConnection
from typing import Any

from windtunnel.harness.clients.base import CALL_HEADER


def watch_http_client(call_id_of: Callable[[str, int], str | None]) -> None:
    """Mark each request from now on with the id that `call_id_of` gives for its host and port, if it gives one."""
    original = HTTPConnection.endheaders
    name = f"{CALL_HEADER}:".encode()

    @wraps(original)
    def endheaders(self: Any, *arguments: Any, **named: Any) -> None:
        call_id = call_id_of(self.host, self.port)
        if call_id is not None and not any(line.lower().startswith(name) for line in self._buffer):
            self.putheader(CALL_HEADER, call_id)
        original(self, *arguments, **named)

    HTTPConnection.endheaders = endheaders  # type: ignore[method-assign]  # passes the call's header on
