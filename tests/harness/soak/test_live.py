"""What is shown of a soak while it is played: sparklines, lines, `/metrics`; and jumps of the wall's clock."""

from __future__ import annotations

import io
import json
import urllib.request

from prometheus_client.parser import text_string_to_metric_families
from rich.console import Console

from windtunnel.harness.run.live_metrics import LiveMetrics
from windtunnel.harness.soak.live import SoakFigures, SoakLive, span, sparkline
from windtunnel.harness.soak.metrics import SoakMetrics
from windtunnel.harness.soak.wall_clock import WallClock


def figures(at_s: float, goodput: float | None = 0.5, connections: int | None = 4) -> SoakFigures:
    """Figures at a time."""
    return SoakFigures(
        at_s, "calm", 1, 900, "127.0.0.1:99", goodput=goodput, rss_bytes=2**20, connections=connections
    )


def test_a_sparkline_goes_from_nothing_to_the_largest() -> None:
    """A share is of the whole; what is not known is a blank; what never was above zero lies on the ground."""
    assert sparkline([0.0, 0.5, 1.0, None], full=1.0) == "▁▅█ "
    assert sparkline([1, 2, 4]) == "▃▅█"
    assert sparkline([0, None]) == "▁ "
    assert sparkline([]) == ""
    assert [span(at) for at in (45, 720, 11_100)] == ["45 s", "12 min", "3 h 05 min"]


def test_a_log_has_a_line_a_minute() -> None:
    """Without a terminal nothing is drawn in place."""
    out = io.StringIO()
    with SoakLive(Console(file=out, width=200), 3600.0, 6) as live:
        for step in range(1, 19):
            live.show(figures(10.0 * step + 0.2))
    lines = out.getvalue().splitlines()
    assert len(lines) == 3
    expected = "10 s of 60 min, cycle 2 of 6, calm, 900 calls, goodput 50.0 %, memory 1.0 MiB, connections 4"
    assert lines[0] == expected


def test_a_terminal_has_one_block_that_is_drawn_again() -> None:
    """The block has a row for each figure that was ever known, and is moved back over with control codes."""
    out = io.StringIO()
    with SoakLive(Console(file=out, width=100, force_terminal=True, color_system=None), 3600.0, 6) as live:
        live.show(figures(10.0))
        live.show(figures(20.0, goodput=1.0))
    last = out.getvalue().rpartition("cycle 2 of 6")[2]
    assert "goodput      ▅█  100.0 %" in last
    assert "memory       ██  1.0 MiB" in last
    assert "p95 wait" not in last
    assert "\x1b[1A" in out.getvalue()


def test_prometheus_reads_what_the_terminal_shows() -> None:
    """Its own parser takes the text; a figure that is not known has no sample; the mock can be found."""
    metrics = SoakMetrics("storm", "app", 3600.0)
    live = LiveMetrics(0, "windtunnel soak", also=metrics, mocks=metrics.mocks)
    try:
        assert json.loads(_got(live.url.replace("/metrics", "/mocks"))) == []
        metrics.show(figures(20.0, connections=None))
        families = {one.name: one.samples for one in text_string_to_metric_families(_got(live.url))}
        (mock,) = json.loads(_got(live.url.replace("/metrics", "/mocks")))
    finally:
        live.close()
    labels = {"scenario": "storm", "client": "app"}
    assert mock == {"targets": ["127.0.0.1:99"], "labels": labels}
    assert families["windtunnel_soak_client_connections"] == []
    found = {name: (one[0].value, one[0].labels) for name, one in families.items() if "soak" in name and one}
    assert found["windtunnel_soak_goodput_ratio"] == (0.5, labels)
    assert found["windtunnel_soak_calls"] == (900, labels)
    assert found["windtunnel_soak_cycle"] == (2, labels)


def _got(url: str) -> str:
    with urllib.request.urlopen(url, timeout=30) as answer:
        text: str = answer.read().decode()
    return text


def test_a_jump_of_the_walls_clock_is_told_once() -> None:
    """Back or forth; a clock that is set right bit by bit does not jump."""
    wall = WallClock(1000.0, 10.0)
    assert wall.jumped(1000.5, 10.5) == 0
    assert wall.jumped(1001.4, 11.0) == 0
    assert wall.jumped(4601.5, 11.5) == 3599.6
    assert wall.jumped(4602.0, 12.0) == 0
    assert wall.jumped(1002.0, 12.5) == -3600.5
