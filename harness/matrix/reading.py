"""What an application has in hand after reading an answer as people write it, and nothing more careful than that.

One reading serves the SDK's objects and plain JSON; `Access` is how a field is got at. What goes wrong in here is
the application's own error, not the client's.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from operator import getitem
from typing import Any, NamedTuple

from windtunnel.harness.matrix.cases import TOOL, Task
from windtunnel.mock_server.api.truth import Choice, digest

_REASONS = {"max_output_tokens": "length"}
_TERMINAL = ("response.completed", "response.incomplete", "response.failed")


class Access(NamedTuple):
    """How a field is read: one that is always there, and one that may be missing."""

    need: Callable[[Any, str], Any]
    maybe: Callable[[Any, str], Any]


SDK = Access(getattr, getattr)
"""The SDK's models have every field, None where the answer has none."""

PLAIN = Access(getitem, lambda of, name: of.get(name))
"""JSON as `json.loads` gives it: `answer["choices"]`, `delta.get("content")`."""


class Reading:
    """What has been read so far. `status` is what the answer itself says of its end, in its own word, and `reason` why
    it is incomplete; `told` is set by an event that is an error, and by which nothing was raised."""

    def __init__(self, access: Access) -> None:
        self._need, self._maybe = access
        self.text: list[str] = []
        self.refusal: list[str] = []
        self.tools: list[list[str]] = []
        self.status: str | None = None
        self.reason: str | None = None
        self.usage = False
        self.told = False

    @property
    def content(self) -> bool:
        """Whether there is anything at all."""
        return any(self.text) or any(self.refusal) or bool(self.tools)

    @property
    def finish(self) -> str | None:
        """The finish reason as the server's truth spells it."""
        return self.status

    @property
    def over(self) -> bool:
        """Whether an event said that nothing more will come."""
        return False

    def take(self, event: Any) -> None:
        """Take one event of a stream."""
        raise NotImplementedError

    def whole(self, answer: Any) -> None:
        """Take an answer that came in one piece."""
        raise NotImplementedError

    def digest(self, finish: str | None) -> str:
        """The digest of what was read, as if it had ended for the reason `finish`."""
        tools = [(name, arguments) for name, arguments in self.tools]
        choice: Choice = (0, "".join(self.text), "".join(self.refusal), tools, finish)
        return digest([choice])

    def use(self, task: Task) -> None:
        """Go on with the answer as the application would that asked for JSON, or for a tool."""
        if task == "schema":
            json.loads("".join(self.text))
        elif task == "tool":
            for name, arguments in self.tools:
                {TOOL: json.loads}[name](arguments)


class ChatReading(Reading):
    """A chat completion with one choice."""

    def take(self, event: Any) -> None:
        for choice in self._need(event, "choices"):
            self._said(self._need(choice, "delta"), self._maybe)
            self.status = self._maybe(choice, "finish_reason") or self.status
        self.usage = self.usage or bool(self._maybe(event, "usage"))

    def whole(self, answer: Any) -> None:
        choice = self._need(answer, "choices")[0]
        self._said(self._need(choice, "message"), self._need)
        self.status = self._need(choice, "finish_reason")
        self.usage = bool(self._maybe(answer, "usage"))

    def _said(self, said: Any, content: Callable[[Any, str], Any]) -> None:
        self.text.append("" + (content(said, "content") or ""))
        self.refusal.append(self._maybe(said, "refusal") or "")
        for call in self._maybe(said, "tool_calls") or []:
            function = self._need(call, "function")
            name = self._maybe(function, "name")
            if name:
                self.tools.append([name, ""])
            self.tools[-1][1] += self._maybe(function, "arguments") or ""


class ResponseReading(Reading):
    """An answer of the Responses API: its text from the deltas, its calls from the items that are done."""

    def __init__(self, access: Access) -> None:
        super().__init__(access)
        self._ended = False

    @property
    def finish(self) -> str | None:
        if self.status == "completed":
            return "tool_calls" if self.tools else "stop"
        return _REASONS.get(self.reason, self.reason) if self.reason else None

    @property
    def over(self) -> bool:
        return self._ended

    def take(self, event: Any) -> None:
        kind = self._need(event, "type")
        if kind == "response.output_text.delta":
            self.text.append("" + self._need(event, "delta"))
        elif kind == "response.refusal.delta":
            self.refusal.append(self._need(event, "delta"))
        elif kind == "response.output_item.done":
            self._call(self._need(event, "item"))
        elif kind in _TERMINAL:
            self._end(self._need(event, "response"))
        elif kind == "error":
            self.told = True

    def whole(self, answer: Any) -> None:
        for item in self._need(answer, "output"):
            self._call(item)
            if self._need(item, "type") == "message":
                for part in self._need(item, "content"):
                    self._part(part)
        self._end(answer)

    def _part(self, part: Any) -> None:
        if self._need(part, "type") == "refusal":
            self.refusal.append(self._need(part, "refusal"))
        else:
            self.text.append("" + self._need(part, "text"))

    def _call(self, item: Any) -> None:
        if self._need(item, "type") == "function_call":
            self.tools.append([self._need(item, "name"), self._need(item, "arguments")])

    def _end(self, response: Any) -> None:
        self._ended = True
        self.status = self._need(response, "status")
        self.usage = bool(self._maybe(response, "usage"))
        details = self._maybe(response, "incomplete_details")
        if details:
            self.reason = self._need(details, "reason")


def new_reading(api: str, access: Access) -> Reading:
    """An empty reading for an API."""
    return ChatReading(access) if api == "chat" else ResponseReading(access)
