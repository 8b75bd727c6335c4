"""Log probabilities: made up, plausible, and the same for the same token of the same answer.

A token is four characters of the text, as everywhere here. The one that was said is the most likely one in
most places, and among the alternatives where enough of them are asked for.
"""

from __future__ import annotations

import math
from hashlib import shake_128
from typing import Any, Final

import orjson

from windtunnel.mock_server.api.endpoint import Preparation
from windtunnel.mock_server.api.text import CHARS_PER_TOKEN, TOKENS

_DIGITS: Final = 6

TOKENS_PER_STEP: Final = 200
"""Tokens whose log probabilities are made at once, with all their alternatives in some milliseconds."""


def tokens_of(text: str) -> list[str]:
    """A text in tokens."""
    return [text[at : at + CHARS_PER_TOKEN] for at in range(0, len(text), CHARS_PER_TOKEN)]


def ranked(ident: str, token: str, at: int, top: int) -> tuple[float, list[tuple[str, float]]]:
    """The log probability of a token, and the `top` most likely ones at its place, best first.

    `ident` and `at` (the token's number) are what the numbers are drawn from; `top` does not move them.
    """
    raw = shake_128(f"{ident}/logprob/{at}".encode()).digest(24)
    share = 0.35 + 0.64 * raw[0] / 255
    own = round(math.log(share), _DIGITS)
    best = [(token, own)]
    left = 1.0 - share
    for byte in raw[1:]:
        if len(best) >= top:
            break
        other = TOKENS[byte]
        if all(other != known for known, _ in best):
            part = min(left, share) * 0.6
            left, share = left - part, part
            best.append((other, round(math.log(part), _DIGITS)))
    return own, best[:top]


def token_logprobs(ident: str, text: str, at: int, top: int) -> list[dict[str, Any]]:
    """The entries of `logprobs.content` for a text whose first token is number `at` of its answer."""
    entries = []
    for number, token in enumerate(tokens_of(text), at):
        own, best = ranked(ident, token, number, top)
        others = [_one(other, logprob) for other, logprob in best]
        entries.append({**_one(token, own), "top_logprobs": others})
    return entries


def token_logprobs_json(ident: str, text: str, top: int) -> Preparation:
    """Write the same for a whole answer as JSON, some tokens in each step."""
    parts = []
    size = TOKENS_PER_STEP * CHARS_PER_TOKEN
    for at in range(0, len(text), size):
        entries = token_logprobs(ident, text[at : at + size], at // CHARS_PER_TOKEN, top)
        parts.append(orjson.dumps(entries)[1:-1])
        yield
    return b"[" + b",".join(parts) + b"]"


def _one(token: str, logprob: float) -> dict[str, Any]:
    return {"token": token, "logprob": logprob, "bytes": list(token.encode("utf-8", "replace"))}
