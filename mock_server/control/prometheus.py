"""`/metrics`: the mock's counters as Prometheus text.

Counting is a dictionary's increment; the families of prometheus-client are made when someone looks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from windtunnel.mock_server.transports.failures import Failures

if TYPE_CHECKING:
    from windtunnel.mock_server.transports.exchange import Exchange

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Counters:
    """Counters since the server began. An admin reset leaves them alone, since counters never fall."""

    __slots__ = (
        "abandoned",
        "billed_prompt_tokens",
        "billed_tokens",
        "bytes_sent",
        "connections",
        "failures",
        "faults",
        "handshakes",
        "requests",
        "tokens_sent",
        "unreceived",
    )

    def __init__(self) -> None:
        self.requests: dict[tuple[str, str, int | None], int] = {}
        """By (api, region, status); the status is None where no head was sent."""
        self.faults: dict[str, int] = {}
        self.abandoned = 0
        self.tokens_sent = 0
        self.billed_tokens = 0
        self.billed_prompt_tokens = 0
        self.bytes_sent = 0
        self.connections = 0
        self.handshakes: dict[str, int] = {}
        """Handshakes of TLS, by how they went: `full`, `resumed` or `failed`."""
        self.unreceived: dict[int, int] = {}
        """Requests that could not be received, by the status that was sent."""
        self.failures = Failures()

    def count(self, exchange: Exchange) -> None:
        """Count a request that is over."""
        ticket = exchange.ticket
        player = exchange.player
        status = None
        if player is not None:
            status = player.status
            self.tokens_sent += player.tokens_sent
            self.bytes_sent += player.bytes_sent
        key = (ticket.request.api, ticket.region.name, status)
        self.requests[key] = self.requests.get(key, 0) + 1
        for fault in ticket.faults:
            self.faults[fault] = self.faults.get(fault, 0) + 1
        if ticket.abandoned:
            self.abandoned += 1
        self.billed_tokens += ticket.tokens_billed
        self.billed_prompt_tokens += ticket.prompt_tokens_billed


class _Families(Collector):
    def __init__(self, counters: Counters, gauges: Callable[[], Mapping[str, Any]]) -> None:
        self._counters = counters
        self._gauges = gauges

    def collect(self) -> Iterable[Metric]:
        """prometheus-client's callback: return the families with their present values."""
        yield self._requests()
        yield self._faults()
        counters = self._counters
        about = "Handshakes of TLS, by how they went."
        yield _labelled("tls_handshakes", about, "result", counters.handshakes)
        yield _labelled("unreceived", "Requests that could not be received.", "status", counters.unreceived)
        yield _labelled(
            "failures", "Requests that the mock itself failed on: bugs.", "place", counters.failures.by_place
        )
        for name, about, value in (
            ("abandoned", "Requests whose client left before the answer was complete.", counters.abandoned),
            ("tokens_sent", "Tokens written to clients.", counters.tokens_sent),
            ("tokens_billed", "Output tokens billed.", counters.billed_tokens),
            ("prompt_tokens_billed", "Prompt tokens billed.", counters.billed_prompt_tokens),
            ("bytes_sent", "Bytes of answers written.", counters.bytes_sent),
            ("connections", "Connections accepted.", counters.connections),
        ):
            yield CounterMetricFamily(f"windtunnel_{name}", about, value=value)
        for name, by_region in self._gauges().items():
            about, values = by_region
            family = GaugeMetricFamily(f"windtunnel_{name}", about, labels=["region"])
            for region, value in values.items():
                family.add_metric([region], value)
            yield family

    def _requests(self) -> Metric:
        family = CounterMetricFamily(
            "windtunnel_requests",
            "Requests that are over; status is none where no head was sent.",
            labels=["api", "region", "status"],
        )
        for (api, region, status), count in self._counters.requests.items():
            family.add_metric([api, region, "none" if status is None else str(status)], count)
        return family

    def _faults(self) -> Metric:
        return _labelled("faults", "Faults that acted.", "fault", self._counters.faults)


def _labelled(name: str, about: str, label: str, counts: Mapping[Any, int]) -> Metric:
    family = CounterMetricFamily(f"windtunnel_{name}", about, labels=[label])
    for value, count in counts.items():
        family.add_metric([str(value)], count)
    return family


class Metrics:
    """The text of `/metrics`, from a registry of its own, so that an embedding program's metrics stay apart.

    `gauges` gives, by name, a sentence and the values by region.
    """

    def __init__(self, counters: Counters, gauges: Callable[[], Mapping[str, Any]]) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(_Families(counters, gauges))

    def text(self) -> bytes:
        """The Prometheus text format, version 0.0.4."""
        return generate_latest(self.registry)
