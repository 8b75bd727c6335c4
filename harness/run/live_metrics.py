"""`/metrics` of a run while it is played: how far its cells are, as Prometheus text, on loopback alone.

    GET /metrics    what follows below, for Prometheus
    GET /mocks      where the mocks are, each with a /metrics of its own: for Prometheus' HTTP service discovery

The server is a thread that reads what the reporter is shown anyway. It plays no part in the run: cells are processes.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from socketserver import ThreadingMixIn
from types import TracebackType
from typing import Any, Final, NamedTuple, Self, cast
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from windtunnel.harness.errors import InputError
from windtunnel.harness.run.cell import Cell, CellProgress
from windtunnel.harness.run.progress import Reporter

HOST: Final = "127.0.0.1"
LABELS: Final = ["scenario", "client", "repeat"]
STATES: Final = ("preparing", "running", "finished", "interrupted", "failed")
COUNTERS: Final[Sequence[tuple[str, str, Callable[[CellProgress], float]]]] = (
    ("calls_intended", "Calls that were due and were handed to the client.", lambda done: done.intended),
    ("calls_ended", "Calls that have ended, however they did.", lambda done: done.ended),
    (
        "calls_ok",
        "Calls that the client took for good; whether they were, the report says.",
        lambda done: done.ok,
    ),
    ("attempts", "Requests that have ended.", lambda done: done.attempts),
)


class MockTarget(NamedTuple):
    """Where a mock has its `/metrics` (host and port), and the labels that Prometheus shall give to what it reads."""

    at: str
    labels: Mapping[str, str]


class _CellFamilies(Collector):
    """The families of a run, from the cells that were shown last."""

    def __init__(self, cells: Callable[[], Sequence[Cell]]) -> None:
        self._cells = cells

    def collect(self) -> Iterable[Metric]:
        """prometheus-client's callback: return the families with their present values."""
        cells = self._cells()
        yield self._states(cells)
        for name, about, value in COUNTERS:
            counted = CounterMetricFamily(f"windtunnel_run_{name}", about, labels=LABELS)
            for cell in cells:
                counted.add_metric(_labels(cell), value(cell.progress))
            yield counted
        at = GaugeMetricFamily(
            "windtunnel_run_at_seconds",
            "How far the cell is, in seconds from t0 on its own clock.",
            labels=LABELS,
        )
        length = GaugeMetricFamily(
            "windtunnel_run_length_seconds", "From t0 to the end of the last phase.", labels=LABELS
        )
        phase = GaugeMetricFamily(
            "windtunnel_run_phase", "1 for the phase that the cell is in.", labels=[*LABELS, "phase"]
        )
        for cell in cells:
            at.add_metric(_labels(cell), cell.progress.at_s)
            length.add_metric(_labels(cell), cell.length_s)
            if cell.state == "running":
                phase.add_metric([*_labels(cell), cell.progress.phase], 1)
        yield from (at, length, phase)

    def _states(self, cells: Sequence[Cell]) -> Metric:
        family = GaugeMetricFamily("windtunnel_run_cells", "Cells by state.", labels=["scenario", "state"])
        counts = Counter((cell.plan.scenario, cell.state) for cell in cells)
        for scenario in sorted({cell.plan.scenario for cell in cells}):
            for state in STATES:
                family.add_metric([scenario, state], counts[scenario, state])
        return family


def _labels(cell: Cell) -> list[str]:
    return [cell.plan.scenario, cell.plan.client, str(cell.plan.repeat)]


class LiveMetrics:
    """The server of a run's `/metrics`, from when it is made until it is closed; `port` is where it listens."""

    def __init__(
        self,
        port: int,
        command: str = "windtunnel run",
        *,
        also: Collector | None = None,
        mocks: Callable[[], Sequence[MockTarget]] = tuple,
    ) -> None:
        """Listen on a port of loopback, on any free one for 0. `also` has families besides those of cells, `mocks`
        tells of mocks that are no cell's. Raises InputError, as one of `command`, if the port cannot be had."""
        self._other_mocks = mocks
        self._cells: Sequence[Cell] = ()
        registry = CollectorRegistry()
        registry.register(_CellFamilies(lambda: self._cells))
        if also is not None:
            registry.register(also)
        self._metrics = cast(Callable[[Any, Any], Iterable[bytes]], make_wsgi_app(registry))
        try:
            self._server = make_server(HOST, port, self._answer, _Threading, _Quiet)
        except (OSError, OverflowError) as error:
            found = f"{port} ({error})"
            raise InputError(
                command, path="--metrics-port", found=found, expected="a free port, or 0 for any"
            ) from None
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, name="metrics", daemon=True).start()

    @property
    def url(self) -> str:
        """Where Prometheus reads."""
        return f"http://{HOST}:{self.port}/metrics"

    def watching(self, inner: Reporter) -> Reporter:
        """A reporter that shows what `inner` does, and shows it here too."""
        return _Watching(inner, self._show)

    def close(self) -> None:
        """Listen no more."""
        self._server.shutdown()
        self._server.server_close()

    def _show(self, cells: Sequence[Cell]) -> None:
        self._cells = tuple(cells)

    def _answer(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if environ.get("REQUEST_METHOD") not in ("GET", "HEAD") or path not in ("/metrics", "/mocks"):
            start("404 Not Found", [("Content-Type", "text/plain; charset=utf-8")])
            return [b"GET /metrics or /mocks\n"]
        if path == "/metrics":
            return self._metrics(environ, start)
        start("200 OK", [("Content-Type", "application/json")])
        return [json.dumps(self._mocks()).encode()]

    def _mocks(self) -> list[dict[str, Any]]:
        of_cells = [
            MockTarget(cell.mock_at, dict(zip(LABELS, _labels(cell), strict=True)))
            for cell in self._cells
            if cell.state == "running" and cell.mock_at
        ]
        return [
            {"targets": [mock.at], "labels": dict(mock.labels)} for mock in (*of_cells, *self._other_mocks())
        ]


class _Watching:
    """A reporter around another one."""

    def __init__(self, inner: Reporter, show: Callable[[Sequence[Cell]], None]) -> None:
        self._inner = inner
        self._show = show

    def __enter__(self) -> Self:
        self._inner.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._inner.__exit__(kind, error, trace)

    def show(self, cells: Sequence[Cell]) -> None:
        """Show the cells to both."""
        self._show(cells)
        self._inner.show(cells)

    def say(self, message: str) -> None:
        """A line for a person."""
        self._inner.say(message)


class _Threading(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    timeout = 10
    """Seconds that a connection which says nothing keeps its thread."""

    def log_message(self, *_: Any) -> None:
        """Say nothing: stderr belongs to the run's progress."""
