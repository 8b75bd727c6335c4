"""No request within the caps holds another for long, however many and however large they are."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import orjson
import pytest
import uvloop

from tests.mock_server.hardening.holds import MOST_HOLD_S, closing, longest_hold
from tests.mock_server.transports.conftest import FAST


@pytest.fixture
def loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    """One event loop is enough here: what is measured is our own work."""
    return uvloop.new_event_loop


def plan_with(tokens: int) -> dict[str, Any]:
    """A plan whose answers have so many tokens."""
    return {"provider": {"answer": {**FAST["answer"], "tokens": tokens}}}


def test_the_largest_answers_at_once(serve: Callable[..., Any]) -> None:
    """Four of 140 MB: made, and written, in steps."""
    wanted = {"model": "text-embedding-3-large", "input": [f"text {i}" for i in range(2_048)]}
    request = closing(path="/v1/embeddings", body=orjson.dumps(wanted))
    held, heavy = longest_hold(serve(), *[request] * 4)
    assert {one.status for one in heavy} == {200}
    assert min([one.bytes for one in heavy]) > 100_000_000
    assert held < MOST_HOLD_S


PHASES = [{"name": f"p{i}", "for": "1h", "provider": {"answer": {"tokens": i + 1}}} for i in range(5_000)]
PLANS: dict[str, tuple[dict[str, Any], bool]] = {
    "as many rules as there may be": (
        {"rules": [{"fault": "overloaded", "rate": 0, "match": {"model": f"m{i}"}} for i in range(1_000)]},
        True,
    ),
    "as many settings as there may be": (
        {
            "provider": {"regions": {f"r{i}": {"answer": {"tokens": 3}} for i in range(4)}},
            "phases": PHASES[:500],
        },
        True,
    ),
    "more rules": ({"rules": [{"fault": "overloaded", "rate": 0}] * 20_000}, False),
    "more phases": ({"phases": [{"name": f"p{i}", "for": "1s"} for i in range(20_000)]}, False),
    "more settings": (
        {"provider": {"regions": {f"r{i}": {} for i in range(50)}}, "phases": PHASES},
        False,
    ),
    "more regions": ({"provider": {"regions": {f"r{i}": {} for i in range(50_000)}}}, False),
    "unknown keys": ({"rules": [{f"key{i}": i for i in range(60)} for _ in range(1_000)]}, False),
    "unknown models": (
        {
            "provider": {"models": [f"model {i}" for i in range(1_000)]},
            "rules": [{"fault": "overloaded", "match": {"model": f"mode {i}*"}} for i in range(1_000)],
        },
        False,
    ),
}
"""Plans of up to a megabyte, and whether each is taken."""


@pytest.mark.parametrize("name", PLANS)
def test_a_plan_holds_nobody(serve: Callable[..., Any], name: str) -> None:
    """Checking a plan, and putting it in force, takes a moment; one for which it would not is refused."""
    plan, taken = PLANS[name]
    request = closing(method="PUT", path="/_windtunnel/plan", body=orjson.dumps(plan))
    held, (put,) = longest_hold(serve(), request, admin=True)
    assert put.status == (200 if taken else 400)
    assert held < MOST_HOLD_S


HI = [{"role": "user", "content": "hi"}]
ANSWERS: dict[str, tuple[str, dict[str, Any]]] = {
    "many choices with log probabilities": (
        "/v1/chat/completions",
        {"model": "m", "messages": HI, "n": 64, "logprobs": True, "top_logprobs": 20},
    ),
    "the same as a stream": (
        "/v1/chat/completions",
        {"model": "m", "messages": HI, "n": 64, "logprobs": True, "top_logprobs": 20, "stream": True},
    ),
    "many prompts": (
        "/v1/completions",
        {"model": "m", "prompt": ["a"] * 300, "max_tokens": 2_000, "logprobs": 5},
    ),
    "many prompts in a stream": (
        "/v1/completions",
        {"model": "m", "prompt": ["a"] * 300, "max_tokens": 2_000, "logprobs": 5, "stream": True},
    ),
}
"""Requests of a few hundred bytes whose answers take seconds to make."""


@pytest.mark.parametrize("name", ANSWERS)
def test_a_long_answer_is_made_in_steps(serve: Callable[..., Any], name: str) -> None:
    """Whoever asks meanwhile is answered."""
    path, body = ANSWERS[name]
    held, (one,) = longest_hold(serve(plan_with(500)), closing(path=path, body=orjson.dumps(body)))
    assert one.status == 200
    assert one.bytes > 10_000_000
    assert held < MOST_HOLD_S
