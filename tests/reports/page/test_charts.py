"""What the charts compute before they draw, and that odd runs can be drawn."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import matplotlib
import numpy as np
import pandas as pd
import pytest

from windtunnel.reports.charts import ClientView, RunView, Span, draw, palette
from windtunnel.reports.charts.bins import amplification, bin_width, edges, good_share, level, window_s
from windtunnel.reports.charts.canvas import fit, text_width
from windtunnel.reports.charts.outcomes import KINDS, table
from windtunnel.reports.charts.svg import slug
from windtunnel.reports.charts.timeline import _unknown_beside
from windtunnel.reports.charts.waits import curve
from windtunnel.reports.read.outcomes import OUTCOMES


def view(
    client: str = "x", *, intended: list[float] | None = None, retries: list[float] | None = None
) -> ClientView:
    """A client whose calls come at `intended`, every second one good, with a retry at each of `retries`."""
    due = intended or []
    again = retries or []
    good = [index % 2 == 0 for index in range(len(due))]
    calls = {
        "intended_s": pd.Series(due, dtype=float),
        "phase": pd.Series(["a"] * len(due), dtype=object),
        "outcome": pd.Series(["ok" if g else "error" for g in good], dtype=object),
        "good": pd.Series(good, dtype=bool),
    }
    served = {
        "arrived_s": pd.Series([*due, *again], dtype=float),
        "attempt": pd.Series([0] * len(due) + [1] * len(again), dtype=int),
        "queue_depth": pd.Series(range(len(due) + len(again)), dtype=float),
        "in_flight": pd.Series([1.0] * (len(due) + len(again)), dtype=float),
        "delay_s": pd.Series([0.0] * len(due) + [1.0] * len(again), dtype=float),
    }
    return ClientView(client, pd.DataFrame(calls), pd.DataFrame(served), np.ones(len(due)), np.ones(len(due)))


def stage(*views: ClientView, end: float = 10.0) -> RunView:
    return RunView((Span("a", 0.0, end, False),), views, 10.0)


@pytest.mark.parametrize(
    ("length", "width"),
    [(50, 1.0), (60, 1.0), (61, 2.0), (3.0, 0.1), (8 * 3600, 600.0), (12 * 3600, 900.0), (5 * 86400, 7200.0)],
)
def test_bins_are_round_and_few(length: float, width: float) -> None:
    """Bins have a round width, and there are at most as many as asked for."""
    assert bin_width(length, 60) == width


def test_the_share_of_good_calls_is_unknown_where_none_was_due() -> None:
    """An empty bin has no share: it is not taken for a bad one."""
    one = view(intended=[0.1, 0.2, 5.0])
    share = good_share(one, np.array([0.0, 1.0, 2.0, 6.0]))
    assert share[0] == 0.5
    assert np.isnan(share[1])
    assert share[2] == 1.0


def test_amplification_is_one_without_retries() -> None:
    """Windows without retries show 1, windows with as many retries as calls show 2."""
    at = [0.5 + second for second in range(10)]
    one = view(intended=at, retries=[second + 0.1 for second in at[5:]])
    centres, values = amplification(one, stage(one))
    assert values[0] == 1.0
    assert values[-1] == 2.0
    assert centres[0] == 2.5


def test_a_level_lasts_until_it_is_seen_again() -> None:
    """The queue is as arrivals found it, the highest of a bin, and stays where nobody arrived."""
    served = pd.DataFrame({"arrived_s": [0.1, 0.2, 3.5], "queue_depth": [2.0, 5.0, 1.0]})
    assert level(served, "queue_depth", np.arange(5.0)).tolist() == [5.0, 5.0, 5.0, 1.0]


def test_calls_that_never_ended_keep_the_curve_below_100() -> None:
    """The distribution of waits ends where the unended calls begin."""
    at, share = curve(np.array([1.0, 2.0, 3.0]), censored=1)
    assert at.tolist() == [1.0, 2.0, 3.0]
    assert share[-1] == 0.75


def test_long_samples_are_thinned_and_keep_their_ends() -> None:
    """A curve of a million samples has a few hundred points, the longest wait among them."""
    at, share = curve(np.arange(1_000_000.0))
    assert at.size <= 400
    assert at[-1] == 999_999.0
    assert share[-1] == 1.0


def test_every_outcome_has_its_bar() -> None:
    """No outcome that a call can have is missing from the chart."""
    assert set(OUTCOMES) <= set(KINDS)


def test_all_calls_are_in_the_bars() -> None:
    """The bars of a client add up to its calls."""
    one = view(intended=[1.0, 2.0, 3.0])
    assert int(table(stage(one)).to_numpy().sum()) == 3


def test_a_client_without_any_call_can_be_drawn() -> None:
    """A cell that died before its first call leaves empty charts, not an error."""
    for chart in draw(stage(view("dead"), view("alive", intended=[1.0, 2.0]))).all():
        ET.fromstring(chart.file)


def test_many_retries_stay_small() -> None:
    """A hundred thousand retries are thinned, and the chart says so."""
    many = view(intended=[1.0], retries=list(np.linspace(2.0, 9.0, 100_000)))
    raster = draw(stage(many)).rasters[0]
    assert len(raster.inline) < 400_000
    assert "one in 17 drawn" in raster.inline


def test_names_with_signs_are_drawn_as_they_are() -> None:
    """A name that looks like markup or mathematics is neither, and gives a file name that is one."""
    charts = draw(stage(view("a$b$ <c> & d", intended=[1.0])))
    text = "".join(ET.fromstring(charts.timelines[0].file).itertext())
    assert "a$b$ <c> & d" in text
    assert charts.timelines[0].name == "timeline-" + slug("a$b$ <c> & d")
    assert "/" not in slug("../x y")


def test_drawing_leaves_matplotlib_as_it_was() -> None:
    """Charts are drawn on settings of their own, and neither obey nor change those of the process."""
    before = draw(stage(view(intended=[1.0])))
    with matplotlib.rc_context({"font.size": 30.0, "axes.facecolor": "red", "svg.fonttype": "path"}):
        assert draw(stage(view(intended=[1.0]))) == before
        assert matplotlib.rcParams["font.size"] == 30.0


def test_each_colour_can_be_told_from_its_text() -> None:
    """Every colour of the charts is a CSS variable with a light and a dark value, and no two are drawn alike."""
    assert len({colour.light for colour in palette.COLOURS}) == len(palette.COLOURS)
    style = palette.css(":root")
    for colour in palette.COLOURS:
        assert style.count(f"{colour.variable}:") == 2


@pytest.mark.parametrize(
    "foreground", [palette.INK, palette.MUTED, palette.FAULT_INK, palette.OK_INK, palette.GOOD]
)
def test_text_is_legible_on_its_surface(foreground: palette.Colour) -> None:
    """Text has a contrast of at least 4.5 to 1 on the surface, light and dark (WCAG 2.2, AA)."""
    assert contrast(foreground.light, palette.SURFACE.light) >= 4.5
    assert contrast(foreground.dark, palette.SURFACE.dark) >= 4.5


def contrast(one: str, other: str) -> float:
    """Contrast ratio of two hex colours, as WCAG defines it."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def luminance(colour: str) -> float:
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))


def test_a_name_that_does_not_fit_is_cut() -> None:
    """A phase's name never runs over its phase."""
    assert fit("brownout", 500, 10) == "brownout"
    short = fit("a very long name of a phase", 60, 10)
    assert short.endswith("…")
    assert text_width(short, 10) <= 60
    assert fit("name", 1, 10) == ""


def test_edges_cover_the_phases() -> None:
    """The bins begin with the first phase and reach to the end of the last one."""
    at = edges(stage(view(), end=50.0))
    assert (at[0], at[-1]) == (0.0, 50.0)


def test_a_slow_load_is_counted_per_minute() -> None:
    """Two calls a minute fill their axis; they are not a line at the bottom of one that counts seconds."""
    slow = stage(view(intended=[30.0 * index for index in range(120)]), end=3600.0)
    assert "per minute" in "".join(ET.fromstring(draw(slow).timelines[0].file).itertext())
    fast = stage(view(intended=[0.1 * index for index in range(100)]))
    assert "per second" in "".join(ET.fromstring(draw(fast).timelines[0].file).itertext())


def test_attempts_per_call_break_where_no_call_is_due() -> None:
    """No line joins windows between which nothing was measured; a window alone is a point."""
    at = np.array([np.nan, 1.0, np.nan, 1.0, 2.0, np.nan, 3.0])
    assert _unknown_beside(at)[[1, 3, 4, 6]].tolist() == [True, False, False, True]
    sparse = view(intended=[1.0, 90.0])
    _, ratio = amplification(sparse, stage(sparse, end=100.0))
    assert np.isnan(ratio).any()


def test_windows_of_a_long_run_leave_no_call_out() -> None:
    """Over a day the windows lie side by side: every call is in one of them."""
    day = 86_400.0
    calls = view(intended=[float(at) for at in range(7, 86_000, 997)])
    run = stage(calls, end=day)
    at, ratio = amplification(calls, run)
    assert window_s(run) == np.diff(at)[0] == 300.0
    assert (~np.isnan(ratio)).sum() >= 80


@pytest.mark.filterwarnings("error")
def test_charts_without_any_wait_are_drawn_without_a_warning() -> None:
    """A client of which nothing was measured is no reason for a word on the terminal."""
    draw(stage(view(), view("y")))
