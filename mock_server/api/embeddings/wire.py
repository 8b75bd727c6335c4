"""Embeddings: unit vectors of hashed words and some noise, as floats or as base64.

The same text has the same vector in every call, as with a real model. Texts that share words are alike, the more the
more of them; texts without a common word are nearly at right angles.
"""

from __future__ import annotations

import math
import re
import struct
from array import array
from base64 import b64encode
from collections import Counter
from collections.abc import Generator, Sequence
from functools import lru_cache
from hashlib import blake2b, shake_128
from io import BytesIO
from typing import Any, Final, TypeAlias

import orjson

from windtunnel.mock_server.api.endpoint import run
from windtunnel.mock_server.api.headers import RequestStamp, answer_headers
from windtunnel.mock_server.api.truth import RunningDigest
from windtunnel.mock_server.request import Request
from windtunnel.mock_server.script import End, FirstToken, Head, Script, Send

Vectors: TypeAlias = tuple[bytes, str]
"""The body of an answer, and the digest of its truth."""

DEFAULT_DIMENSIONS: Final = 1536
DIMENSIONS: Final = {
    "text-embedding-3-small": 1536,
    "text-embedding-3-large": 3072,
    "text-embedding-ada-002": 1536,
}


_WORD: Final = re.compile(r"\w+")
_NOISE: Final = 0.3
"""Length of the noise, where that of the words is 1: no two texts are the same but for their order."""

_PLACES: Final = 4
"""Components that one word moves."""

_STEM: Final = 4
_OF_STEM: Final = 0.7
"""Letters of a word's beginning, and how much it counts."""

_LITTLE: Final = 0.15
_SAY_LITTLE: Final = frozenset(
    _WORD.findall(
        "a about after all also am an and any are as at be because been before but by can could did do does for from "
        "had has have he her him his how i if in into is it its just like me more most my no not of on one only or "
        "other our out over she so some than that the their them then there these they this to too up us very was we "
        "were what when where which who why will with would you your"
    )
)
"""Words that texts share whatever they are about."""


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
    parts = _words(model, dimensions, text)
    loud = math.hypot(*parts.values())
    if loud:
        # Words and noise are at right angles, near enough, so their lengths decide how alike two texts are.
        noise = _NOISE * loud / (math.hypot(*raw) or 1.0)
        components = [part * noise for part in raw]
        for place, part in parts.items():
            components[place] += part
    else:
        components = list(raw)
    length = math.hypot(*components) or 1.0
    return tuple(array("f", [part / length for part in components]))


def _words(model: str, dimensions: int, text: str) -> dict[int, float]:
    """Return the sum of the words' vectors, by place; each word has a few places of its own, by a hash.

    How often a word stands counts with its root, a word that says little counts little, and the beginning of a long
    word is a word of its own, so that *drink* and *drinking* are alike.
    """
    counts = Counter(_WORD.findall(text.lower()))
    features: dict[str, float] = {}
    for word, count in counts.items():
        weight = math.sqrt(count) * (_LITTLE if word in _SAY_LITTLE else 1.0)
        features[word] = features.get(word, 0.0) + weight
        if len(word) > _STEM:
            stem = f"{word[:_STEM]}*"
            features[stem] = features.get(stem, 0.0) + weight * _OF_STEM
    parts: dict[int, float] = {}
    for feature, weight in features.items():
        for drawn in _draws(model, feature):
            place = (drawn >> 1) % dimensions
            parts[place] = parts.get(place, 0.0) + (weight if drawn & 1 else -weight)
    return parts


@lru_cache(maxsize=50_000)
def _draws(model: str, feature: str) -> tuple[int, ...]:
    """Return the numbers that stand for a word: where it acts, and with which sign."""
    key = f"{model}/{feature}".encode("utf-8", "surrogatepass")
    return struct.unpack(f"<{_PLACES}I", blake2b(key, digest_size=4 * _PLACES).digest())


def vector_text(components: Sequence[float]) -> str:
    """A vector as the digest of the truth takes it: base64 of its 32-bit floats, little-endian."""
    return b64encode(struct.pack(f"<{len(components)}f", *components)).decode()


def dimensions_of(request: Request) -> int:
    """The components of each vector that a request asks for."""
    asked = request.body.get("dimensions") or DIMENSIONS.get(request.model, DEFAULT_DIMENSIONS)
    return int(asked)


def vectors(request: Request) -> Generator[None, None, Vectors]:
    """Make the body of an answer and the digest of what it says, one vector in each step.

    The body grows in one place. Joining its parts at the end would copy them all at once: a tenth of a second for the
    largest.
    """
    dimensions = dimensions_of(request)
    as_text = request.body.get("encoding_format") == "base64"
    body, truth = BytesIO(), RunningDigest()
    before = b'{"object":"list","data":['
    for index, item in enumerate(inputs_of(request.body)):
        components = vector(request.model, dimensions, item)
        text = vector_text(components)
        truth.add((index, text, None, (), None))
        shown = text if as_text else components
        body.write(before)
        body.write(orjson.dumps({"object": "embedding", "index": index, "embedding": shown}))
        before = b","
        yield
    usage = {"prompt_tokens": request.prompt_tokens, "total_tokens": request.prompt_tokens}
    rest = orjson.dumps({"model": request.model, "usage": usage})
    body.write(b"]," + rest[1:])
    return body.getvalue(), truth.result()


def embeddings_script(
    request: Request, made: Vectors | None = None, *, stamp: RequestStamp
) -> tuple[Script, str]:
    """The healthy answer to an embeddings request, and its truth; `made` is its body, if it is there.

    It generates no text; that it is one unit of work (`tokens=1`) is what a slot is held for.
    """
    body, truth = made or run(vectors(request))
    head = Head(200, answer_headers(stamp))
    return Script((head, FirstToken(), Send(body, 1, "terminal"), End())), truth
