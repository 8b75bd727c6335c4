"""Ports that are refused, black-holed and opened again, as a real client's connect sees them."""

from __future__ import annotations

import asyncio
import errno
import http.client
import json
import select
import socket
from collections.abc import Callable
from typing import Any

import pytest

from tests.mock_server.transports.conftest import FAST, PATIENCE, Client, Serving
from windtunnel.mock_server.plan.plan import Plan
from windtunnel.mock_server.transports.ports import Port

Serve = Callable[..., Serving]
SHORT = 0.3
"""Seconds that a client waits for a connection that will not come."""

REFUSE = {"fault": "refuse"}
BLACKHOLE = {"fault": "blackhole"}


def plan(*rules: dict[str, Any], **parts: Any) -> Plan:
    """A fast provider with these rules."""
    return Plan.model_validate({"provider": FAST, "rules": list(rules), **parts})


def change(server: Serving, to: Plan) -> None:
    """Put a plan in force, and wait until the ports are as it says."""

    async def put() -> None:
        server.mock.set_plan(to)
        for listener in server.listeners._regions.values():
            await listener.settled()

    asyncio.run_coroutine_threadsafe(put(), server.loop).result(PATIENCE)


def connect(server: Serving, region: str = "local", patience: float = SHORT) -> str:
    """What becomes of a new client: `open`, `refuse` or `blackhole`."""
    try:
        with Client(socket.create_connection(("127.0.0.1", server.ports[region]), patience)) as client:
            client.ask(method="GET", path="/v1/models")
            assert client.answer()[0] == 200
            return "open"
    except ConnectionRefusedError:
        return "refuse"
    except TimeoutError:
        return "blackhole"


def asked(server: Serving) -> int:
    """The status of a request on a new connection."""
    with server.connect() as client:
        client.ask()
        return client.answer()[0]


@pytest.mark.parametrize("rule", [REFUSE, BLACKHOLE])
def test_a_port_closes_and_opens_with_the_plan(serve: Serve, rule: dict[str, Any]) -> None:
    """Connecting fails for real in the fault's own way, and succeeds again afterwards, as often as one likes."""
    server = serve()
    for _ in range(2):
        change(server, plan(rule))
        assert [connect(server), connect(server)] == [rule["fault"]] * 2
        change(server, plan())
        assert asked(server) == 200


def test_from_one_into_the_other(serve: Serve) -> None:
    """A refusing port becomes a black hole, and back, without being open in between."""
    server = serve({"provider": FAST, "rules": [REFUSE]})
    assert connect(server) == "refuse"
    change(server, plan(BLACKHOLE))
    assert connect(server) == "blackhole"
    change(server, plan(REFUSE))
    assert connect(server) == "refuse"


@pytest.mark.parametrize("rule", [REFUSE, BLACKHOLE])
def test_one_region_goes_dark(serve: Serve, rule: dict[str, Any]) -> None:
    """The other regions are as they were, from the first moment on."""
    provider = FAST | {"regions": {"east": {}, "west": {}}}
    server = serve({"provider": provider, "rules": [rule | {"match": {"region": "west"}}]})
    assert connect(server, "east") == "open"
    assert connect(server, "west") == rule["fault"]


@pytest.mark.parametrize("rule", [REFUSE, BLACKHOLE])
def test_established_connections_go_on(serve: Serve, rule: dict[str, Any]) -> None:
    """By default a client that has a connection notices nothing."""
    server = serve()
    with server.connect() as client:
        client.ask()
        assert client.answer()[0] == 200
        change(server, plan(rule))
        client.ask()
        assert client.answer()[0] == 200


@pytest.mark.parametrize("rule", [REFUSE, BLACKHOLE])
def test_established_connections_end(serve: Serve, rule: dict[str, Any]) -> None:
    """With `established: reset` those of the region get an RST, in mid-answer too; the others go on."""
    slow = {"answer": {"first_token": "1h"}, "regions": {"east": {}, "west": {}}}
    server = serve({"provider": slow})
    dark = rule | {"with": {"established": "reset"}, "match": {"region": "west"}}
    with server.connect("west") as busy, server.connect("west") as idle, server.connect("east") as other:
        busy.ask(stream=True)
        assert busy.head()[0] == 200
        other.ask(stream=True)
        assert other.head()[0] == 200
        idle.ask(method="GET", path="/v1/models")
        assert idle.answer()[0] == 200
        change(server, Plan.model_validate({"provider": slow, "rules": [dark]}))
        for client in (busy, idle):
            with pytest.raises(ConnectionResetError):
                client.sock.recv(1)
        other.sock.setblocking(False)
        with pytest.raises(BlockingIOError):
            other.sock.recv(1)


def test_the_admin_api_has_a_port_that_nothing_closes(serve: Serve) -> None:
    """While every region is dark a plan can be put that opens them; the API itself is not on that port."""
    server = serve({"provider": FAST, "rules": [BLACKHOLE]})
    client = http.client.HTTPConnection("127.0.0.1", server.admin_port, timeout=PATIENCE)
    client.request("PUT", "/_windtunnel/plan", json.dumps(plan().model_dump(mode="json", by_alias=True)))
    assert client.getresponse().read().startswith(b"{")
    client.request("GET", "/v1/models")
    missing = client.getresponse()
    assert (missing.status, b"_windtunnel" in missing.read()) == (404, True)
    client.close()
    assert connect(server, patience=PATIENCE) == "open"


def test_a_client_that_waits_is_let_in(serve: Serve) -> None:
    """A connect under way when the black hole closes succeeds with its next SYN, and is served."""
    server = serve({"provider": FAST, "rules": [BLACKHOLE]})
    with socket.socket() as sock:
        sock.setblocking(False)
        assert sock.connect_ex(("127.0.0.1", server.ports["local"])) == errno.EINPROGRESS
        change(server, plan())
        assert select.select([], [sock], [], PATIENCE)[1]
        sock.settimeout(PATIENCE)
        client = Client(sock)
        client.ask()
        assert client.answer()[0] == 200


def test_a_phase_closes_and_opens_ports_by_itself(serve: Serve) -> None:
    """A reset into a phase in which the port is refused closes it; the next phase opens it, in time."""
    phases = [
        {"name": "dark", "for": "300ms", "rules": [REFUSE]},
        {"name": "after", "for": "1h"},
    ]
    server = serve({"provider": FAST, "phases": phases})
    opened: list[float] = []

    async def until_open() -> None:
        done = asyncio.Event()
        server.mock.on_change.append(done.set)
        server.mock.reset()
        done.clear()
        await server.listeners._regions["local"].settled()
        opened.append(server.mock.now())
        await asyncio.wait_for(done.wait(), PATIENCE)
        await server.listeners._regions["local"].settled()
        opened.append(server.mock.now())

    asyncio.run_coroutine_threadsafe(until_open(), server.loop).result(PATIENCE)
    assert opened[0] < 0.3 <= opened[1]
    assert asked(server) == 200


def test_the_header_cannot_ask_for_them(serve: Serve) -> None:
    """A request that asks for `refuse` gets a 400 that says why."""
    server = serve()
    with server.connect() as client:
        client.ask(headers={"x-windtunnel-fault": "refuse"})
        status, _, body = client.answer()
    assert status == 400
    assert "comes before any request" in json.loads(body)["error"]["message"]


def test_a_refused_port_is_nobody_elses() -> None:
    """While nothing listens no other socket can have the port, and it is free once it is given back."""
    port = Port(("127.0.0.1", 0))
    number = port.number
    try:
        port.listen(1).close()
        with socket.socket() as other:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with pytest.raises(OSError, match="in use"):
                other.bind(port.address)
    finally:
        port.close()
    with socket.create_server(("127.0.0.1", number)) as free:
        assert free.getsockname()[1] == number


def test_nothing_is_left_behind(serve: Serve) -> None:
    """A server that ends while its port is a black hole closes everything: the port refuses."""
    server = serve({"provider": FAST, "rules": [BLACKHOLE]})
    server.call(server.mock.stop)
    server._thread.join(PATIENCE)
    assert connect(server) == "refuse"
