"""The items of a response's output on the wire: as they are added, and as they are when they are done."""

from __future__ import annotations

import base64
from hashlib import shake_128
from typing import Any, Final, NamedTuple

from windtunnel.mock_server.api.choices import GeneratedChoice
from windtunnel.mock_server.api.logprobs import token_logprobs
from windtunnel.mock_server.api.responses.output import Compaction, Generation, Output, Reasoning
from windtunnel.mock_server.request import Request

NOTHING: Final[frozenset[str]] = frozenset()


class View(NamedTuple):
    """What a request wants to see of a response: `include`, alternatives to each token, padding of deltas."""

    include: frozenset[str] = NOTHING
    top: int = 0
    obfuscates: bool = True

    @property
    def logprobs(self) -> bool:
        """Whether the text comes with log probabilities."""
        return "message.output_text.logprobs" in self.include


PLAIN: Final = View()


def view_of(request: Request, more: frozenset[str] = NOTHING) -> View:
    """Return the view that a request asks for, with `more` included as well."""
    body = request.body
    if "include" not in body and "stream_options" not in body and not more:
        return PLAIN
    obfuscates = (body.get("stream_options") or {}).get("include_obfuscation") is not False
    return View(frozenset(body.get("include") or ()) | more, body.get("top_logprobs") or 0, obfuscates)


def prefix_of(output: Output) -> str:
    """What the id of an item begins with."""
    if isinstance(output, GeneratedChoice):
        if output.tool is None:
            return "msg"
        return "ctc" if output.kind == "custom" else "fc"
    if isinstance(output, Reasoning):
        return "rs"
    return "cmp" if isinstance(output, Compaction) else output.prefix


def item_id(generation: Generation, at: int) -> str:
    """The id of output number `at`: its response's, with its own number for the last two digits."""
    return f"{prefix_of(generation.outputs[at])}_{generation.base}{at + 1:02x}"


def response_id(generation: Generation) -> str:
    """The id of the response."""
    return f"resp_{generation.base}00"


def part(text: str, logprobs: list[dict[str, Any]]) -> dict[str, Any]:
    """The text of a message."""
    return {"type": "output_text", "annotations": [], "logprobs": logprobs, "text": text}


def logprobs_of(generation: Generation, text: str, view: View, at: int = 0) -> list[dict[str, Any]]:
    """The log probabilities of a text whose first token is number `at`; none where the view has none."""
    return token_logprobs(generation.base, text, at, view.top) if view.logprobs else []


def item(generation: Generation, at: int, view: View = PLAIN, *, done: bool) -> dict[str, Any]:
    """Output number `at`, as it is added or as it is when it is done."""
    output = generation.outputs[at]
    ident = item_id(generation, at)
    if isinstance(output, GeneratedChoice):
        return _item_of_choice(generation, output, ident, view, done=done)
    if isinstance(output, Reasoning):
        summary = [{"type": "summary_text", "text": text} for text in output.parts] if done else []
        reasoning: dict[str, Any] = {"id": ident, "type": "reasoning", "summary": summary}
        if "reasoning.encrypted_content" in view.include:
            reasoning["encrypted_content"] = sealed(f"{ident}/{done}")
        return reasoning
    if isinstance(output, Compaction):
        return {"id": ident, "type": "compaction", "encrypted_content": sealed(ident)}
    return output.item(ident, view.include, done=done)


def _item_of_choice(
    generation: Generation, generated: GeneratedChoice, ident: str, view: View, *, done: bool
) -> dict[str, Any]:
    status, content, parts = "in_progress", "", []
    if done:
        status, content = "incomplete" if generated.finish == "length" else "completed", generated.content
    if generated.tool is None:
        if done:
            parts = [part(content, logprobs_of(generation, content, view))]
        return {"id": ident, "type": "message", "status": status, "role": "assistant", "content": parts}
    call = {"id": ident, "call_id": f"call_{ident[-24:]}", "name": generated.tool}
    if generated.kind == "custom":
        return call | {"type": "custom_tool_call", "input": content}
    return call | {"type": "function_call", "status": status, "arguments": content}


def sealed(key: str) -> str:
    """Something that looks like encrypted content and is nothing but a hash of `key`."""
    return "gAAAAAB" + base64.urlsafe_b64encode(shake_128(key.encode()).digest(120)).decode()
