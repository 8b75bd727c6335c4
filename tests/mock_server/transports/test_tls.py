"""TLS: handshakes, what is spoken in them, how they end, and what they cost over a link."""

from __future__ import annotations

import os
import socket
import ssl
import time
from collections.abc import Callable
from typing import Any

import httpx2
import pytest
from pydantic import ValidationError

from windtunnel.mock_server.errors import PlanError
from windtunnel.mock_server.plan.plan import Plan
from windtunnel.mock_server.script import Abort, Close, End, Head, Script, Send
from windtunnel.mock_server.server.options import needs_shared_state, with_tls
from windtunnel.mock_server.transports.inprocess.inprocess import InProcess
from windtunnel.mock_server.transports.tls.certificates import Certificates, CertificatesError, Show

from .conftest import PATIENCE, Client, Serving

TEXT = (("content-type", "text/plain"),)


def _plan(region: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    answer = {"first_token": "0ms", "tokens": 1}
    regions = {"local": {"tls": True, **(region or {})}}
    return {"provider": {"answer": answer, "regions": regions}, **more}


def _context(server: Serving) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=server.mock.connections.certificates.ca_file)


def _secured(
    server: Serving,
    context: ssl.SSLContext | None = None,
    *,
    name: str = "localhost",
    session: ssl.SSLSession | None = None,
) -> Client:
    raw = socket.create_connection(("127.0.0.1", next(iter(server.ports.values()))), PATIENCE)
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # as every HTTP library has it
    try:
        context = context or _context(server)
        return Client(context.wrap_socket(raw, server_hostname=name, session=session))
    except BaseException:
        raw.close()
        raise


def test_requests_are_answered_in_tls(serve: Callable[..., Any]) -> None:
    """Two requests of one connection are answered, whole and as a stream; it is one row, open since it connected."""
    server = serve(_plan())
    with _secured(server) as client:
        client.ask()
        assert client.answer()[0] == 200
        client.ask(stream=True)
        assert client.answer()[2].endswith(b"data: [DONE]\n\n")
        assert server.call(lambda: server.mock.client_connections) == 1
    assert server.row(1)["status"] == 200
    assert server.mock.counters.handshakes == {"full": 1}
    assert server.mock.counters.connections == 1


def test_large_answers_and_requests_come_through(serve: Callable[..., Any]) -> None:
    """Several megabytes each way: records are put together again, and a slow reader makes the server wait."""
    body = bytes(range(256)) * 12_000
    steps = (Head(200, TEXT), Send(body), End())
    server = serve(_plan(), scripts=lambda _: Script(steps))
    with _secured(server) as client:
        client.ask(body={"model": "m", "messages": [{"role": "user", "content": "x" * 900_000}]})
        assert client.answer()[2] == body


def test_a_fin_and_an_rst_leave_behind_what_was_written(serve: Callable[..., Any]) -> None:
    """A close is a close_notify and a FIN, at once; a reset is an RST without a word."""
    for last in (Close(), Abort()):
        steps = (Head(200, TEXT, content_length=2_000_000), Send(b"x" * 30_000), last)
        server = serve(_plan(), scripts=lambda _, steps=steps: Script(steps))
        with _secured(server) as client:
            client.ask()
            client.head()
            assert client.read_exactly(30_000) == b"x" * 30_000
            # Below TLS, since Python's own reading makes an end of a reset.
            with Client(socket.socket(fileno=os.dup(client.sock.fileno()))) as below:
                below.sock.settimeout(PATIENCE)
                if type(last) is Close:
                    assert below.read_to_end()[:3] == b"\x17\x03\x03"  # the record of a close_notify
                else:
                    with pytest.raises(ConnectionResetError):
                        below.read_to_end()


def test_who_leaves_is_noticed(serve: Callable[..., Any]) -> None:
    """A client that closes while its answer is under way has abandoned it."""
    plan = _plan()
    plan["provider"] |= {"answer": {"first_token": "30s", "tokens": 1}, "capacity": {"abandoned": "stop"}}
    server = serve(plan)
    client = _secured(server)
    client.ask()
    while not server.call(lambda: len(server.mock.exchanges)):
        pass
    client.sock.close()
    assert server.row()["abandoned"]


def test_what_is_no_tls_is_refused(serve: Callable[..., Any]) -> None:
    """What is no handshake gets an alert (RFC 8446, 5.1) and the end; the server lives on and has counted it."""
    server = serve(_plan())
    with server.connect() as plain:
        plain.send(b"\x16\x03\x01\x00\x04spam")
        assert plain.read_to_end()[:1] == b"\x15"
    with _secured(server) as client:
        client.ask()
        assert client.answer()[0] == 200
    assert server.mock.counters.handshakes == {"failed": 1, "full": 1}


def test_alpn_agrees_on_what_the_client_knows(serve: Callable[..., Any]) -> None:
    """A client that offers HTTP/1.1 is given it, one that offers nothing is answered too."""
    server = serve(_plan())
    context = _context(server)
    context.set_alpn_protocols(["spdy/1", "http/1.1"])
    with _secured(server, context) as client:
        assert client.sock.selected_alpn_protocol() == "http/1.1"
        client.ask()
        assert client.answer()[0] == 200


@pytest.mark.parametrize("resumption", [True, False])
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_sessions_are_resumed_where_the_region_lets_them(
    serve: Callable[..., Any], resumption: bool, version: ssl.TLSVersion
) -> None:
    """A client that keeps its session resumes it with the second connection, unless that is off."""
    server = serve(_plan({"tls": {"resumption": resumption}}))
    context = _context(server)
    context.maximum_version = version
    with _secured(server, context) as client:
        client.ask()
        client.answer()  # the tickets of TLS 1.3 come behind the handshake
        session = client.sock.session
    with _secured(server, context, session=session) as client:
        assert client.sock.session_reused is resumption
        client.ask()
        assert client.answer()[0] == 200


def test_another_phase_may_have_another_certificate(serve: Callable[..., Any]) -> None:
    """A rotated certificate is shown to new connections; those that are open go on, and no session is resumed."""
    phases = [{"name": "before", "for": "1h"}, {"name": "after", "for": "1h"}]
    phases[1]["provider"] = {"regions": {"local": {"tls": {"certificate": 2}}}}
    server = serve(_plan(phases=phases))
    context = _context(server)
    with _secured(server, context) as old:
        old.ask()
        old.answer()
        server.call(lambda: server.mock.reset(server.mock.clock.monotonic() - 3601))
        with _secured(server, context, session=old.sock.session) as new:
            assert new.sock.getpeercert(True) != old.sock.getpeercert(True)
            assert not new.sock.session_reused
        old.ask()
        assert old.answer()[0] == 200


def test_a_handshake_costs_its_round_trip(serve: Callable[..., Any]) -> None:
    """A cold request takes three round trips of the link with TLS 1.3, and two without TLS, within 5 % of one."""
    rtt = 0.5
    regions = {"secured": {"tls": True, "link": {"rtt": "500ms"}}, "plain": {"link": {"rtt": "500ms"}}}
    server = serve({"provider": {"answer": {"first_token": "0ms", "tokens": 1}, "regions": regions}})
    context = _context(server)

    def cold(connect: Callable[[], Client]) -> float:
        begun = time.monotonic()
        with connect() as client:
            client.ask()
            assert client.answer()[0] == 200
        return time.monotonic() - begun

    # The least of three: what else the machine does only ever adds to it.
    secured = min([cold(lambda: _secured(server, context)) for _ in range(3)])
    plain = min([cold(lambda: server.connect("plain")) for _ in range(3)])
    assert plain == pytest.approx(2 * rtt, rel=0.05)
    assert secured - plain == pytest.approx(rtt, rel=0.05)


def test_certificates_leave_no_key_and_no_directory() -> None:
    """The directory is closed to others and holds the authority's certificate alone; it goes with the server."""
    made = Certificates()
    made.context(Show())
    directory = made.ca_file.parent
    assert directory.stat().st_mode & 0o777 == 0o700
    assert [one.name for one in directory.iterdir()] == ["ca.pem"]
    assert b"PRIVATE" not in made.ca_file.read_bytes()
    made.close()
    assert not directory.exists()


def test_certificates_that_cannot_be_written_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """No room for them is one message with the place and the way out."""

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device", "/tmp/there")

    monkeypatch.setattr("tempfile.TemporaryDirectory", full)
    with pytest.raises(CertificatesError, match="in /tmp/there: No space left on device; set TMPDIR"):
        Certificates()


def test_tls_in_one_phase_alone_is_refused() -> None:
    """A base URL begins with https or it does not: a phase cannot change that. Unknown keys are refused."""
    phases = [{"name": "p", "for": "1s", "provider": {"regions": {"local": {"tls": False}}}}]
    with pytest.raises(
        ValidationError, match="found no TLS in this phase, expected TLS in all phases or in none"
    ):
        Plan.model_validate(_plan(phases=phases))
    with pytest.raises(ValidationError, match="resume"):
        Plan.model_validate(_plan({"tls": {"resume": True}}))


def test_serve_with_tls_is_for_every_region_and_one_worker() -> None:
    """`--tls` adds what a region does not say, keeps what it says, and several workers are refused."""
    regions = {"a": {}, "b": {"tls": {"resumption": False}}}
    plan = with_tls(Plan.model_validate({"provider": {"regions": regions, "capacity": {"slots": 100_000}}}))
    assert plan.provider.secured == ("a", "b")
    tls = plan.provider.region("b").tls
    assert tls is not None
    assert not tls.resumption
    assert "certificates of its own for provider.regions.a.tls" in (needs_shared_state(plan) or "")


@pytest.mark.parametrize("http2", [True, False])
def test_alpn_offers_http2_where_the_region_speaks_it(serve: Callable[..., Any], http2: bool) -> None:
    """A client that knows both is given HTTP/2, and its answer; with `http2: false` HTTP/1.1."""
    server = serve(_plan({"http2": http2}))
    with httpx2.Client(http2=True, verify=_context(server)) as client:
        answer = client.get(
            f"https://localhost:{server.ports['local']}/v1/models", headers={"authorization": "Bearer k"}
        )
    assert answer.http_version == ("HTTP/2" if http2 else "HTTP/1.1")
    assert server.row()["http_version"] == ("2" if http2 else "1.1")


def test_a_mock_without_sockets_refuses_tls() -> None:
    """It has no connections that could be secured, and says so."""
    with pytest.raises(PlanError, match=r"provider\.regions\.local\.tls: found TLS, expected no TLS"):
        InProcess(Plan.model_validate(_plan()))


@pytest.mark.parametrize(
    "region",
    [
        {"connections": {"idle": "50ms"}},
        {"middle": [{"kind": "proxy", "hop": "10ms", "idle": "50ms"}], "link": {"rtt": "10ms"}},
    ],
)
def test_tls_goes_through_what_stands_below_it(serve: Callable[..., Any], region: dict[str, Any]) -> None:
    """A region's rules for connections, a proxy and a link act on a connection in TLS as on any other."""
    server = serve(_plan(region))
    with _secured(server) as client:
        for _ in range(2):
            client.ask()
            assert client.answer()[0] == 200
        assert client.read_to_end() == b""
