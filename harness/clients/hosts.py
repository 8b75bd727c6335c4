"""Names of hosts that lead to the mock's regions, so that a client's own base URL is played as it is.

    http://eu.api.openai.com/v1 ──► the scenario's `hosts`, as they are now ──► region eu-central ──► 127.0.0.1:PORT

A name is looked up for every connection: when it moves, connections that exist stay where they are. Any other host but
this machine is refused, and never dialled.
"""

from __future__ import annotations

import ipaddress
import json
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn, TypeAlias
from urllib.parse import urlsplit

from windtunnel.harness.contract.files import UNUSABLE

HTTPS_PORT = 443
LOCAL = ("localhost", "ip6-localhost")

STAND_INS = "127.77.{}.{}"
"""Addresses of this machine that stand for hosts: all of 127.0.0.0/8 is its own, and nothing listens there."""

Address: TypeAlias = tuple[str, int]
Table: TypeAlias = tuple[float, Mapping[str, str]]
"""From when on, in seconds from t0, which host leads to which region."""


class RefusedHostError(socket.gaierror):
    """A client connects to a host that the scenario does not name, or speaks TLS to a region without it."""

    def __init__(self, found: str, expected: str) -> None:
        super().__init__(socket.EAI_NONAME, f"found {found}, expected {expected}")
        self.found = found
        self.expected = expected


def announce(error: RefusedHostError) -> None:
    """Say on stderr, in the form that whoever started this process reads, that its client cannot be measured."""
    told = json.dumps({"path": "hosts", "found": error.found, "expected": error.expected})
    print(f"\n{UNUSABLE}{told}", file=sys.stderr, flush=True)


def _raise(error: RefusedHostError) -> NoReturn:
    raise error


class Hosts:
    """Which host leads where. `urls` are the regions' base URLs; `now` gives seconds from t0.

    `refused` is told of a host that is refused, and does not return. One object serves all threads of a process.
    """

    def __init__(
        self,
        tables: Sequence[Table],
        urls: Mapping[str, str],
        now: Callable[[], float],
        refused: Callable[[RefusedHostError], NoReturn] = _raise,
    ) -> None:
        self._tables = tables
        self._urls = {region: urlsplit(url) for region, url in urls.items()}
        self._now = now
        self._refused = refused
        self._stand_ins: dict[str, str] = {}
        self._names: dict[str, str] = {}

    @property
    def names(self) -> Sequence[str]:
        """All names; a phase only moves them."""
        return list(self._tables[0][1])

    def region(self, host: object) -> str | None:
        """The region that a host leads to now; None for any other host."""
        now = self._now()
        table = next((table for start, table in reversed(self._tables) if start <= now), self._tables[0][1])
        return table.get(_name(host))

    def address(self, host: object, port: int) -> Address | None:
        """Where a connection to a host goes now; None for this machine itself, which is dialled as it is.

        Any other host, and the port of https at a region without TLS, is refused.
        """
        name = self._names.get(_name(host), _name(host))
        region = self.region(name)
        if region is None:
            if _is_here(name):
                return None
            found = f"a connection to {name}, which is not dialled"
            self._refused(RefusedHostError(found, f"a host of the scenario: {', '.join(self.names)}"))
        there = self._urls[region]
        if port == HTTPS_PORT and there.scheme != "https":
            found = f"a connection to {name}:{port}, of https, and the region {region} without TLS"
            self._refused(RefusedHostError(found, "http:// in the client's base URL, or `tls` of the region"))
        assert there.hostname is not None
        assert there.port is not None
        return there.hostname, there.port

    def looked_up(self, host: Any) -> Any:
        """What is looked up in place of a host: an address that stands for it; a host of this machine is itself.

        Not the region's own: some libraries keep the address, and put the port back that they were given.
        """
        name = _name(host)
        if name in self._names or self.address(name, 0) is None:
            return host
        if name not in self._stand_ins:
            number = len(self._stand_ins)
            address = STAND_INS.format(number // 250, number % 250 + 1)
            self._stand_ins[name], self._names[address] = address, name
        return self._stand_ins[name]

    def dialled(self, address: Any) -> Any:
        """Where a connection to (host, port, …) goes, in the same form."""
        host, port, *rest = address
        return self.address(host, int(port or 0)) or (host, port, *rest)


def _name(host: object) -> str:
    text = host.decode("ascii", "replace") if isinstance(host, bytes) else str(host or "")
    return text.lower().rstrip(".")


def _is_here(name: str) -> bool:
    """Whether a name or an address is this machine's own."""
    if not name or name in LOCAL:
        return True
    try:
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False
