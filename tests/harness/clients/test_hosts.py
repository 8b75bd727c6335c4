"""Names of hosts lead to regions, in each way in which libraries look up and dial; other hosts are never dialled."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from threading import Thread

import pytest

from windtunnel.harness.clients.hosts import Hosts, RefusedHostError

US, EU = "us.api.openai.com", "eu.api.openai.com"
URLS = {"us-east": "http://127.0.0.1:4001/v1", "eu-central": "http://127.0.0.1:4002/v1"}
TABLES = [(0.0, {US: "us-east", EU: "eu-central"}), (10.0, {US: "eu-central", EU: "eu-central"})]


def hosts(now: float = 0.0) -> Hosts:
    """Two names, of which one moves at 10 s."""
    return Hosts(TABLES, URLS, lambda: now)


@pytest.mark.parametrize(
    ("host", "now", "port"),
    [(US, -5.0, 4001), (US, 9.9, 4001), (US, 10.0, 4002), (EU, 0.0, 4002), ("US.api.OpenAI.com.", 0.0, 4001)],
)
def test_a_name_leads_to_its_region(host: str, now: float, port: int) -> None:
    """As it is at that time; however the name is written."""
    assert hosts(now).dialled((host, 80)) == ("127.0.0.1", port)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "", None])
def test_this_machine_is_dialled_as_it_is(host: str | None) -> None:
    """A base URL that the harness gives is one of it."""
    assert hosts().dialled((host, 1234)) == (host, 1234)
    assert hosts().looked_up(host) == host


@pytest.mark.parametrize("host", ["api.openai.com", "10.0.0.1", "8.8.8.8", b"example.com"])
def test_another_host_is_refused(host: str | bytes) -> None:
    """When it is looked up, and when it is dialled; the message names those that there are."""
    for use in (hosts().looked_up, lambda host: hosts().dialled((host, 80))):
        with pytest.raises(RefusedHostError, match=f"which is not dialled, expected .*{US}, {EU}"):
            use(host)


def test_https_needs_a_region_with_tls() -> None:
    """Refused with the two ways out, rather than a handshake that fails."""
    with pytest.raises(
        RefusedHostError, match=r"of https, and the region us-east without TLS, expected http://"
    ):
        hosts().dialled((US, 443))


def test_an_address_that_was_looked_up_stands_for_its_host() -> None:
    """Libraries dial it with the port of the URL; it leads to the region of that moment."""
    now = [0.0]
    moving = Hosts(TABLES, URLS, lambda: now[0])
    address = moving.looked_up(US)
    assert address == moving.looked_up(US) != moving.looked_up(EU)
    assert moving.dialled((address, 80)) == ("127.0.0.1", 4001)
    now[0] = 10.0
    assert moving.dialled((address, 80)) == ("127.0.0.1", 4002)


DIALLING = """
import asyncio, json, socket, sys, urllib.request
import aiohttp, httpx, httpx2, requests
from windtunnel.harness.clients.hosts import Hosts
from windtunnel.harness.load.dialling import end_process, take_over
from windtunnel.harness.load.loop_thread import DiallingLoop

url = "http://us.api.openai.com/v1/models"
hosts = Hosts([(0.0, {"us.api.openai.com": "us"})], {"us": sys.argv[1]}, lambda: 0.0, end_process)
take_over(hosts)

async def on_the_loop():
    async with httpx.AsyncClient() as client:
        yield "httpx, async", (await client.get(url)).text
    async with httpx2.AsyncClient() as client:
        yield "httpx2, async", (await client.get(url)).text
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        yield "aiohttp", await answer.text()

async def all_on_the_loop():
    return {name: text async for name, text in on_the_loop()}

loop = DiallingLoop()
loop.hosts = hosts
found = loop.run_until_complete(all_on_the_loop())
loop.close()
found |= {
    "httpx": httpx.get(url).text,
    "httpx2": httpx2.get(url).text,
    "requests": requests.get(url).text,
    "urllib": urllib.request.urlopen(url).read().decode(),
}
print(json.dumps(found), flush=True)
if len(sys.argv) > 2:
    httpx.get("http://api.openai.com/v1/models")
"""


@pytest.fixture
def region() -> Iterator[str]:
    """A server that answers every connection once, with what `Host` it was asked for."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                client = server.accept()[0]
            except OSError:
                return
            with client:
                asked = client.recv(65536).decode().lower()
                host = asked.split("host: ")[1].split("\r\n")[0]
                client.sendall(f"HTTP/1.1 200 OK\r\ncontent-length: {len(host)}\r\n\r\n{host}".encode())

    thread = Thread(target=serve, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.getsockname()[1]}/v1"
    server.shutdown(socket.SHUT_RDWR)
    server.close()
    thread.join(10)


def test_every_library_reaches_the_region_by_its_own_url(region: str) -> None:
    """Blocking ones and those on the loop; then a host that is not named ends the process, with what to read."""
    pytest.importorskip("requests")
    done = subprocess.run(
        [sys.executable, "-c", DIALLING, region, "and another host"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout, done.stderr
    found = json.loads(done.stdout)
    assert found == dict.fromkeys(
        ("httpx", "httpx, async", "httpx2", "httpx2, async", "aiohttp", "requests", "urllib"), US
    )
    assert done.returncode == 1
    assert 'windtunnel: unusable: {"path": "hosts", "found": "a connection to api.openai.com' in done.stderr
