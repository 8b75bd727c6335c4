"""What the report says of the gateway between client and provider: the way of a call, and what was lost on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from windtunnel.reports.figures.gateway import GatewayFacts
from windtunnel.reports.figures.model import ClientFigures
from windtunnel.reports.page.labels import say

ROWS: Final = (
    "client_amplification",
    "gateway_amplification",
    "amplification",
    "gateway_orphans",
    "gateway_retry_after_kept",
    "gateway_failover_s",
    "gateway_corruption",
    "gateway_certainty",
)
"""The metrics of its table, in their order."""


@dataclass(frozen=True, slots=True)
class Station:
    """One station of the way of a call: what arrives there for each call, in words and as a width of 0 to 100."""

    name: str
    count: str
    width: float


@dataclass(frozen=True, slots=True)
class GatewayText:
    """The section: what the gateway is, how a call of each client travels, and in which cells it died."""

    name: str
    about: str
    ways: Mapping[str, tuple[Station, ...]] = field(default_factory=dict)
    deaths: tuple[str, ...] = ()

    @property
    def lines(self) -> tuple[str, ...]:
        """The ways as text, a client a line."""
        return tuple(
            f"{client}: " + " → ".join(f"{one.count} {one.name}" for one in way)
            for client, way in self.ways.items()
        )


def gateway_text(facts: GatewayFacts | None, clients: Mapping[str, ClientFigures]) -> GatewayText | None:
    """Put the gateway into words; None if there was none."""
    if facts is None:
        return None
    deaths = tuple(
        f"{one.client}, repeat {one.repeat}: the gateway died "
        + ("before the start" if one.at_s is None else f"at {say(one.at_s, 'seconds')}")
        + f" ({one.how}). The clients lived with that to the end of the run."
        for one in facts.deaths
    )
    return GatewayText(facts.name, facts.about, _ways(facts.name, clients), deaths)


def _ways(gateway: str, clients: Mapping[str, ClientFigures]) -> dict[str, tuple[Station, ...]]:
    """Of each client that made calls: one call, its attempts, and the requests that they became."""
    found = {}
    for client, figures in clients.items():
        made, factor = figures.number("client_amplification"), figures.number("gateway_amplification")
        if made is not None and factor is not None:
            found[client] = (made, made * factor)
    most = max((max(1.0, *pair) for pair in found.values()), default=1.0)

    def station(name: str, count: float) -> Station:
        return Station(name, f"{count:.2f}", 100 * count / most)

    return {
        client: (
            Station("call", "1", 100 / most),
            station(f"attempts to {gateway}", made),
            station("requests to the provider", behind),
        )
        for client, (made, behind) in found.items()
    }
