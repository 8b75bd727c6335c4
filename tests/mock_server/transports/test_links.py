"""Links: what a region's distance does to connecting, to messages, to large bodies and to endings."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from windtunnel.mock_server.errors import PlanError
from windtunnel.mock_server.plan.plan import Plan
from windtunnel.mock_server.plan.provider import RegionLink
from windtunnel.mock_server.provider.compiled_settings import LinkSettings, Spread
from windtunnel.mock_server.script import Abort, Close, Head, Script, Send
from windtunnel.mock_server.transports.inprocess.inprocess import InProcess
from windtunnel.mock_server.transports.links.path import LEAST_RTO_S, SEGMENT, Path

TEXT = (("content-type", "text/plain"),)
CONSTANT = LinkSettings(Spread(0.1, 0.1), 0.0, None, 0.0)


def _path(link: LinkSettings = CONSTANT, connection: int = 1) -> Path:
    return Path(lambda: link, 7, connection)


def _plan(**link: Any) -> dict[str, Any]:
    answer = {"first_token": "0ms", "tokens": 1}
    return {"provider": {"answer": answer, "regions": {"far": {"link": link}}}}


@pytest.mark.parametrize(("mean", "p99"), [("89ms", "210ms"), ("142ms", "320ms"), ("198ms", "450ms")])
def test_round_trips_have_the_given_mean_and_p99(mean: str, p99: str) -> None:
    """10,000 messages over 500 connections: mean and P99 within 5 %, and connections that differ from each other."""
    link = RegionLink.model_validate({"rtt": {"mean": mean, "p99": p99}})
    settings = LinkSettings(Spread.of(link.rtt), 0.0, None, 0.0)
    taken = np.zeros((500, 20))
    for connection in range(500):
        path, now = _path(settings, connection), 0.0
        path.opened(now)
        for message in range(20):
            now += 1.0
            there = path.arrives("up", now, 300)
            taken[connection, message] = path.arrives("down", there, 300) - now
    assert taken.mean() == pytest.approx(link.rtt.mean, rel=0.05)
    assert np.quantile(taken, 0.99) == pytest.approx(link.rtt.p99, rel=0.05)
    of_connections = np.log(taken).mean(axis=1).var() / np.log(taken).var()
    assert of_connections == pytest.approx(0.5, abs=0.1)


def test_connecting_costs_a_round_trip_and_a_message_half_of_one() -> None:
    """The first bytes leave when the connection is there, a round trip after it was asked for."""
    path = _path()
    assert path.opened(5.0) == pytest.approx(5.1)
    assert path.arrives("up", 5.0, 100) == pytest.approx(5.1 + 0.05)
    assert path.arrives("down", 6.0, 100) == pytest.approx(6.05)


def test_nothing_is_overtaken() -> None:
    """With jitter and loss, what leaves later arrives no sooner."""
    path = _path(LinkSettings(Spread(0.05, 0.4), 0.2, None, 0.2))
    arrived = [path.arrives("down", 0.01 * number, 100) for number in range(500)]
    assert arrived == sorted(arrived)
    assert len(set(arrived)) > 10


def test_bandwidth_is_shared_by_what_is_sent_at_once() -> None:
    """Two messages of a megabit each, through a megabit a second: the second one waits for the first."""
    path = _path(LinkSettings(Spread(0.1, 0.1), 0.0, 1e6, 0.0))
    assert path.arrives("down", 0.0, 125_000) == pytest.approx(1.05)
    assert path.arrives("down", 0.0, 125_000) == pytest.approx(2.05)
    assert path.arrives("up", 0.0, 125_000) == pytest.approx(1.05)  # the other way is free


def test_loss_delays_by_a_timeout_or_by_a_round_trip() -> None:
    """A lost last segment waits for a timeout, one with others behind it for a round trip; none lost: no delay."""
    link = LinkSettings(Spread(0.1, 0.1), 0.0, None, 0.02)
    short = [_path(link, number).arrives("down", 0.0, 100) - 0.05 for number in range(5000)]
    late = [delay for delay in short if delay > 1e-6]
    assert len(late) / len(short) == pytest.approx(0.02, rel=0.3)
    assert min(late) == pytest.approx(0.1 + LEAST_RTO_S)
    long = [_path(link, number).arrives("down", 0.0, 40 * SEGMENT) - 0.05 for number in range(2000)]
    some_lost = [delay for delay in long if delay > 1e-6]
    assert len(some_lost) / len(long) == pytest.approx(1 - 0.98**40, rel=0.1)
    assert np.median(some_lost) == pytest.approx(0.1)


def test_a_request_takes_its_round_trips(serve: Callable[..., Any]) -> None:
    """A cold request takes two round trips at least, a warm one one; each of the client's bytes comes through."""
    server = serve(_plan(rtt="80ms"))
    began = time.monotonic()
    with server.connect() as client:
        client.ask()
        assert client.answer()[0] == 200
        warm = time.monotonic()
        client.ask()
        assert client.answer()[0] == 200
    assert warm - began >= 0.158  # timers tick in milliseconds
    assert time.monotonic() - warm >= 0.078
    assert server.row(1)["arrived_s"] - server.row(0)["arrived_s"] >= 0.078
    for number in (0, 1):
        row = server.row(number)
        assert row["delivered_s"] - row["last_byte_s"] == pytest.approx(0.04, abs=0.005)


def test_without_a_link_nothing_is_on_its_way(serve: Callable[..., Any]) -> None:
    """What is written is delivered: no time of its own is recorded."""
    server = serve({"provider": {"answer": {"first_token": "0ms", "tokens": 1}}})
    with server.connect() as client:
        client.ask()
        assert client.answer()[0] == 200
    assert server.row(0)["delivered_s"] is None


def test_bytes_before_an_end_arrive(serve: Callable[..., Any]) -> None:
    """A FIN and an RST leave behind everything that was written, through the link as without one."""
    for last in (Close(), Abort()):
        steps = (Head(200, TEXT, content_length=2_000_000), Send(b"x" * 300_000), last)
        server = serve(_plan(rtt="30ms"), scripts=lambda _, steps=steps: Script(steps))
        with server.connect() as client:
            client.ask()
            client.head()
            assert client.read_exactly(300_000) == b"x" * 300_000
            if type(last) is Close:
                assert client.read_to_end() == b""
            else:
                with pytest.raises(ConnectionResetError):
                    client.read_to_end()


def test_a_client_that_leaves_is_noticed_half_a_round_trip_later(serve: Callable[..., Any]) -> None:
    """Its FIN goes through the link as well."""
    plan = _plan(rtt="60ms")
    plan["provider"]["answer"] = {"first_token": "5s", "tokens": 1}
    server = serve(plan)
    with server.connect() as client:
        client.ask()
        while not server.call(server.mock.load)[0]:
            time.sleep(0.005)
        left = server.call(server.mock.now)
    row = server.row()
    assert row["abandoned"]
    assert row["abandoned_at_s"] - left >= 0.028


def test_a_large_answer_waits_for_bandwidth(serve: Callable[..., Any]) -> None:
    """A body of 250,000 bytes through 10 Mbit/s takes a fifth of a second at least, and arrives whole."""
    steps = (Head(200, TEXT), Send(b"y" * 250_000), Close())
    server = serve(_plan(rtt="1ms", bandwidth="10Mbit/s"), scripts=lambda _: Script(steps))
    began = time.monotonic()
    with server.connect() as client:
        client.ask()
        assert client.answer()[2] == b"y" * 250_000
    assert time.monotonic() - began >= 0.199


@pytest.mark.parametrize(
    ("region", "told"),
    [
        ({"link": {"rtt": "9ms"}, "rtt": "9ms"}, "both a link and an rtt"),
        ({"link": {"rtt": {"mean": "200ms", "p99": "100ms"}}}, "a p99 below the mean"),
        ({"link": {"rtt": "-5ms"}}, "-5ms"),
        ({"link": {"rtt": "5ms", "bandwidth": "10MB"}}, "such as 100Mbit/s"),
        ({"link": {"rtt": "5ms", "bandwidth": "0Mbit/s"}}, "above zero"),
        ({"link": {"rtt": "5ms", "loss": 0.9}}, "0.5"),
        ({"link": {}}, "rtt"),
    ],
)
def test_what_is_no_link_is_refused(region: dict[str, Any], told: str) -> None:
    """Each mistake is named where it stands."""
    with pytest.raises(ValidationError) as refused:
        Plan.model_validate({"provider": {"regions": {"far": region}}})
    assert told in str(refused.value)
    assert "regions.far" in str(refused.value)


def test_a_mock_without_sockets_has_no_link() -> None:
    """It is refused, not left out."""
    with pytest.raises(PlanError, match=r"regions\.far\.link: found a link, expected an rtt"):
        InProcess(Plan.model_validate(_plan(rtt="9ms")))
