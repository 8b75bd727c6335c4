"""No request within the caps holds another for long, however many and however large they are."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

import orjson
import pytest
import uvloop

from tests.mock_server.hardening.holds import ATTEMPTS, MOST_HOLD, closing, least_hold, longest_hold
from tests.mock_server.transports.conftest import FAST
from windtunnel.mock_server.api.batches import state as batch_store


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
    held, heavy = least_hold(serve(), *[request] * 4)
    assert {one.status for one in heavy} == {200}
    assert min([one.bytes for one in heavy]) > 100_000_000
    assert held < MOST_HOLD


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
    held, (put,) = least_hold(serve(), request, admin=True)
    assert put.status == (200 if taken else 400)
    assert held < MOST_HOLD


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
    held, (one,) = least_hold(serve(plan_with(500)), closing(path=path, body=orjson.dumps(body)))
    assert one.status == 200
    assert one.bytes > 10_000_000
    assert held < MOST_HOLD


def batch_over(server: Any, data: bytes, url: str) -> bytes:
    """Upload a batch's input file, and give the request that creates the batch."""
    form = (
        b'--b\r\ncontent-disposition: form-data; name="purpose"\r\n\r\nbatch\r\n'
        b'--b\r\ncontent-disposition: form-data; name="file"; filename="a.jsonl"\r\n\r\n'
        + data
        + b"\r\n--b--\r\n"
    )
    with server.connect() as client:
        client.ask(path="/v1/files", body=form, headers={"content-type": "multipart/form-data; boundary=b"})
        file = orjson.loads(client.answer()[2])["id"]
    wanted = {"input_file_id": file, "endpoint": url, "completion_window": "24h"}
    return closing(path="/v1/batches", body=orjson.dumps(wanted))


def lines(url: str, *bodies: dict[str, Any]) -> bytes:
    """The input file of a batch."""
    asked = [
        {"custom_id": str(n), "method": "POST", "url": url, "body": body} for n, body in enumerate(bodies)
    ]
    return b"\n".join([orjson.dumps(line) for line in asked])


FILES = {
    "blank lines": b"{}" + b"\n" * 30 * 2**20,
    "blanks in one line": b"{}\n" + b" " * 30 * 2**20,
    "many values in one line": lines("/v1/embeddings", {"model": "m", "input": [1] * 20_000_000}),
}


@pytest.mark.parametrize("name", FILES)
def test_reading_a_batch_holds_nobody(serve: Callable[..., Any], name: str) -> None:
    """Blanks are passed over quickly, and in steps; a line has as many values as any body may have."""
    server = serve()
    held, (one,) = least_hold(server, batch_over(server, FILES[name], "/v1/embeddings"))
    assert one.status == 200
    assert held < MOST_HOLD


LINES: dict[str, tuple[str, dict[str, Any], int, float]] = {
    "vectors": (
        "/v1/embeddings",
        {"model": "text-embedding-3-small", "input": ["text"] * 2_048},
        100 * 2**20,
        4.0,
    ),
    "log probabilities": (
        "/v1/chat/completions",
        {"model": "m", "messages": HI, "n": 60, "logprobs": True, "top_logprobs": 20},
        50 * 2**20,
        12.0,
    ),
}
"""What a line asks for, the bytes for the output of a batch, in which a second such line has no room, and the longest
that it may hold others, in pieces of work as `MOST_HOLD`.

In steps 0.8 to 5.0 are seen, the most on a busy machine that copies slowly; a whole line in one step takes 5.7 and 22.
"""
MOST_ATTEMPTS = 2 * ATTEMPTS
"""More than elsewhere, since a line's bounds are nearer to what is seen."""


@pytest.mark.alone
@pytest.mark.parametrize("name", LINES)
def test_one_line_of_a_batch_holds_nobody(
    serve: Callable[..., Any], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Few lines whose answers are large are made in steps as well, until the output has no room for one more."""
    url, body, room, most = LINES[name]
    monkeypatch.setattr(batch_store, "MOST_FILE_BYTES", room)
    for _ in range(MOST_ATTEMPTS):
        server = serve(plan_with(500))
        with server.connect() as client:
            client.send(batch_over(server, lines(url, body, body), url))
            batch = orjson.loads(client.answer()[2])["id"]
        server.call(partial(server.mock.advance_clock, 80_000.0))
        held, (one,) = longest_hold(server, closing(method="GET", path=f"/v1/batches/{batch}", body=b""))
        assert one.status == 200
        if held < most:
            break
    assert held < most
    with server.connect() as client:
        client.ask(method="GET", path=f"/v1/batches/{batch}", body=b"")
        shown = orjson.loads(client.answer()[2])
        assert shown["request_counts"] == {"total": 2, "completed": 1, "failed": 1}
        assert shown["usage"]["input_tokens"] == (len(body["input"]) if name == "vectors" else 1)
        client.ask(method="GET", path=f"/v1/files/{shown['output_file_id']}/content", body=b"")
        data = client.answer()[2]
    (answer,) = [orjson.loads(line)["response"]["body"] for line in data.splitlines()]
    made = answer["data" if name == "vectors" else "choices"]
    assert len(made) == (len(body["input"]) if name == "vectors" else body["n"])


def test_a_long_text_is_moderated_in_steps(serve: Callable[..., Any]) -> None:
    """One text as long as may be, six times at once."""
    request = closing(path="/v1/moderations", body=orjson.dumps({"input": "flag:" * 200_000}))
    held, heavy = least_hold(serve(), *[request] * 6)
    assert {one.status for one in heavy} == {200}
    assert held < MOST_HOLD
