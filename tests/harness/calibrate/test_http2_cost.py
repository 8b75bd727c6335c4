"""The cost of HTTP/2: what its driver sends is HTTP/2, and the figure is the share that it says."""

from __future__ import annotations

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, RequestReceived, StreamEnded

from windtunnel.harness.calibrate.closed_loop import BODY
from windtunnel.harness.calibrate.http2_cost import PREFACE, SETTINGS, finding, frame, request_frames


def test_the_prepared_frames_are_a_request() -> None:
    """h2 reads them as the request that goes over HTTP/1.1, too."""
    server = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
    server.initiate_connection()
    events = server.receive_data(PREFACE + frame(SETTINGS, 0, 0) + request_frames(1, "k1"))
    request = next(event for event in events if isinstance(event, RequestReceived))
    assert ("x-windtunnel-call", "k1") in request.headers
    assert b"".join([event.data for event in events if isinstance(event, DataReceived)]) == BODY
    assert any(isinstance(event, StreamEnded) for event in events)


def test_the_figure_is_a_share_of_requests_a_second() -> None:
    """A request of 400 µs beside one of 100 µs is a quarter of the requests/s."""
    found = finding([(400e-6, 100e-6)])
    assert (found.value, found.yardstick, found.ratio) == pytest.approx((2500, 10_000, 0.25))
    assert found.met
    assert not finding([(1e-3, 100e-6)]).met
