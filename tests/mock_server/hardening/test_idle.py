"""Ten thousand connections on which nothing happens, and more connections than there are descriptors."""

from __future__ import annotations

import resource
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from tests.mock_server.hardening.processes import PATIENCE, ServerProcess
from windtunnel.mock_server.transports.limits import SPARE_DESCRIPTORS

CONNECTIONS = 10_000
MOST_EACH = 20_000
"""Bytes of memory that an idle connection may cost; it is about 4,000."""

REQUEST = b"GET /v1/models HTTP/1.1\r\nhost: a\r\nauthorization: Bearer k\r\n\r\n"
METRICS = b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"


@pytest.fixture
def descriptors() -> Iterator[None]:
    """As many descriptors as the test needs, where that many are allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = CONNECTIONS + 500
    if hard != resource.RLIM_INFINITY and hard < needed:
        pytest.skip(f"needs {needed} descriptors, the hard limit is {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed if soft < needed else soft, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@contextmanager
def connected(server: ServerProcess, count: int) -> Iterator[list[socket.socket]]:
    """So many connections."""
    with ExitStack() as stack:
        yield [stack.enter_context(socket.create_connection(server.address, PATIENCE)) for _ in range(count)]


def answered(sock: socket.socket) -> bytes:
    """The status line that a request gets."""
    sock.settimeout(PATIENCE)
    sock.sendall(REQUEST)
    return sock.recv(15)


def wait_until_closed(server: ServerProcess, least: int) -> None:
    """Return when the server has no more descriptors than before; connections are closed one after another."""
    deadline = time.monotonic() + PATIENCE
    while server.seen.num_fds() > least:
        assert time.monotonic() < deadline, server.seen.num_fds()
        with socket.create_connection(server.admin, PATIENCE) as admin:  # takes turns with what is waited for
            admin.sendall(METRICS)
            while admin.recv(65_536):
                pass


@pytest.mark.usefixtures("descriptors")
def test_ten_thousand_idle_connections(tmp_path: Path) -> None:
    """Ten thousand idle connections cost little memory, keep nobody from being answered, and leave nothing behind."""
    with ServerProcess(tmp_path) as server:
        with socket.create_connection(server.address, PATIENCE) as first:
            assert answered(first) == b"HTTP/1.1 200 OK"
        before, memory = server.seen.num_fds(), server.seen.memory_info().rss
        with connected(server, CONNECTIONS) as sockets:
            for place in (0, CONNECTIONS // 2, -1):
                assert answered(sockets[place]) == b"HTTP/1.1 200 OK"
            assert server.seen.num_fds() >= CONNECTIONS
            assert server.seen.memory_info().rss - memory < CONNECTIONS * MOST_EACH
        wait_until_closed(server, before)
        with socket.create_connection(server.address, PATIENCE) as last:
            assert answered(last) == b"HTTP/1.1 200 OK"
    assert server.log.read_text() == ""


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_more_connections_than_descriptors(tmp_path: Path, loop: str) -> None:
    """Beyond its descriptors the server refuses connections; the admin port answers, and when some are closed, all
    is well. It never stops and never complains."""
    allowed = SPARE_DESCRIPTORS + 50
    with ServerProcess(tmp_path, "--loop", loop, descriptors=allowed) as server:
        before = server.seen.num_fds()
        with connected(server, 2 * allowed) as sockets:
            assert answered(sockets[0]) == b"HTTP/1.1 200 OK"
            with socket.create_connection(server.admin, PATIENCE) as admin:
                admin.sendall(METRICS)
                assert admin.recv(15) == b"HTTP/1.1 200 OK"
            refused = []
            for sock in sockets[60:]:
                with suppress(ConnectionError):
                    refused.append(sock.recv(12))
            assert set(refused) <= {b"HTTP/1.1 503", b""}
            assert b"HTTP/1.1 503" in refused
        wait_until_closed(server, before)
        with socket.create_connection(server.address, PATIENCE) as last:
            assert answered(last) == b"HTTP/1.1 200 OK"
    assert server.log.read_text() == ""
