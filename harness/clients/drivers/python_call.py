"""What a user's own callable is given for each call, and how what it gives back is read.

target(UserCall) ──► anything, or an iterator of anything, async or not ──► Returned ──┐
      └── its client ──► HandedBody ──► Reading of what it was handed ─────────────────┴──► Reading that is compared
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import AsyncIterable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from windtunnel.harness.clients.reading import READINGS, JsonAnswer, Reading, json_answer
from windtunnel.harness.inputs.signature import FIELD


class AnswerTypeError(TypeError):
    """The callable gave back something else than its profile says, or than anybody could read."""

    def __init__(self, found: str, expected: str) -> None:
        self.found = found
        self.expected = expected
        super().__init__(f"the target {found}, expected {expected}")


class Tools(Protocol):
    """HTTP clients whose requests are recorded: one of each for an instance, made when first asked for."""

    kept: dict[str, Any]

    def http_client(self) -> Any: ...

    def session(self) -> Any: ...

    def recorded(self, transport: Any) -> Any: ...


@dataclass(frozen=True, slots=True)
class UserCall:
    """One call that is due, as the user's callable gets it.

    - `body`: the request's JSON body, as one would write it for curl; `api` is chat, responses or embeddings.
    - `base_url` ends with `/v1`; `api_key` is what goes behind `Bearer`.
    - `headers`: to be passed on with every request that is made for this call. They say which call it is; without
      them the server has to guess.
    - `kept`: the same dict in all calls of an instance, empty at first: for a client that is to be kept.
    - `state`: what the profile's set-up returned or yielded.
    - `line`: the call's line of the file of prompts; what of it goes into a request is in `body` already.
    - `deadline_s`: seconds that the profile's `timeouts.total` leaves; None if there is no such limit.
    """

    call_id: str
    api: str
    stream: bool
    body: dict[str, Any]
    base_url: str
    api_key: str
    headers: dict[str, str]
    tools: Tools
    state: Any = None
    line: Mapping[str, Any] = field(default_factory=dict)
    deadline_s: float | None = None

    def argument(self, name: str) -> Any:
        """What a parameter of the callable stands for, by the names of `harness/inputs/signature.py`."""
        if name.startswith(FIELD):
            return self.line[name.removeprefix(FIELD)]
        if name == "call":
            return self
        if name == "prompt":
            return self.prompt
        if name == "messages":
            return self.body.get("messages") or [{"role": "user", "content": self.prompt}]
        return self.body.get("model") if name == "model" else getattr(self, name)

    @property
    def prompt(self) -> str:
        """The text that is asked: the last message's, or the input."""
        if messages := self.body.get("messages"):
            return str(messages[-1].get("content") or "")
        return str(self.body.get("input") or "")

    @property
    def kept(self) -> dict[str, Any]:
        return self.tools.kept

    @property
    def http_client(self) -> Any:
        """The instance's own `AsyncClient`, with the profile's timeouts and pool, and its attempts recorded: for
        `AsyncOpenAI(http_client=…)`, or as it is. A plain target's is a `Client`. It is of the library that the SDK is
        on: httpx2, or httpx for openai 2."""
        return self.tools.http_client()

    @property
    def session(self) -> Any:
        """The same for aiohttp; a plain target's is a `requests.Session`."""
        return self.tools.session()

    def recorded(self, transport: Any) -> Any:
        """A transport of one's own for `AsyncClient(transport=…)` of httpx2 or httpx, with its attempts recorded; for
        `Client` where the target is plain."""
        return self.tools.recorded(transport)


def _chat_text(text: str) -> JsonAnswer:
    return JsonAnswer(choices=[JsonAnswer(index=0, delta=JsonAnswer(content=text))])


def _response_text(text: str) -> JsonAnswer:
    return JsonAnswer(type="response.output_text.delta", delta=text)


TEXT: Mapping[str, tuple[Callable[[str], JsonAnswer], JsonAnswer]] = {
    "chat": (_chat_text, JsonAnswer(choices=[JsonAnswer(index=0, delta=JsonAnswer(), finish_reason="stop")])),
    "responses": (
        _response_text,
        JsonAnswer(type="response.completed", response=JsonAnswer(status="completed")),
    ),
}
"""A piece of text as an event of its API, and the event that ends an answer of text.

Text has no finish reason. Who hands it on as the answer says that it is all of it: `stop`.
"""

Told = Callable[[], None]
MISREAD = (TypeError, ValueError, AttributeError, KeyError)
"""What reading an object raises that is of another kind."""


@dataclass(slots=True)
class Returned:
    """What a callable gave back: text, or what was read of objects of the API, or neither."""

    text: str | None = None
    answer: Reading | None = None
    what: str = "nothing"


async def read_answer(answer: Any, api: str, content: Told, *, strict: bool = False) -> Returned:
    """Read what a callable gave back, an async iterator to its end; `content` is told of each content of one.

    Of an answer in one piece nothing is told: nobody knows when it began. What looks like an object of the API and is
    none is passed over, unless `strict`. Raises whatever iterating raises, and AnswerFailedError where it failed.
    """
    returned = Returned(what=type(answer).__name__)
    if not isinstance(answer, AsyncIterable):
        _read_whole(answer, api, returned, strict=strict)
        return returned
    take = _Pieces(returned, api, content, strict=strict).take
    pieces: Any = answer
    async with contextlib.AsyncExitStack() as stack:
        if hasattr(pieces, "__aexit__"):
            pieces = await stack.enter_async_context(pieces)
        elif hasattr(pieces, "aclose"):
            stack.push_async_callback(pieces.aclose)
        async for piece in pieces:
            take(piece)
    return returned


def read_plain_answer(answer: Any, api: str, content: Told, *, strict: bool = False) -> Returned:
    """The same for a plain callable: an iterator is read to its end.

    Raises AnswerTypeError for what can be read on an event loop alone.
    """
    returned = Returned(what=type(answer).__name__)
    if inspect.isawaitable(answer) or isinstance(answer, AsyncIterable):
        if inspect.iscoroutine(answer):
            answer.close()
        raise AnswerTypeError(f"returned {returned.what}", "`async def` in place of `def`")
    if not isinstance(answer, Iterator):
        _read_whole(answer, api, returned, strict=strict)
        return returned
    take = _Pieces(returned, api, content, strict=strict).take
    pieces: Any = answer
    with contextlib.ExitStack() as stack:
        if hasattr(pieces, "__exit__"):
            pieces = stack.enter_context(pieces)
        elif hasattr(pieces, "close"):
            stack.callback(pieces.close)
        for piece in pieces:
            take(piece)
    return returned


def _read_whole(answer: Any, api: str, returned: Returned, *, strict: bool) -> None:
    if isinstance(answer, str):
        returned.text = answer
    elif _is_answer(answer):
        reading = READINGS[api]()
        with contextlib.suppress(*(() if strict else MISREAD)):
            reading.whole(json_answer(answer) if isinstance(answer, Mapping) else answer)
            returned.answer = reading


class _Pieces:
    """Takes what an iterator gives, piece by piece."""

    def __init__(self, returned: Returned, api: str, content: Told, *, strict: bool) -> None:
        self._returned = returned
        self._api = api
        self._content = content
        self._strict = strict

    def take(self, piece: Any) -> None:
        """Take one piece; None and what is empty is passed over. Raises AnswerTypeError for a number."""
        told = bool(piece)
        returned = self._returned
        if isinstance(piece, str):
            returned.text = (returned.text or "") + piece
        elif isinstance(piece, int | float | complex):
            found = f"yielded {piece!r}, of type {type(piece).__name__}"
            raise AnswerTypeError(found, "text, or an event of the API")
        elif _is_answer(piece):
            if returned.answer is None:
                returned.answer = READINGS[self._api]()
            with contextlib.suppress(*(() if self._strict else MISREAD)):
                told = returned.answer.take(json_answer(piece) if isinstance(piece, Mapping) else piece)
        if told:
            self._content()


def compare(
    returned: Returned, handed: Reading | None, returns: str | None, api: str, reading: Reading
) -> None:
    """Put into `reading` what of a call is compared with the truth: what was `handed`, or what was returned.

    Raises AnswerTypeError if the profile says what it `returns`, and that is not it.
    """
    if returns == "text":
        if returned.text is None:
            raise AnswerTypeError(f"returned {returned.what}", "text, as its profile says (returns: text)")
        reading.become(_of_text(returned.text, handed, api))
    elif returns == "message":
        if returned.answer is None:
            raise AnswerTypeError(
                f"returned {returned.what}", "an object of the API, as its profile says (returns: message)"
            )
        reading.become(returned.answer)
    elif handed is not None or returned.answer is not None:
        reading.become(handed or returned.answer or reading)
    else:
        reading.comparable = False
        reading.complete = True  # as far as anybody can tell
    reading.opened = True


def _of_text(text: str, handed: Reading | None, api: str) -> Reading:
    """What is returned as text is all of the answer; its end is the one that was handed over, if that was seen."""
    if handed is not None:
        handed.with_text(text)
        return handed
    reading = READINGS[api]()
    if api not in TEXT:
        raise AnswerTypeError("returned text", f"an object: {api} has no text")
    piece, end = TEXT[api]
    reading.take(piece(text))
    reading.take(end)
    return reading


def _is_answer(answer: Any) -> bool:
    if isinstance(answer, Mapping):
        return any(name in answer for name in ("choices", "output", "data", "type"))
    return any(hasattr(answer, name) for name in ("choices", "output", "data", "type"))
