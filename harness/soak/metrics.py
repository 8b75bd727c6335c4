"""`/metrics` of a soak of a process while it is played: the figures of the terminal, as families for Prometheus."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from windtunnel.harness.run.live_metrics import MockTarget
from windtunnel.harness.soak.live import SoakFigures

LABELS: Final = ["scenario", "client"]
GAUGES: Final[Sequence[tuple[str, str, Callable[[SoakFigures], float | None]]]] = (
    ("at_seconds", "How far the soak is.", lambda one: one.at_s),
    ("cycle", "The number of the cycle, from 1.", lambda one: one.cycle + 1),
    (
        "goodput_ratio",
        "Share of good ones among the calls that ended in the last 30 s.",
        lambda one: one.goodput,
    ),
    (
        "wait_p95_seconds",
        "95th percentile of the waits of good calls in the last 30 s.",
        lambda one: one.p95_s,
    ),
    ("client_resident_bytes", "Memory of the client and its children.", lambda one: one.rss_bytes),
    ("client_connections", "Connections to the mock that are open.", lambda one: one.connections),
)


class SoakMetrics(Collector):
    """The families of a soak, of the figures that were shown last; what is not known has no sample."""

    def __init__(self, scenario: str, client: str, length_s: float) -> None:
        self._labels = [scenario, client]
        self._length_s = length_s
        self._latest: SoakFigures | None = None

    def show(self, figures: SoakFigures) -> None:
        """Take the figures of another ten seconds."""
        self._latest = figures

    def mocks(self) -> tuple[MockTarget, ...]:
        """Where the mock has its own `/metrics`."""
        if self._latest is None:
            return ()
        return (MockTarget(self._latest.mock_at, dict(zip(LABELS, self._labels, strict=True))),)

    def collect(self) -> Iterable[Metric]:
        """prometheus-client's callback: return the families with their present values."""
        latest = self._latest
        length = GaugeMetricFamily(
            "windtunnel_soak_length_seconds", "How long the soak lasts.", labels=LABELS
        )
        length.add_metric(self._labels, self._length_s)
        calls = CounterMetricFamily("windtunnel_soak_calls", "Calls that were seen so far.", labels=LABELS)
        if latest is not None:
            calls.add_metric(self._labels, latest.calls)
        yield from (length, calls)
        for name, about, value in GAUGES:
            family = GaugeMetricFamily(f"windtunnel_soak_{name}", about, labels=LABELS)
            found = None if latest is None else value(latest)
            if found is not None:
                family.add_metric(self._labels, found)
            yield family
