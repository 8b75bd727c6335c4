"""The answer that a user's callable was handed, read from the body that its client received.

A callable may return anything: nothing, a summary, an object that it parsed. What is compared with the truth is then
what the transport handed over, as far as the transport could be seen.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial

from windtunnel.harness.clients.reading import READINGS, JsonAnswer, Reading
from windtunnel.harness.clients.sse import DONE, PATHS, event_of
from windtunnel.harness.contract.records import AttemptRow

EVENT_STREAM = "text/event-stream"
LOADS = partial(json.loads, object_hook=JsonAnswer)


class HandedBody:
    """The body of one answer with a status below 300. `path` is the request's."""

    __slots__ = ("_encoded", "_path", "_pieces", "_streamed", "row")

    def __init__(self, row: AttemptRow, path: str, headers: Mapping[str, str]) -> None:
        self.row = row
        self._path = path
        self._pieces: list[bytes] = []
        self._streamed = headers.get("content-type", "").startswith(EVENT_STREAM)
        self._encoded = headers.get("content-encoding", "identity") != "identity"

    def add(self, data: bytes) -> None:
        """Take a piece of the body."""
        self._pieces.append(data)

    def read(self, api: str) -> Reading | None:
        """Return what an application had of it; None if that cannot be said: it is of another API, or was left early.

        A body that is no answer of the API is an answer without content: who takes it for one has nothing.
        """
        if self._encoded or not self._path.endswith(PATHS[api]):
            return None
        reading = READINGS[api]()
        reading.opened = True
        try:
            self._fill(reading)
        except (ValueError, TypeError, AttributeError, KeyError):  # of another kind, or broken
            reading = READINGS[api]()
            reading.opened = True
            return reading
        except Exception:  # noqa: BLE001  # an answer that says it failed, and was taken for one
            return reading
        left = not self.row.body_complete and self.row.error_type is None
        return None if left and not reading.complete else reading

    def _fill(self, reading: Reading) -> None:
        text = b"".join(self._pieces).decode()
        if not self._streamed:
            reading.whole(LOADS(text))
            return
        for line in text.splitlines():
            event = event_of(line)
            if event == DONE:
                return
            if event is not None:
                reading.take(event)
