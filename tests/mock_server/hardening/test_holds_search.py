"""A search for requests that hold others up, with time as the fault: every endpoint, every sized parameter."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
import uvloop
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.mock_server.hardening.heavy_requests import REQUESTS, Heavy
from tests.mock_server.hardening.holds import ATTEMPTS, MOST_HOLD, longest_hold
from tests.mock_server.transports.conftest import FAST, Serving
from windtunnel.mock_server.plan.plan import Plan

WATCHED_S = 5.0
"""An answer that trickles takes minutes, and holds nobody after these seconds whom it did not hold before."""


def prepared(server: Serving, heavy: Heavy) -> bytes:
    """Send what comes before a request; gives the request."""
    answers: list[Any] = []
    for request in heavy.before:
        if answers and b"FILE" in request:
            ident = answers[0].get("id", "").encode()
            request = request.replace(b'"FILE"', b'"%b"' % ident)
            head, _, body = request.partition(b"\r\n\r\n")
            lines = [line for line in head.split(b"\r\n") if not line.startswith(b"content-length")]
            head = b"\r\n".join([*lines, b"content-length: %d" % len(body)])
            request = head + b"\r\n\r\n" + body
        with server.connect() as client:
            client.send(request)
            body = client.answer()[2]
        answers.append(orjson.loads(body) if body.startswith(b"{") else {})
    if heavy.advance_s:
        server.call(lambda: server.mock.advance_clock(heavy.advance_s))
    return heavy.at(answers)


@settings(deadline=None, max_examples=25, suppress_health_check=list(HealthCheck), report_multiple_bugs=False)
@given(REQUESTS, st.sampled_from([60, 500]))
def test_no_request_is_found_that_holds_others_up(heavy: Heavy, tokens: int) -> None:
    """A small request that is sent meanwhile is answered soon, whatever is under way."""
    plan = Plan.model_validate({"provider": {"answer": {**FAST["answer"], "tokens": tokens}}})
    for _ in range(ATTEMPTS):
        with Serving(uvloop.new_event_loop, plan, None, None) as server:
            held, (one,) = longest_hold(
                server, prepared(server, heavy), admin=heavy.admin, watched_s=WATCHED_S
            )
            assert server.mock.counters.failures.by_place == {}
        if one.status and held < MOST_HOLD:  # beside other tests an answer may take longer than it is watched
            return
    pytest.fail(f"held others for {held:.0f} pieces of work, or had no answer ({one}), {ATTEMPTS} times")
