"""Bodies that are hashed in steps before they are read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
import pytest

from windtunnel.mock_server.api.parse import HASHED_PER_STEP, hash_in_steps, parse
from windtunnel.mock_server.transports.limits import LONG


def in_steps(kind: str, body: bytes) -> tuple[str, int]:
    """The hash of a body, and in how many steps it was made."""
    steps, count = hash_in_steps(kind, body), 0
    while True:
        try:
            next(steps)
        except StopIteration as over:
            return over.value, count
        count += 1


def form(boundary: bytes, length: int) -> bytes:
    head = b"--" + boundary + b'\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\n'
    return head + b"x" * length + b"\r\n--" + boundary + b"--\r\n"


@pytest.mark.parametrize("length", [0, 10, HASHED_PER_STEP, 3 * HASHED_PER_STEP + 1])
def test_steps_give_the_hash_that_one_pass_gives(length: int) -> None:
    """A retry counts as the same request however each of the two was hashed."""
    body = orjson.dumps({"model": "gpt-4.1-mini", "messages": [{"role": "user", "content": "x" * length}]})
    headers = {"authorization": "Bearer k", "content-type": "application/json"}
    request = parse("POST", "/v1/chat/completions", headers, body, region="r")
    found, count = in_steps("application/json", body)
    assert found == request.body_hash
    assert count == 1 + -(-len(body) // HASHED_PER_STEP)


def test_a_form_with_another_boundary_is_the_same_request() -> None:
    """As `parse` does it: the SDK draws a new boundary for each try."""
    one, other = (
        in_steps(f"multipart/form-data; boundary={name}", form(name.encode(), LONG))[0]
        for name in ("0f3a91", "77c2e5")
    )
    assert one == other


def test_a_long_request_is_answered_and_the_connection_goes_on(serve: Callable[..., Any]) -> None:
    """Two long requests on one connection are answered in order."""
    wanted = {
        "model": "gpt-4.1-mini",
        "messages": [{"role": "user", "content": "x" * 2 * LONG}],
        "max_tokens": 1,
    }
    with serve().connect() as client:
        for _ in range(2):
            client.ask(body=orjson.dumps(wanted))
            status, _, body = client.answer()
            assert status in (200, 400), body


def test_a_client_may_leave_meanwhile(serve: Callable[..., Any]) -> None:
    """Whoever leaves while the body is hashed leaves nothing behind: the next one is served."""
    server = serve()
    body = orjson.dumps({"model": "m", "messages": [{"role": "user", "content": "x" * 8 * HASHED_PER_STEP}]})
    with server.connect() as client:
        client.ask(body=body)
    with server.connect() as client:
        client.ask(body=b'{"model":"m","messages":[{"role":"user","content":"hi"}],"max_tokens":1}')
        assert client.answer()[0] == 200
