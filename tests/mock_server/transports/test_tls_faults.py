"""Faults of TLS handshakes, as a client sees them: each is a real handshake that fails, or waits."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from windtunnel.mock_server.faults import parse_fault_header
from windtunnel.mock_server.plan.plan import Plan

from .conftest import PATIENCE, Client, Serving

REASONS = {
    "tls_expired": "certificate has expired",
    "tls_wrong_host": "certificate is not valid for 'localhost'",
    "tls_untrusted": "unable to get local issuer certificate|self-signed certificate in certificate chain",
    "tls_incomplete_chain": "unable to get local issuer certificate",
    "tls_old_protocol": "UNSUPPORTED_PROTOCOL|ALERT_PROTOCOL_VERSION",
}


def _plan(*rules: dict[str, Any], tls: bool = True, **more: Any) -> dict[str, Any]:
    provider = {"answer": {"first_token": "0ms", "tokens": 1}, "regions": {"local": {"tls": tls}}}
    return {"provider": provider, "rules": list(rules), **more}


def _connect(server: Serving, timeout: float = PATIENCE) -> Client:
    context = ssl.create_default_context(cafile=server.mock.connections.certificates.ca_file)
    raw = socket.create_connection(("127.0.0.1", server.ports["local"]), timeout)
    try:
        return Client(context.wrap_socket(raw, server_hostname="localhost"))
    except BaseException:
        raw.close()
        raise


def _ask(client: Client) -> int:
    client.ask()
    return client.answer()[0]


@pytest.mark.parametrize("fault", REASONS)
def test_a_handshake_fails_for_its_own_reason(serve: Callable[..., Any], fault: str) -> None:
    """Each is refused by the client, or to it, for what it says; it is counted, and leaves a row of a connection."""
    server = serve(_plan({"fault": fault}))
    with pytest.raises(ssl.SSLError, match=REASONS[fault]):
        _connect(server)
    while server.call(lambda: server.mock.client_connections):
        pass
    assert server.mock.counters.handshakes == {"failed": 1}
    assert server.mock.counters.faults == {fault: 1}
    assert server.call(lambda: server.mock.engine.snapshot(server.mock.now())["rules"][0]["acted"]) == 1


def test_a_stalled_handshake_lasts_until_the_client_leaves(serve: Callable[..., Any]) -> None:
    """The client's hello is taken and never answered; the connection is there, and gone with the client."""
    server = serve(_plan({"fault": "tls_handshake_stall"}))
    raw = socket.create_connection(("127.0.0.1", server.ports["local"]), PATIENCE)
    raw.sendall(b"a hello")
    while server.call(lambda: server.mock.client_connections) != 1:
        pass
    raw.close()
    while server.call(lambda: server.mock.client_connections):
        pass
    assert server.mock.counters.handshakes == {"failed": 1}


def test_a_stall_may_end(serve: Callable[..., Any]) -> None:
    """With `seconds` the handshake goes on then, from what the client has sent."""
    server = serve(_plan({"fault": "tls_handshake_stall", "with": {"seconds": "50ms"}}))
    with _connect(server) as client:
        assert _ask(client) == 200


def test_a_rate_is_drawn_for_each_connection(serve: Callable[..., Any]) -> None:
    """About as many handshakes fail as the rate says, the same ones every time; an open connection is not met."""
    failed = []
    for _ in range(2):
        server = serve(_plan({"fault": "tls_expired", "rate": 0.5}, seed=3))
        outcomes = []
        for _ in range(24):
            try:
                _connect(server).sock.close()
                outcomes.append(True)
            except ssl.SSLError:
                outcomes.append(False)
        failed.append(outcomes)
    assert failed[0] == failed[1]
    assert 6 <= failed[0].count(False) <= 18


def test_open_connections_outlive_what_new_ones_meet(serve: Callable[..., Any]) -> None:
    """When a phase lets the certificate expire, a connection from before goes on."""
    phases = [
        {"name": "before", "for": "1h"},
        {"name": "expired", "for": "1h", "rules": [{"fault": "tls_expired"}]},
    ]
    server = serve(_plan(phases=phases))
    with _connect(server) as old:
        assert _ask(old) == 200
        server.call(lambda: server.mock.reset(server.mock.clock.monotonic() - 3601))
        with pytest.raises(ssl.SSLError):
            _connect(server)
        assert _ask(old) == 200


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        (
            _plan({"fault": "tls_expired"}, tls=False),
            "tls_expired where no region has TLS, expected `tls: true`",
        ),
        (
            _plan({"fault": "tls_expired", "match": {"region": "local"}}, tls=False),
            "tls_expired in 'local', which has no TLS",
        ),
        (_plan({"fault": "tls_expired", "first": 2}), "first on tls_expired, which acts on a TLS handshake"),
        (_plan({"fault": "tls_expired", "match": {"api": "chat"}}), "a match on api for tls_expired"),
        (_plan({"fault": "tls_expired", "with": {"days": 3}}), "days"),
    ],
)
def test_rules_that_cannot_act_are_refused(plan: dict[str, Any], message: str) -> None:
    """No TLS, what only requests have, and unknown parameters are each refused with what is wrong."""
    with pytest.raises(ValidationError, match=message):
        Plan.model_validate(plan)


def test_no_request_can_ask_for_one() -> None:
    """A request comes when the handshake is over."""
    with pytest.raises(
        ValueError, match="tls_expired, which acts on a TLS handshake and so comes before any request"
    ):
        parse_fault_header("tls_expired")
