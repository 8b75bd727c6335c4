"""What a user's own callable is given for each call, and how what it gives back is read.

target(UserCall) ──► text, an object of the API, a JSON object ──────────► Reading
             └─► an async iterator of pieces of text or of events ──►
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import aiohttp
import httpx2

from windtunnel.harness.clients.reading import JsonAnswer, Reading


class AnswerTypeError(TypeError):
    """The callable gave back what no answer can be read from."""


class Tools(Protocol):
    """HTTP clients whose requests are recorded: one of each for an instance, made when first asked for."""

    kept: dict[str, Any]

    def http_client(self) -> Any: ...

    def session(self) -> aiohttp.ClientSession: ...

    def recorded(self, transport: Any) -> httpx2.AsyncBaseTransport: ...


@dataclass(frozen=True, slots=True)
class UserCall:
    """One call that is due, as the user's callable gets it.

    - `body`: the request's JSON body, as one would write it for curl; `api` is chat, responses or embeddings.
    - `base_url` ends with `/v1`; `api_key` is what goes behind `Bearer`.
    - `headers`: to be passed on with every request that is made for this call. They say which call it is; without
      them the server has to guess.
    - `kept`: the same dict in all calls of an instance, empty at first: for a client that is to be kept.
    """

    call_id: str
    api: str
    stream: bool
    body: dict[str, Any]
    base_url: str
    api_key: str
    headers: dict[str, str]
    tools: Tools

    def argument(self, name: str) -> Any:
        """What a parameter of the callable stands for, by the names of `harness/inputs/target.py`."""
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
        `AsyncOpenAI(http_client=…)`, or as it is. It is of the library that the SDK is on: httpx2, or httpx for
        openai 2."""
        return self.tools.http_client()

    @property
    def session(self) -> aiohttp.ClientSession:
        """The same for aiohttp."""
        return self.tools.session()

    def recorded(self, transport: Any) -> httpx2.AsyncBaseTransport:
        """A transport of one's own for `AsyncClient(transport=…)` of httpx2 or httpx, with its attempts recorded."""
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


async def read_answer(answer: Any, api: str, reading: Reading, content: Told) -> None:
    """Read what a callable gave back; `content` is told of each content.

    Raises AnswerTypeError, and whatever iterating and reading raise.
    """
    if isinstance(answer, AsyncIterable):
        await _read_pieces(answer, api, reading, content)
        return
    reading.opened = True
    if isinstance(answer, str):
        _take_text(answer, api, reading)
        _end_text(api, reading)
    else:
        reading.whole(_object(answer, "returned"))
    content()


async def _read_pieces(pieces: Any, api: str, reading: Reading, content: Told) -> None:
    texts = False
    async with contextlib.AsyncExitStack() as stack:
        if hasattr(pieces, "__aexit__"):
            pieces = await stack.enter_async_context(pieces)
        elif hasattr(pieces, "aclose"):
            stack.push_async_callback(pieces.aclose)
        async for piece in pieces:
            reading.opened = True
            if isinstance(piece, str):
                texts = True
                told = _take_text(piece, api, reading)
            else:
                told = reading.take(_object(piece, "yielded"))
            if told:
                content()
    reading.opened = True
    if texts and not reading.complete:
        _end_text(api, reading)


def _take_text(text: str, api: str, reading: Reading) -> bool:
    if api not in TEXT:
        raise AnswerTypeError(f"the target gave back text for {api}, expected an object of the API")
    return reading.take(TEXT[api][0](text))


def _end_text(api: str, reading: Reading) -> None:
    reading.take(TEXT[api][1])


def _object(answer: Any, how: str) -> Any:
    if isinstance(answer, Mapping):
        return _nodes(answer)
    if any(hasattr(answer, name) for name in ("choices", "output", "data", "type")):
        return answer
    raise AnswerTypeError(
        f"the target {how} {type(answer).__name__}, expected text, an object of the API, a JSON object, "
        "or an async iterator of pieces of text or events"
    )


def _nodes(value: Any) -> Any:
    if isinstance(value, Mapping):
        return JsonAnswer({key: _nodes(inner) for key, inner in value.items()})
    return [_nodes(inner) for inner in value] if isinstance(value, list) else value
