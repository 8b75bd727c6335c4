"""The items of a response's output on the wire: as they are added, and as they are when they are done."""

from __future__ import annotations

import base64
from hashlib import shake_128
from typing import Any, Final, NamedTuple

from windtunnel.mock_server.api.chat.logprobs import token_logprobs
from windtunnel.mock_server.api.choices import Said
from windtunnel.mock_server.api.responses.output import Compaction, Output, Speech, Thought
from windtunnel.mock_server.request import Request

NOTHING: Final[frozenset[str]] = frozenset()


class Form(NamedTuple):
    """What a request wants to see: `include`, how many alternatives to each token, and whether deltas are padded."""

    include: frozenset[str] = NOTHING
    top: int = 0
    obfuscates: bool = True

    @property
    def logprobs(self) -> bool:
        """Whether the text comes with log probabilities."""
        return "message.output_text.logprobs" in self.include


PLAIN: Final = Form()


def form_of(request: Request, more: frozenset[str] = NOTHING) -> Form:
    """The form that a request asks for; `more` is included besides."""
    body = request.body
    if "include" not in body and "stream_options" not in body and not more:
        return PLAIN
    obfuscates = (body.get("stream_options") or {}).get("include_obfuscation") is not False
    return Form(frozenset(body.get("include") or ()) | more, body.get("top_logprobs") or 0, obfuscates)


def prefix_of(output: Output) -> str:
    """What the id of an item begins with."""
    if isinstance(output, Said):
        if output.tool is None:
            return "msg"
        return "ctc" if output.kind == "custom" else "fc"
    if isinstance(output, Thought):
        return "rs"
    return "cmp" if isinstance(output, Compaction) else output.prefix


def item_id(speech: Speech, at: int) -> str:
    """The id of output number `at`: its response's, with its own number for the last two digits."""
    return f"{prefix_of(speech.outputs[at])}_{speech.base}{at + 1:02x}"


def response_id(speech: Speech) -> str:
    """The id of the response."""
    return f"resp_{speech.base}00"


def part(text: str, logprobs: list[dict[str, Any]]) -> dict[str, Any]:
    """The text of a message."""
    return {"type": "output_text", "annotations": [], "logprobs": logprobs, "text": text}


def logprobs_of(speech: Speech, text: str, form: Form, at: int = 0) -> list[dict[str, Any]]:
    """The log probabilities of a text whose first token is number `at`; none where nobody asked for them."""
    return token_logprobs(speech.base, text, at, form.top) if form.logprobs else []


def item(speech: Speech, at: int, form: Form = PLAIN, *, done: bool) -> dict[str, Any]:
    """Output number `at`, as it is added or as it is when it is done."""
    output = speech.outputs[at]
    ident = item_id(speech, at)
    if isinstance(output, Said):
        return _said(speech, output, ident, form, done=done)
    if isinstance(output, Thought):
        summary = [{"type": "summary_text", "text": text} for text in output.parts] if done else []
        thought: dict[str, Any] = {"id": ident, "type": "reasoning", "summary": summary}
        if "reasoning.encrypted_content" in form.include:
            thought["encrypted_content"] = sealed(f"{ident}/{done}")
        return thought
    if isinstance(output, Compaction):
        return {"id": ident, "type": "compaction", "encrypted_content": sealed(ident)}
    return output.item(ident, form.include, done=done)


def _said(speech: Speech, said: Said, ident: str, form: Form, *, done: bool) -> dict[str, Any]:
    status, content, parts = "in_progress", "", []
    if done:
        status, content = "incomplete" if said.finish == "length" else "completed", said.content
    if said.tool is None:
        if done:
            parts = [part(content, logprobs_of(speech, content, form))]
        return {"id": ident, "type": "message", "status": status, "role": "assistant", "content": parts}
    call = {"id": ident, "call_id": f"call_{ident[-24:]}", "name": said.tool}
    if said.kind == "custom":
        return call | {"type": "custom_tool_call", "input": content}
    return call | {"type": "function_call", "status": status, "arguments": content}


def sealed(key: str) -> str:
    """Something that looks like encrypted content and is nothing but a hash of `key`."""
    return "gAAAAAB" + base64.urlsafe_b64encode(shake_128(key.encode()).digest(120)).decode()
