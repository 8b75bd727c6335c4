"""The `moderation` of a chat completion that asked for it: results for the prompt and for the answer."""

from __future__ import annotations

from hashlib import shake_128
from typing import Any, Final

import orjson

from windtunnel.mock_server.api.choices import GeneratedChoice

CATEGORIES: Final = (
    *("harassment", "harassment/threatening", "hate", "hate/threatening", "illicit", "illicit/violent"),
    *("self-harm", "self-harm/intent", "self-harm/instructions", "sexual", "sexual/minors"),
    *("violence", "violence/graphic"),
)


def moderated(model: str, messages: list[dict[str, Any]], generated: list[GeneratedChoice]) -> str:
    """The field, as JSON with a comma before it. Nothing is ever flagged."""
    given_json = orjson.dumps(messages)
    generated_json = orjson.dumps([one.content for one in generated])
    sides = {
        "input": _results(model, given_json, 1),
        "output": _results(model, generated_json, len(generated)),
    }
    return f',"moderation":{orjson.dumps(sides).decode()}'


def _results(model: str, text: bytes, count: int) -> dict[str, Any]:
    results = [moderation_result(model, text + bytes([at])) for at in range(count)]
    return {"type": "moderation_results", "model": model, "results": results}


def moderation_result(model: str, text: bytes) -> dict[str, Any]:
    """Scores below a thousandth, a hash of the text."""
    raw = shake_128(text).digest(2 * len(CATEGORIES))
    scores = [int.from_bytes(raw[at : at + 2], "big") / 2**26 for at in range(0, len(raw), 2)]
    return {
        "type": "moderation_result",
        "model": model,
        "flagged": False,
        "categories": dict.fromkeys(CATEGORIES, False),
        "category_scores": dict(zip(CATEGORIES, scores, strict=True)),
        "category_applied_input_types": {name: ["text"] for name in CATEGORIES},
    }
