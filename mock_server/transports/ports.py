"""Ports to listen on, one a region and one for the admin API."""

from __future__ import annotations

import errno
import socket

from windtunnel.mock_server.server.options import ServeError, ServeOptions

BACKLOG = 4096
"""The most connections that wait to be accepted; the kernel may have a lower limit of its own."""

_LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1"}


class Port:
    """A port that is reserved for this process, whether a socket listens on it or not.

    An anchor is bound to it for good and never listens: a client is refused while no socket of `listen` is open,
    and no other process can have the port meanwhile. Raises `OSError` if it is not to be had. `shared` lets other
    workers listen on it too.
    """

    __slots__ = ("_anchor", "_shared")

    def __init__(
        self, address: tuple[object, ...], family: int = socket.AF_INET, *, shared: bool = False
    ) -> None:
        self._shared = shared
        self._anchor = _bound(address, family, shared=shared)

    @property
    def address(self) -> tuple[object, ...]:
        """Address and port, as `getsockname` gives them."""
        return tuple(self._anchor.getsockname())

    @property
    def number(self) -> int:
        """The port's number."""
        return int(self._anchor.getsockname()[1])

    @property
    def target(self) -> tuple[object, ...]:
        """The address at which this machine connects to it: loopback, if it is open on all addresses."""
        host, *rest = self._anchor.getsockname()
        return (_LOOPBACK.get(host, host), *rest)

    @property
    def family(self) -> int:
        """The address family."""
        return int(self._anchor.family)

    def listen(self, backlog: int) -> socket.socket:
        """Return a new non-blocking socket that listens on the port. Raises `OSError` if another process does."""
        # With SO_REUSEADDR two sockets may be bound to one port while neither listens: ours only while we bind.
        self._anchor.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock = _bound(self.address, self.family, shared=self._shared)
            try:
                sock.listen(backlog)
            except OSError:
                sock.close()
                raise
        finally:
            self._anchor.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
        return sock

    def close(self) -> None:
        """Give the port back."""
        self._anchor.close()


def _bound(address: tuple[object, ...], family: int, *, shared: bool) -> socket.socket:
    # Without the protocol's number asyncio would not set TCP_NODELAY on what is accepted.
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind(address)
    except OSError:
        sock.close()
        raise
    sock.setblocking(False)
    return sock


def bind(options: ServeOptions) -> dict[str, Port]:
    """Reserve a port for every region of the plan, in its order. Raises `ServeError` if one is not available."""
    names = list(options.plan.provider.regions)
    numbers = options.region_ports()
    if len(numbers) != len(names):
        raise ServeError(f"--ports names {len(numbers)} ports, the plan has {len(names)} regions")
    ports: dict[str, Port] = {}
    try:
        for name, number in zip(names, numbers, strict=True):
            ports[name] = port_of(options, number)
    except ServeError:
        for port in ports.values():
            port.close()
        raise
    return ports


def port_of(options: ServeOptions, number: int, *, option: str = "--port") -> Port:
    """Reserve a port on the server's address (0: any). Raises `ServeError`, naming the option, if it is not free."""
    host = options.host
    shared = options.workers > 1 or options.worker > 0
    try:
        family, _, _, _, address = socket.getaddrinfo(
            host.strip("[]"), number, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (OSError, OverflowError) as error:
        raise ServeError(f"--host {host}: no such address ({error})") from error
    try:
        port = Port(address, family, shared=shared)
        if not shared:
            try:
                # Another listener is only noticed here: SO_REUSEADDR lets the bind pass.
                port.listen(1).close()
            except OSError:
                port.close()
                raise
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise ServeError(
                f"port {number} on {host} is in use: choose another with {option}, or 0 for any free one"
            ) from error
        raise ServeError(f"cannot listen on {host} port {number}: {error.strerror}") from error
    return port


def url(host: str, port: Port, *, tls: bool = False) -> str:
    """Return the URL at which clients on this machine reach a port."""
    bare = host.strip("[]")
    name = _LOOPBACK.get(bare, bare)
    scheme = "https" if tls else "http"
    return f"{scheme}://[{name}]:{port.number}" if ":" in name else f"{scheme}://{name}:{port.number}"
