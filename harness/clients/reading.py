"""Reading an answer as an application does: what it ends up with, and what of that the answer says about itself.

One reader serves all drivers: the SDK's objects and `JsonAnswer` (a JSON object with attributes) look the same.
Whatever reading raises is the application's error.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from windtunnel.mock_server.api.embeddings.wire import vector_text
from windtunnel.mock_server.api.truth import Choice, digest

CHARACTERS_PER_TOKEN = 4
CUT_REASONS = ("length", "content_filter")
"""Finish reasons by which an answer says that it is not all there."""

INCOMPLETE_REASONS = {"max_output_tokens": "length", "content_filter": "content_filter"}


class AnswerFailedError(Exception):
    """The answer itself says that it failed: `response.failed`, or an `error` event of the Responses API."""


class UnfinishedAnswerError(Exception):
    """The answer ended without a finish reason or terminal event, and the profile checks that."""


class JsonAnswer(dict[str, Any]):
    """A JSON object whose missing keys are None, as in the SDK's models."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        return self.get(name)


def json_answer(value: Any) -> Any:
    """JSON as an answer: its objects have attributes, as the SDK's have."""
    if isinstance(value, Mapping):
        return JsonAnswer({key: json_answer(inner) for key, inner in value.items()})
    if isinstance(value, list | tuple):
        return [json_answer(inner) for inner in value]
    return value


TOOL_CONTENTS = {"function_call": "arguments", "custom_tool_call": "input"}
"""Where a Responses item that calls one of the application's tools has what the tool is given."""


class Reading(ABC):
    """What one try delivered so far. `opened`: the answer was handed to the application. `comparable`: it is known what
    was delivered, so it can be compared with the truth. `told_incomplete`: the application itself says it is not all.
    """

    __slots__ = (
        "_digest",
        "_given",
        "_size",
        "comparable",
        "complete",
        "finish_reason",
        "opened",
        "refused",
        "told_incomplete",
    )

    def __init__(self) -> None:
        self._digest: str | None = None
        self._given: str | None = None
        self.opened = False
        self.told_incomplete = False
        self.comparable = True
        self.complete = False
        self.finish_reason: str | None = None
        self.refused = False
        self._size = 0

    @property
    def tokens(self) -> int:
        """Tokens received: 4 characters each."""
        return -(-self._size // CHARACTERS_PER_TOKEN)

    @property
    def declared_incomplete(self) -> bool:
        """Whether the answer itself says that it is not all: cut, filtered or refused."""
        return self.refused or self.finish_reason in CUT_REASONS

    def answered_locally(self, tokens: int) -> None:
        """A model of the application's own has answered: there is no provider's answer to compare it with."""
        self.opened = self.complete = True
        self.comparable = False
        self.finish_reason = "stop"
        self._size = tokens * CHARACTERS_PER_TOKEN

    def take(self, event: Any) -> bool:
        """Take one event of a stream; True if it carried content."""
        raise NotImplementedError(f"{type(self).__name__} reads no stream")

    @abstractmethod
    def whole(self, answer: Any) -> None:
        """Take an answer that came in one piece."""

    @abstractmethod
    def choices(self) -> list[Choice]:
        """What the application has now."""

    def put_together(self) -> None:
        """Put the pieces together, as the application does with a whole answer. Raises TypeError if they do not fit."""
        if self._given is not None:
            self._digest = self._given
        else:
            self._digest = digest(self.choices()) if self.comparable else None

    def digest(self) -> str | None:
        """What `put_together` made; None if there is nothing to compare."""
        return self._digest

    def become(self, other: Reading) -> None:
        """Take over all that `other`, of the same API, has read."""
        for kind in type(self).__mro__:
            for name in getattr(kind, "__slots__", ()):
                setattr(self, name, getattr(other, name))

    def with_digest(self, digest: str) -> None:
        """The application says what it has by this digest alone."""
        self._given = digest

    def with_text(self, text: str) -> None:
        """The application has kept this text of the answer, whatever was read."""
        raise NotImplementedError(f"{type(self).__name__} has no text")


class _ChatChoice:
    __slots__ = ("finish", "refusal", "text", "tools")

    def __init__(self) -> None:
        self.text: list[str] = []
        self.refusal: list[str] = []
        self.tools: dict[int, tuple[list[str], list[str]]] = {}
        self.finish: str | None = None


class ChatReading(Reading):
    """A chat completion: content, refusal and tool calls of every choice."""

    __slots__ = ("_choices",)

    def __init__(self) -> None:
        super().__init__()
        self._choices: dict[int, _ChatChoice] = {}

    def take(self, event: Any) -> bool:
        before = self._size
        for choice in event.choices:
            self._add(choice, choice.delta)
        return self._size > before

    def whole(self, answer: Any) -> None:
        for choice in answer.choices:
            self._add(choice, choice.message)

    def _add(self, choice: Any, said: Any) -> None:
        index = choice.index
        kept = self._choices.get(index)
        if kept is None:
            kept = self._choices[index] = _ChatChoice()
        if text := said.content:
            kept.text.append(text)
            self._size += len(text)
        if refusal := said.refusal:
            kept.refusal.append(refusal)
            self._size += len(refusal)
            self.refused = True
        if said.tool_calls:
            self._add_tools(kept, said.tool_calls)
        if choice.finish_reason is not None:
            kept.finish = choice.finish_reason
            if self.finish_reason is None or index == 0:
                self.finish_reason = kept.finish
            self.complete = all(other.finish is not None for other in self._choices.values())

    def with_text(self, text: str) -> None:
        first = self._choices.setdefault(0, _ChatChoice())
        first.text = [text]

    def _add_tools(self, kept: _ChatChoice, calls: Any) -> None:
        for position, call in enumerate(calls):
            index = getattr(call, "index", None)  # only a stream's pieces have one
            names, arguments = kept.tools.setdefault(position if index is None else index, ([], []))
            if name := call.function.name:
                names.append(name)
            if piece := call.function.arguments:
                arguments.append(piece)
                self._size += len(piece)

    def choices(self) -> list[Choice]:
        return [
            (
                index,
                "".join(kept.text),
                "".join(kept.refusal),
                [("".join(names), "".join(pieces)) for _, (names, pieces) in sorted(kept.tools.items())],
                kept.finish,
            )
            for index, kept in self._choices.items()
        ]


class ResponseReading(Reading):
    """An answer of the Responses API, as one choice."""

    __slots__ = ("_refusal", "_text", "_tools")

    def __init__(self) -> None:
        super().__init__()
        self._text: list[str] = []
        self._refusal: list[str] = []
        self._tools: list[tuple[str, str]] = []

    def take(self, event: Any) -> bool:
        kind = event.type
        if kind == "response.output_text.delta":
            return self._add(self._text, event.delta)
        if kind == "response.refusal.delta":
            self.refused = True
            return self._add(self._refusal, event.delta)
        if kind in ("response.function_call_arguments.delta", "response.custom_tool_call_input.delta"):
            self._size += len(event.delta)
            return bool(event.delta)
        if kind == "response.output_item.done" and event.item.type in TOOL_CONTENTS:
            self._tools.append(_tool_call(event.item))
        elif kind in ("response.completed", "response.incomplete", "response.failed"):
            self._end(event.response)
        elif kind == "error":
            # On the wire the error is seen inside the event; documented is one with its fields beside the type.
            error = getattr(event, "error", None) or event
            raise AnswerFailedError(f"{error.code}: {error.message}")
        return False

    def whole(self, answer: Any) -> None:
        for item in answer.output:
            if item.type in TOOL_CONTENTS:
                self._tools.append(_tool_call(item))
                self._size += len(self._tools[-1][1])
            elif item.type == "message":
                for part in item.content:
                    self._add_part(part)
        self._end(answer)

    def with_text(self, text: str) -> None:
        self._text = [text]

    def _add_part(self, part: Any) -> None:
        if part.type == "refusal":
            self.refused = True
            self._add(self._refusal, part.refusal)
        else:
            self._add(self._text, part.text)

    def _add(self, pieces: list[str], piece: str) -> bool:
        pieces.append(piece)
        self._size += len(piece)
        return bool(piece)

    def _end(self, response: Any) -> None:
        status = response.status
        if status == "failed":
            error = response.error
            raise AnswerFailedError(f"{error.code}: {error.message}" if error else "the response failed")
        self.complete = True
        if status == "completed":
            self.finish_reason = "tool_calls" if self._tools else "stop"
        elif status == "incomplete":
            details = response.incomplete_details
            reason = details.reason if details else None
            self.finish_reason = INCOMPLETE_REASONS.get(reason, reason) if reason else None

    def choices(self) -> list[Choice]:
        return [(0, "".join(self._text), "".join(self._refusal), self._tools, self.finish_reason)]


def _tool_call(item: Any) -> tuple[str, str]:
    """A finished call: the tool's name, and what it is given."""
    return item.name, getattr(item, TOOL_CONTENTS[item.type])


class EmbeddingReading(Reading):
    """Vectors, one choice each."""

    __slots__ = ("_choices",)

    def __init__(self) -> None:
        super().__init__()
        self._choices: list[Choice] = []

    def whole(self, answer: Any) -> None:
        for item in answer.data:
            vector = item.embedding
            # Base64, which a plain client gets if it asks for it, is exactly the text of the vector's truth.
            text = vector if isinstance(vector, str) else vector_text(vector)
            self._choices.append((item.index, text, None, [], None))
        self.complete = True

    def choices(self) -> list[Choice]:
        return self._choices


READINGS: dict[str, type[Reading]] = {
    "chat": ChatReading,
    "responses": ResponseReading,
    "embeddings": EmbeddingReading,
}
