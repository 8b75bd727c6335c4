"""Clients that leave: when the server knows, what it records, and what the provider goes on doing."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable
from typing import Any

import pytest

SLOW: dict[str, Any] = {
    "first_token": "300ms",
    "tokens": 5,
    "tokens_per_second": 100.0,
    "tokens_per_chunk": 1,
}
NOTICED_WITHIN = 0.05


def _about(seconds: float) -> Any:
    """Equal to what is hardly earlier and, on a busy machine, a little later."""
    return pytest.approx(seconds + 0.05, abs=0.053)


def _reset(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


WAYS: dict[str, Callable[[socket.socket], None]] = {
    "fin": lambda sock: sock.close(),
    "rst": _reset,
    "half-close": lambda sock: sock.shutdown(socket.SHUT_WR),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("stream", [False, True])
def test_leaving_is_noticed_at_once(serve: Callable[..., Any], way: str, stream: bool) -> None:
    """A client that closes, resets or half-closes in mid-answer is seen to leave within 50 ms."""
    server = serve({"provider": {"answer": SLOW}})
    lags: list[float] = []
    for _ in range(3):  # a busy machine may be late once, and hardly three times
        with server.connect() as client:
            client.ask(stream=stream)
            client.head()
            left_at = time.monotonic()
            WAYS[way](client.sock)
            row = server.row(len(lags))
            lags.append(server.mock.t0 + row["abandoned_at_s"] - left_at)
        assert row["abandoned"] is True
        assert row["ending"] == "left"
        if lags[-1] < NOTICED_WITHIN:
            return
    pytest.fail(f"noticed after {lags} s")


def test_an_abandoned_request_keeps_working(serve: Callable[..., Any]) -> None:
    """By default the provider finishes, and bills, what nobody waits for; the row is written only then."""
    server = serve({"provider": {"answer": SLOW}})
    with server.connect() as client:
        client.ask(stream=True)
        client.head()
    row = server.row()
    assert row["tokens_billed"] == 5
    assert row["tokens_sent"] == 0
    assert row["ended_s"] == _about(row["started_s"] + 0.34)
    assert row["abandoned_at_s"] < row["ended_s"] - 0.1


def test_an_abandoned_request_can_stop_the_work(serve: Callable[..., Any]) -> None:
    """With `abandoned: stop` the slot is free as soon as the client is gone, and only what was made is billed."""
    server = serve({"provider": {"answer": SLOW, "capacity": {"slots": 1, "abandoned": "stop"}}})
    with server.connect() as second:
        with server.connect() as first:
            first.ask(call="c0", stream=True)
            first.head()
            second.ask(call="c1", stream=True)
        assert second.answer()[0] == 200
    rows = {row["call_id"]: row for row in server.journal.wait_for(2)}
    assert rows["c0"]["tokens_billed"] == 0
    assert rows["c1"]["started_s"] == _about(rows["c0"]["abandoned_at_s"])


@pytest.mark.parametrize("abandoned", ["keep_working", "stop"])
def test_leaving_the_queue(serve: Callable[..., Any], abandoned: str) -> None:
    """A queued request whose client left takes its slot later, or gives up its place, as the provider says."""
    server = serve({"provider": {"answer": SLOW, "capacity": {"slots": 1, "abandoned": abandoned}}})
    with server.connect() as first:
        first.ask(call="c0")
        first.head()
        with server.connect() as second:
            second.ask(call="c1")
            _until_queued(server, 1)
        with server.connect() as third:
            third.ask(call="c2")
            assert third.answer()[0] == 200
    rows = {row["call_id"]: row for row in server.journal.wait_for(3)}
    assert rows["c1"]["abandoned"] is True
    assert rows["c1"]["first_byte_s"] is None
    if abandoned == "stop":
        assert rows["c1"]["started_s"] is None
        assert rows["c1"]["tokens_billed"] == 0
        assert rows["c2"]["started_s"] == _about(rows["c0"]["started_s"] + 0.34)
    else:
        assert rows["c1"]["tokens_billed"] == 5
        assert rows["c2"]["started_s"] == _about(rows["c0"]["started_s"] + 0.68)


@pytest.mark.parametrize("abandoned", ["keep_working", "stop"])
def test_leaving_while_the_request_is_under_way(serve: Callable[..., Any], abandoned: str) -> None:
    """A client that leaves before its request got there: the bytes are on the road, so it is served, or not."""
    server = serve(
        {
            "provider": {
                "regions": {"far": {"rtt": "100ms"}},
                "answer": SLOW,
                "capacity": {"abandoned": abandoned},
            }
        }
    )
    with server.connect() as client:
        client.ask(call="c0")
        _until_live(server)
    row = server.row()
    assert row["abandoned"] is True
    assert (row["started_s"] is None) == (abandoned == "stop")
    assert row["tokens_billed"] == (0 if abandoned == "stop" else 5)


def test_leaving_between_requests_is_not_abandoning(serve: Callable[..., Any]) -> None:
    """Closing an idle connection leaves no trace."""
    server = serve()
    with server.connect() as client:
        client.ask()
        client.answer()
    assert server.row()["abandoned"] is False
    with server.connect():
        pass
    with server.connect() as client:
        client.ask()
        client.answer()
    assert len(server.journal.wait_for(2)) == 2


def _until_queued(server: Any, count: int) -> None:
    while server.call(server.mock.load)[1] < count:
        pass


def _until_live(server: Any) -> None:
    while not server.call(lambda: list(server.mock.exchanges)):
        pass
