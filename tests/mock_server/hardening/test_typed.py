"""Every endpoint, called with what the SDK's types allow and a little more: an answer or an error, never a failure."""

from __future__ import annotations

import os
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.mock_server.hardening.calls import Calls, ask, in_process, proper

EXAMPLES = int(os.environ.get("WINDTUNNEL_FUZZ", "1")) * 60
"""Worlds that are tried: `WINDTUNNEL_FUZZ=100` for a long look."""

CALLS = 100


@settings(max_examples=EXAMPLES, deadline=None)
@given(seed=st.integers(0, 2**63))
def test_typed_calls(seed: int) -> None:
    """A hundred calls in a row, after the SDK's types, get an answer or OpenAI's error each."""
    random = Random(seed)
    calls, mock = Calls(random), in_process()
    for _ in range(CALLS):
        name, request = calls.draw()
        status, body = ask(mock, request)
        assert proper(status, body), (name, request.url, request.content, status, body)
        if status == 200:
            calls.learn(body)
