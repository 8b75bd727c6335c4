"""No request within the caps holds another for long, however many and however large they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from tests.mock_server.hardening.holds import MOST_HOLD_S, closing, longest_hold


def test_the_largest_answers_at_once(serve: Callable[..., Any]) -> None:
    """Four of 140 MB: made, and written, in steps."""
    wanted = {"model": "text-embedding-3-large", "input": [f"text {i}" for i in range(2_048)]}
    request = closing(path="/v1/embeddings", body=orjson.dumps(wanted))
    held, heavy = longest_hold(serve(), *[request] * 4)
    assert {one.status for one in heavy} == {200}
    assert min([one.bytes for one in heavy]) > 100_000_000
    assert held < MOST_HOLD_S
