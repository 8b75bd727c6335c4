"""Embeddings: unit vectors that are a hash of model, size and input, as floats or as base64.

The same text has the same vector in every call, as with a real model; different texts are nearly orthogonal.
"""

from __future__ import annotations

import math
import struct
from array import array
from base64 import b64encode
from collections.abc import Sequence
from hashlib import shake_128
from typing import Any, Final

import orjson

from windtunnel.mock_server.api.headers import RequestStamp, answer_headers
from windtunnel.mock_server.api.truth import Choice
from windtunnel.mock_server.request import Request
from windtunnel.mock_server.script import End, FirstToken, Head, Script, Send

DEFAULT_DIMENSIONS: Final = 1536
DIMENSIONS: Final = {
    "text-embedding-3-small": 1536,
    "text-embedding-3-large": 3072,
    "text-embedding-ada-002": 1536,
}


def inputs_of(body: dict[str, Any]) -> list[str | list[int]]:
    """The items of `input`: one string, strings, one list of tokens, or lists of tokens."""
    given = body["input"]
    if isinstance(given, str) or isinstance(given[0], int):
        return [given]
    return list(given)


def vector(model: str, dimensions: int, item: str | list[int]) -> tuple[float, ...]:
    """The unit vector of one input; every component is exactly a 32-bit float."""
    text = item if isinstance(item, str) else orjson.dumps(item).decode()
    key = f"{model}/{dimensions}/{text}".encode("utf-8", "surrogatepass")
    raw = struct.unpack(f"<{dimensions}h", shake_128(key).digest(2 * dimensions))
    length = math.hypot(*raw) or 1.0
    return tuple(array("f", [part / length for part in raw]))


def vector_text(components: Sequence[float]) -> str:
    """A vector as the digest of the truth takes it: base64 of its 32-bit floats, little-endian."""
    return b64encode(struct.pack(f"<{len(components)}f", *components)).decode()


def embeddings_script(request: Request, *, stamp: RequestStamp) -> tuple[Script, list[Choice]]:
    """The healthy answer to an embeddings request, and what it says.

    It generates no text; that it is one unit of work (`tokens=1`) is what a slot is held for.
    """
    body, model = request.body, request.model
    dimensions = body.get("dimensions") or DIMENSIONS.get(model, DEFAULT_DIMENSIONS)
    as_text = body.get("encoding_format") == "base64"
    data: list[dict[str, Any]] = []
    choices: list[Choice] = []
    for index, item in enumerate(inputs_of(body)):
        components = vector(model, dimensions, item)
        text = vector_text(components)
        choices.append((index, text, None, (), None))
        data.append({"object": "embedding", "index": index, "embedding": text if as_text else components})
    usage = {"prompt_tokens": request.prompt_tokens, "total_tokens": request.prompt_tokens}
    answer = orjson.dumps({"object": "list", "data": data, "model": model, "usage": usage})
    head = Head(200, answer_headers(stamp))
    return Script((head, FirstToken(), Send(answer, 1, "terminal"), End())), choices
