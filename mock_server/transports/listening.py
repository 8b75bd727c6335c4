"""Sockets to listen on, one a region."""

from __future__ import annotations

import errno
import socket

from mock_server.options import ServeError, ServeOptions


def bind(options: ServeOptions) -> list[tuple[str, socket.socket]]:
    """A bound socket for every region of the plan, in its order. Raises `ServeError` if a port is not to be had."""
    names = list(options.plan.provider.regions)
    ports = options.region_ports()
    if len(ports) != len(names):
        raise ServeError(f"--ports names {len(ports)} ports, the plan has {len(names)} regions")
    bound: list[tuple[str, socket.socket]] = []
    shared = options.workers > 1 or options.worker > 0
    try:
        for name, port in zip(names, ports, strict=True):
            bound.append((name, _bind(options.host, port, shared=shared)))
    except ServeError:
        for _, sock in bound:
            sock.close()
        raise
    return bound


def _bind(host: str, port: int, *, shared: bool) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host.strip("[]"), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (OSError, OverflowError) as error:
        raise ServeError(f"--host {host}: no such address ({error})") from error
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind(address)
        if not shared:
            # Another listener is only noticed here: SO_REUSEADDR lets the bind pass.
            sock.listen(1)
    except OSError as error:
        sock.close()
        if error.errno == errno.EADDRINUSE:
            raise ServeError(
                f"port {port} on {host} is in use: choose another with --port, or 0 for any free one"
            ) from error
        raise ServeError(f"cannot listen on {host} port {port}: {error.strerror}") from error
    sock.setblocking(False)
    return sock


def url(host: str, sock: socket.socket) -> str:
    """Where clients on this machine reach a listening socket."""
    port = sock.getsockname()[1]
    name = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host.strip("[]"), host.strip("[]"))
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"
