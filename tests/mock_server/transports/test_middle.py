"""What stands in the middle, under TLS and over real sockets: all layers of a connection at once."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable
from typing import Any

import httpx2
import pytest


@pytest.mark.parametrize("http2", [False, True])
def test_all_layers_go_together(serve: Callable[..., Any], http2: bool) -> None:
    """Link, two proxies, rules for connections, TLS and either HTTP: a warm request pays each round trip once.

    The region closes the connection when it is idle, and there is room for another one.
    """
    region = {
        "tls": True,
        "http2": http2,
        "link": {"rtt": "40ms"},
        "middle": [{"hop": "20ms", "idle": "60s"}, {"hop": "20ms", "buffers": True, "header_limit": "8KB"}],
        "connections": {"idle": "800ms", "most": 10, "when_full": "wait", "announce": False},
    }
    answer = {"first_token": "0ms", "tokens": 1}
    server = serve({"provider": {"answer": answer, "regions": {"local": region}}})
    context = ssl.create_default_context(cafile=server.mock.connections.certificates.ca_file)
    body = {"model": "gpt-4.1-mini", "messages": [{"role": "user", "content": "hello"}], "stream": True}
    url = f"https://localhost:{server.ports['local']}/v1/chat/completions"
    with httpx2.Client(http2=http2, verify=context) as client:
        for _ in range(2):
            began = time.monotonic()
            reply = client.post(url, json=body, headers={"authorization": "Bearer k"})
            took = time.monotonic() - began
            assert reply.status_code == 200
        assert took >= 0.078  # timers tick in milliseconds
        large = client.post(url, json=body, headers={"authorization": "Bearer k", "x-large": "x" * 9000})
        assert large.status_code == 431
        end = time.monotonic() + 20
        while server.call(lambda: server.mock.client_connections):
            assert time.monotonic() < end
            time.sleep(0.01)
    # Another client: over HTTP/2 and TLS httpx2 does not look whether a connection of its pool has ended.
    with httpx2.Client(http2=http2, verify=context) as client:
        assert client.post(url, json=body, headers={"authorization": "Bearer k"}).status_code == 200
    rows = server.journal.wait_for(3)
    assert [row["faults"] for row in rows] == [("buffered",)] * 3
    assert len({row["connection_id"] for row in rows[:2]}) == 1
    assert rows[2]["connection_id"] != rows[0]["connection_id"]
