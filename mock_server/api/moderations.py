"""POST /v1/moderations: scores that are a hash of the text, and flags for words that are plainly meant to be flagged.

A score is below a thousandth unless one of `WORDS` occurs (then it is above 0.8), or a mark such as
`flag:self-harm/intent`, which flags any category without the words themselves. Words and marks in the
address of a picture count for the categories that look at pictures. The truth is, for each result, its flagged
categories with commas between them.
"""

from __future__ import annotations

import re
from collections.abc import Generator
from hashlib import blake2b, shake_128
from typing import Any, Final

import orjson

from windtunnel.mock_server.api.chat.moderation import CATEGORIES
from windtunnel.mock_server.api.endpoint import Answer, Endpoint, Preparation, World, run
from windtunnel.mock_server.api.errors import (
    INVALID_REQUEST,
    ApiError,
    empty_array,
    invalid_type,
    invalid_value,
    missing_parameter,
)
from windtunnel.mock_server.api.fields import string, too_long
from windtunnel.mock_server.api.objects import WholeAnswer, answered, unknown_field
from windtunnel.mock_server.api.responses.checks import PART_TOKENS
from windtunnel.mock_server.api.text import tokens_in
from windtunnel.mock_server.request import Request

FIELDS: Final = ("input", "model")
USUAL_MODEL: Final = "omni-moderation-latest"
MOST_TOKENS: Final = 262_144
"""Tokens of all inputs together."""

MOST_INPUTS: Final = 2_048

_RESULT_BYTES: Final = 2_000
"""Bytes of what is said of one input."""

LITTLE: Final = 8_000
"""Tokens that are looked through at once, in some milliseconds."""

PICTURED: Final = frozenset(
    ("self-harm", "self-harm/intent", "self-harm/instructions", "sexual", "violence", "violence/graphic")
)
"""Categories that look at pictures too; the others are of text alone."""

WORDS: Final = {
    "harassment": ("idiot", "loser", "worthless"),
    "harassment/threatening": ("hurt you", "come for you"),
    "hate": ("subhuman", "vermin"),
    "hate/threatening": ("exterminate them",),
    "illicit": ("shoplift", "counterfeit money"),
    "illicit/violent": ("build a bomb",),
    "self-harm": ("suicide", "kill myself"),
    "self-harm/intent": ("kill myself",),
    "self-harm/instructions": ("ways to cut yourself",),
    "sexual": ("porn", "pornography"),
    "sexual/minors": (),
    "violence": ("kill", "murder", "stab", "kill myself", "build a bomb"),
    "violence/graphic": ("gore", "beheading"),
}
"""What flags a category; whole words, in any case."""

_FOUND: Final = {
    name: re.compile(
        "|".join([rf"\b{re.escape(word)}\b" for word in WORDS[name]] + [rf"\bflag:{name}(?![\w/])"]),
        re.IGNORECASE,
    )
    for name in CATEGORIES
}


def check_moderation(body: dict[str, Any]) -> ApiError | int:
    """The input's tokens, or what is wrong with the body."""
    checked = _check(body)
    if isinstance(checked, int) and checked > MOST_TOKENS:
        message = f"The input has {checked} tokens, at most {MOST_TOKENS} are read."
        return ApiError(400, message, INVALID_REQUEST, "input", "context_length_exceeded")
    return checked


def _check(body: dict[str, Any]) -> ApiError | int:
    problem = unknown_field(body, FIELDS)
    if problem is None and body.get("input") is None:
        problem = missing_parameter("input")
    if problem is None and body.get("model") is not None:
        problem = string("model", body["model"])
    if problem is not None:
        return problem
    given = body["input"]
    if isinstance(given, str):
        return tokens_in(given)
    if not isinstance(given, list):
        return invalid_type("input", "a string or an array of strings or objects", given)
    if not given:
        return empty_array("input")
    if len(given) > MOST_INPUTS:
        return too_long("input", MOST_INPUTS, len(given))
    if all(isinstance(item, str) for item in given):
        return sum([tokens_in(item) for item in given])
    return _check_parts(given, body.get("model") or USUAL_MODEL)


def _check_parts(given: list[Any], model: str) -> ApiError | int:
    """One input out of several parts, texts and pictures."""
    if model.startswith("text-"):
        message = f"Invalid value for 'input': the model '{model}' takes text alone."
        return ApiError(400, message, INVALID_REQUEST, "input", "invalid_value")
    tokens = 0
    for at, part in enumerate(given):
        if not isinstance(part, dict):
            return invalid_type(f"input[{at}]", "an object", part)
        kind = part.get("type")
        if kind == "text":
            if not isinstance(part.get("text"), str):
                return missing_parameter(f"input[{at}].text")
            tokens += tokens_in(part["text"])
        elif kind == "image_url":
            address = part.get("image_url")
            if not isinstance(address, dict) or not isinstance(address.get("url"), str):
                return missing_parameter(f"input[{at}].image_url.url")
            tokens += PART_TOKENS
        else:
            return invalid_value(f"input[{at}].type", kind, ("text", "image_url"))
    return tokens


def _inputs(given: Any) -> list[tuple[str | None, str | None]]:
    """What gets a result of its own: its text, and its pictures' addresses (None where there are none)."""
    if isinstance(given, str):
        return [(given, None)]
    if isinstance(given[0], str):
        return [(text, None) for text in given]
    texts = [part["text"] for part in given if part["type"] == "text"]
    addresses = [part["image_url"]["url"] for part in given if part["type"] == "image_url"]
    return [("\n".join(texts) if texts else None, "\n".join(addresses) if addresses else None)]


def moderated_input(model: str, text: str | None, pictures: str | None) -> dict[str, Any]:
    """The result for one input; `pictures` are the addresses of its pictures."""
    return run(_moderated(model, text, pictures))


def _moderated(model: str, text: str | None, pictures: str | None) -> Generator[None, None, dict[str, Any]]:
    """The same, a category in each step."""
    key = f"{model}/{text}/{pictures}".encode("utf-8", "surrogatepass")
    raw = shake_128(key).digest(2 * len(CATEGORIES))
    # The data of a picture that is in its address is no text, whatever letters its base64 happens to have.
    seen = "\n".join(line for line in (pictures or "").split("\n") if not line.startswith("data:"))
    flagged: dict[str, bool] = {}
    scores: dict[str, float] = {}
    applied: dict[str, list[str]] = {}
    for at, name in enumerate(CATEGORIES):
        found = bool(_FOUND[name].search(text or "")) or (
            name in PICTURED and bool(_FOUND[name].search(seen))
        )
        chance = int.from_bytes(raw[2 * at : 2 * at + 2], "big") / 65_536
        flagged[name] = found
        scores[name] = 0.8 + 0.19 * chance if found else 1e-6 + 0.0009 * chance
        applied[name] = ["text"] if text is not None else []
        if pictures is not None and name in PICTURED:
            applied[name].append("image")
        yield
    return {
        "flagged": any(flagged.values()),
        "categories": flagged,
        "category_scores": scores,
        "category_applied_input_types": applied,
    }


def answer_moderation(request: Request, world: World) -> Answer:
    """The healthy answer to a moderation request."""
    made: Answer = world.prepared or run(_made(request, world))
    return made


def _prepare(request: Request, world: World) -> Preparation | None:
    """Look through a long text in steps."""
    return _made(request, world) if request.prompt_tokens > LITTLE else None


def _outgoing(request: Request, world: World) -> int:
    given = request.body["input"]
    return _RESULT_BYTES * (len(given) if isinstance(given, list) else 1)


def _made(request: Request, world: World) -> Generator[None, None, Answer]:
    model = request.model or USUAL_MODEL
    results = []
    for one in _inputs(request.body["input"]):
        result = yield from _moderated(model, *one)
        results.append(result)
    key = f"{world.seed}/moderation/{world.call_key}".encode()
    body = {"id": f"modr-{blake2b(key, digest_size=16).hexdigest()}", "model": model, "results": results}
    names = [",".join([name for name, hit in result["categories"].items() if hit]) for result in results]
    return answered(
        WholeAnswer(orjson.dumps(body), [(at, name, None, (), None) for at, name in enumerate(names)]), world
    )


ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint(
        name="moderations.create",
        method="POST",
        path="/moderations",
        api="moderations",
        answer=answer_moderation,
        check=check_moderation,
        prepare=_prepare,
        outgoing=_outgoing,
    ),
)
