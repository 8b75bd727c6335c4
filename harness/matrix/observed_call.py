"""One call as its client saw it: what the application has in hand, and what went wrong, and where."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from windtunnel.harness.clients.reading import READINGS, Reading
from windtunnel.harness.clients.sse import DONE, event_of
from windtunnel.harness.matrix.cases import TOOL, Case, Task
from windtunnel.mock_server.api.truth import Choice, digest

CallStage: TypeAlias = Literal["client", "reading", "using"]

_TERMINAL = ("response.completed", "response.incomplete", "response.failed")


class ObservedAnswer:
    """An answer as the gallery's clients read it, and what they have no use for: its usage and its own status."""

    def __init__(self, api: str) -> None:
        self._api = api
        self._reading: Reading = READINGS[api]()
        self.usage = False
        self.status: str | None = None
        self.reason: str | None = None

    @property
    def finish(self) -> str | None:
        """The finish reason, as the server's truth spells it."""
        return self._reading.finish_reason

    @property
    def refused(self) -> bool:
        return self._reading.refused

    @property
    def content(self) -> bool:
        """Whether there is any content."""
        return self._reading.tokens > 0

    def take(self, event: Any) -> None:
        """Take an event of a stream."""
        if self._api == "chat":
            self.usage = self.usage or bool(event.usage)
        elif event.type in _TERMINAL:
            self._note(event.response)
        self._reading.take(event)
        if self._api == "chat":
            self.status = self.finish

    def whole(self, answer: Any) -> None:
        """Take an answer that came in one piece."""
        if self._api == "responses":
            self._note(answer)
        self._reading.whole(answer)
        if self._api == "chat":
            self.usage = bool(answer.usage)
            self.status = self.finish

    def _note(self, response: Any) -> None:
        self.status = response.status
        self.usage = bool(response.usage)
        self.reason = response.incomplete_details.reason if response.incomplete_details else None

    def choices(self) -> list[Choice]:
        """What the application has in hand, whole."""
        return self._reading.choices()

    def digest(self, finish: str | None) -> str:
        """The digest of what was read, as if it had ended for the reason `finish`."""
        choices = self.choices() or [(0, "", "", [], None)]
        return digest([(index, text, refusal, tools, finish) for index, text, refusal, tools, _ in choices])

    def use(self, task: Task) -> None:
        """Go on with the answer as an application does that asked for JSON, or for a tool."""
        for _, text, _, tools, _ in self.choices():
            if task == "schema":
                json.loads(text or "")
            elif task == "tool":
                for name, arguments in tools:
                    {TOOL: json.loads}[name](arguments)


@dataclass(slots=True)
class ObservedCall:
    """One call as its client saw it.

    `error` is what ended it and `stage` whose it is: the client's own, or the application's, which had taken what it
    got for an answer and was reading it, or using what it had read. `took` is in seconds.
    """

    answer: ObservedAnswer
    took: float = 0.0
    error: Exception | None = None
    stage: CallStage = field(default="client", kw_only=True)

    @property
    def failed(self) -> bool:
        """Whether the client itself reported a failure."""
        return self.error is not None and self.stage == "client"

    def take(self, event: Any) -> None:
        """Read an event of a stream."""
        self.stage = "reading"
        self.answer.take(event)
        self.stage = "client"

    def take_line(self, line: str | bytes) -> bool:
        """Read a line of a stream. Returns True after `[DONE]`: like the drivers of a run, it reads on to the end of
        a stream that has none."""
        self.stage = "reading"
        event = event_of(line.decode() if isinstance(line, bytes) else line)
        self.stage = "client"
        if event is not None and event != DONE:
            self.take(event)
        return bool(event == DONE)

    def whole(self, answer: Any) -> None:
        """Read an answer that came in one piece."""
        self.stage = "reading"
        self.answer.whole(answer)

    def use(self, task: Task) -> None:
        """Use what has been read."""
        self.stage = "reading"
        self.answer.choices()  # joins the pieces of a stream: those that are no text are found out only here
        self.stage = "using"
        self.answer.use(task)


@contextmanager
def observing(case: Case) -> Iterator[ObservedCall]:
    """Make one call in the body: however it ends, the yielded object has it."""
    call = ObservedCall(ObservedAnswer(case.api))
    began = time.monotonic()
    try:
        yield call
    except Exception as error:  # noqa: BLE001  # which exception a client raises is what is measured
        call.error = error
    finally:
        call.took = time.monotonic() - began
