"""Streams of kept responses, taken up again."""

from __future__ import annotations

from typing import Any

import pytest

from tests.mock_server.api.responses_bodies import Api, ManualHandle, events_of, json_of, refusal
from tests.mock_server.api.test_responses import SHAPES
from tests.mock_server.scripts import body_of
from windtunnel.mock_server.script import Script, Send, Wait


def streamed(api: Api, ident: str, after: int | None = None, now: float = 20.0) -> Script:
    rest = "" if after is None else f"&starting_after={after}"
    return api.do("GET", f"/v1/responses/{ident}?stream=true{rest}", now=now).script


@pytest.mark.parametrize("shape", ["prose", "summary", "functions", "code"])
def test_a_stream_is_resumed_anywhere(shape: str) -> None:
    """From every event on, the rest of the stream has the bytes that the original had, and nothing is waited for."""
    api = Api()
    body = {"model": "gpt-4.1", "input": "Speak.", "background": True, "stream": True, **SHAPES[shape]}
    original = api.do("POST", "/v1/responses", body).script
    events = events_of(original)
    blocks = body_of(original).split(b"\n\n")[:-1]
    ident = events[0]["response"]["id"]
    assert [event["type"] for event in events[:3]] == [
        "response.created",
        "response.queued",
        "response.in_progress",
    ]
    for after in (None, 0, 1, 2, len(events) // 2, len(events) - 2, len(events) - 1, 10**6):
        script = streamed(api, ident, after)
        assert body_of(script).split(b"\n\n")[:-1] == blocks[0 if after is None else after + 1 :]
        assert not any(isinstance(step, Wait) for step in script.steps)


def test_a_resumed_stream_waits_for_what_is_not_due() -> None:
    """Events whose tokens are generated come at once; each later one when its token is due."""
    api, handle = Api(), ManualHandle("running", begun=10.0)
    events = api.create(handle=handle, background=True, stream=True)
    script = streamed(api, events[0]["response"]["id"], now=20.5)
    at, due = 20.5, []
    for step in script.steps:
        at += step.seconds if isinstance(step, Wait) else 0.0
        if isinstance(step, Send) and step.role == "content":
            due.append(at)
    # 24 tokens: one at first, then four to a chunk; token number n (from 0) comes at 10 + n.
    assert due == [20.5, 20.5, 20.5, 22.0, 26.0, 30.0, 33.0]
    assert len(events_of(script)) == len(events)


def test_a_waiting_response_streams_what_there_is() -> None:
    """A response without a slot says that it was created and waits; the stream can be taken up after that."""
    api, handle = Api(), ManualHandle("queued")
    ident = api.create(handle=handle, background=True, stream=True)[0]["response"]["id"]
    kinds = [event["type"] for event in events_of(streamed(api, ident))]
    assert kinds == ["response.created", "response.queued"]
    assert events_of(streamed(api, ident, 1)) == []


def test_a_cancelled_stream_ends_as_failed() -> None:
    """After a cancel the stream holds what had been generated, and an event that says so."""
    api, handle = Api(), ManualHandle("cancelled", generated=9)
    ident = api.create(handle=handle, background=True, stream=True)[0]["response"]["id"]
    events = events_of(streamed(api, ident))
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert sum(event["type"] == "response.output_text.delta" for event in events) == 3
    assert (events[-1]["type"], events[-1]["response"]["status"]) == ("response.failed", "cancelled")
    assert events_of(streamed(api, ident, len(events) - 1)) == []


def test_a_resumed_stream_can_be_asked_for_in_another_form() -> None:
    """Padding and log probabilities can be had or left out when a stream is taken up again."""
    api = Api()
    padded: dict[str, Any] = {"stream": True, "stream_options": {"include_obfuscation": True}}
    ident = api.create(background=True, **padded)[0]["response"]["id"]
    for query, wanted in (
        ("", True),
        ("&include_obfuscation=true", True),
        ("&include_obfuscation=false", False),
    ):
        path = f"/v1/responses/{ident}?stream=true&include[]=message.output_text.logprobs{query}"
        deltas = [event for event in events_of(api.do("GET", path).script) if "delta" in event["type"]]
        assert all(("obfuscation" in event) == wanted and event["logprobs"] for event in deltas)


def test_streams_that_cannot_be_resumed() -> None:
    """Only what was made in the background as a stream is streamed again, from a number on."""
    api = Api()
    waited = api.create(stream=True)[0]["response"]["id"]
    whole = api.create(background=True)["id"]
    fine = api.create(background=True, stream=True)[0]["response"]["id"]
    for path, words in (
        (f"{waited}?stream=true", "not created with background=true."),
        (f"{whole}?stream=true", "not created with stream=true"),
        (f"{fine}?stream=true&starting_after=x", "'starting_after'"),
    ):
        status, message = refusal(api, "GET", f"/v1/responses/{path}")
        assert status == 400
        assert words in message


@pytest.mark.parametrize(
    ("now", "skew", "streams"), [(320.0, 0.0, True), (321.0, 0.0, False), (30.0, 291.0, False)]
)
def test_a_stream_can_be_resumed_for_five_minutes(now: float, skew: float, streams: bool) -> None:
    """By the server's own time, which can be put forward; after that the response itself can still be had."""
    api = Api()
    ident = api.create(background=True, stream=True)[0]["response"]["id"]
    api.store.skew_s = skew
    path = f"/v1/responses/{ident}"
    if streams:
        assert events_of(streamed(api, ident, now=now))
    else:
        message = "This response can no longer be streamed because it is more than 5 minutes old."
        assert refusal(api, "GET", f"{path}?stream=true", now=now) == (400, message)
    assert api.get(path, now=now)["id"] == ident


def test_what_is_kept_is_kept_for_thirty_days() -> None:
    """Responses and chat completions are forgotten then, on the adjustable clock, and not a second earlier."""
    api = Api()
    month = 30 * 24 * 3600.0
    response = f"/v1/responses/{api.create()['id']}"
    body = {"model": "gpt-4.1", "messages": [{"role": "user", "content": "x"}], "store": True}
    made = json_of(api.do("POST", "/v1/chat/completions", body).script)
    api.store.skew_s = month - 1
    assert [api.get(path)["object"] for path in (response, f"/v1/chat/completions/{made['id']}")]
    api.store.skew_s = month
    for path in (response, f"/v1/chat/completions/{made['id']}"):
        assert refusal(api, "GET", path)[0] == 404
    assert api.get("/v1/chat/completions")["data"] == []
