"""How figures and verdicts are put into words."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from windtunnel.harness.contract.metrics import METRICS
from windtunnel.reports.charts.durations import duration
from windtunnel.reports.charts.view import Span
from windtunnel.reports.figures.model import ClientFigures
from windtunnel.reports.metrics.figure import Figure, Value
from windtunnel.reports.page.labels import Kind, figure, label, limit, say
from windtunnel.reports.page.notes import Notes
from windtunnel.reports.page.verdict import verdict

PHASES = (Span("healthy", 0, 8, False), Span("brownout", 8, 20, True), Span("after", 20, 50, False))


def metrics(after: float = 0.9, flaky: float | None = None, **overall: Value) -> ClientFigures:
    shares = {"brownout": 0.2, "after": after} | ({} if flaky is None else {"flaky": flaky})
    return ClientFigures(
        overall={name: Figure(value) for name, value in overall.items()},
        phases={phase: {"goodput": Figure(share)} for phase, share in shares.items()},
    )


def test_labels_are_distinct() -> None:
    """Two metrics never go by the same label."""
    assert len({metric.label for metric in METRICS.values()}) == len(METRICS)


def test_units_agree_with_the_table() -> None:
    """A metric in seconds, dollars or counts is labelled in the unit in which it is computed."""
    for name, metric in METRICS.items():
        if metric.unit:
            assert label(name).unit == metric.unit, name


@pytest.mark.parametrize(
    ("value", "kind", "said"),
    [
        (0.973, "share", "97.3 %"),
        (1.0, "share", "100 %"),
        (0.99999, "share", "> 99.9 %"),
        (0.0001, "share", "< 0.1 %"),
        (0, "share", "0 %"),
        (2.6071, "ratio", "2.61×"),
        (True, "truth", "yes"),
        (None, "seconds", "–"),
        (math.inf, "seconds", "never"),
        (709.0, "count", "709"),
        (12.5, "usd", "$12.50"),
        (0.00213, "usd", "$0.0021"),
    ],
)
def test_values_are_said_with_their_unit(value: float | None, kind: Kind, said: str) -> None:
    """A value is written with its unit and the digits that matter, and never rounded into a lie."""
    assert say(value, kind) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 s"),
        (0.0021, "2.1 ms"),
        (0.25, "250 ms"),
        (1.234, "1.23 s"),
        (12, "12 s"),
        (13.51, "13.5 s"),
        (450.2, "450 s"),
    ],
)
def test_durations_come_in_a_fitting_unit(seconds: float, said: str) -> None:
    """Milliseconds below a second, fewer digits as they grow."""
    assert duration(seconds) == said


def test_an_interval_stands_behind_its_value() -> None:
    """A figure over repeats carries its interval."""
    assert figure(Figure(0.5, 0.4, 0.6), "share") == "50.0 % [40.0 %, 60.0 %]"


def test_a_lower_bound_is_marked() -> None:
    """At least 86 s; a mean over some repeats says over how many."""
    assert figure(Figure(86.0, censored=True), "seconds") == "≥ 86 s"
    assert figure(Figure(2.0, reason="over 2 of 3 repeats"), "seconds") == "2 s (over 2 of 3 repeats)"


def test_a_time_that_a_lag_could_move_is_shown_with_it() -> None:
    """20 lags and more are beyond doubt; shares and counts are no times."""
    assert figure(Figure(0.2), "seconds", lag_s=0.02) == "200 ms ± 20 ms"
    assert figure(Figure(0.4), "seconds", lag_s=0.02) == "400 ms"
    assert figure(Figure(0.2), "share", lag_s=0.02) == "20.0 %"


@pytest.mark.parametrize(
    ("text", "kind", "said"),
    [
        (">= 0.95", "share", "at least 95 %"),
        ("<= 12", "seconds", "at most 12 s"),
        ("== true", "truth", "yes"),
    ],
)
def test_limits_are_said_in_words(text: str, kind: Kind, said: str) -> None:
    """An expectation's limit reads as a sentence part."""
    assert limit(text, kind) == said


def test_a_client_that_never_recovers_is_told_so() -> None:
    """Not recovered: the headline says never, the sentence how bad it stayed and what the retries did."""
    found = verdict(
        "x", metrics(after=0.0, recovered=False, metastable=True, peak_amplification=9.5, offered=700), PHASES
    )
    assert (found.status, found.headline, found.fine) == ("never", "Never recovered", False)
    assert "brownout" in found.sentence
    assert "0 % of the calls were good" in found.sentence
    assert "keeps itself going" in found.sentence
    assert "9.5 times" in found.sentence


def test_a_client_that_recovers_is_told_when() -> None:
    """Recovered: the headline says after how many seconds."""
    found = verdict("x", metrics(recovered=True, time_to_recover_s=7.1), PHASES)
    assert (found.status, found.headline, found.fine) == ("recovered", "Recovered after 7.1 s", True)


def test_each_faulty_phase_is_named_where_there_are_several() -> None:
    """With several faulty phases the sentence says how many calls were good in each, not in the last alone."""
    phases = (Span("flaky", 0, 8, True), Span("brownout", 8, 20, True), Span("after", 20, 50, False))
    measured = metrics(recovered=True, time_to_recover_s=0.0, flaky=0.98)
    sentence = verdict("x", measured, phases).sentence
    assert "98.0 % in flaky, 20.0 % in brownout." in sentence


@pytest.mark.parametrize(("good", "status"), [(0.995, "good"), (0.9, "bad"), (None, "open")])
def test_without_a_fault_goodput_decides(good: float | None, status: str) -> None:
    """Where there is nothing to recover from, the objective is the measure."""
    assert verdict("x", metrics(goodput=good), PHASES[:1]).status == status


def test_broken_answers_are_part_of_the_verdict() -> None:
    """Silent corruption is said in the sentence, whatever else is good."""
    found = verdict("x", metrics(goodput=0.999, silent_corruption=0.03), PHASES[:1])
    assert "3.0 % of the answers that it accepted as good were broken" in found.sentence
    assert (found.status, found.headline) == ("bad", "3.0 % broken, unnoticed")


def test_recovery_does_not_excuse_broken_answers() -> None:
    """A client that recovers and takes half answers for whole ones is not called fine."""
    found = verdict("x", metrics(recovered=True, time_to_recover_s=0.0, silent_corruption=0.1), PHASES)
    assert not found.fine


@pytest.mark.parametrize(("offered", "multiplied"), [(50, False), (700, True)], ids=["1/s", "14/s"])
def test_a_few_retries_have_not_multiplied_the_load(offered: int, multiplied: bool) -> None:
    """At 1 call/s a peak of 2.6 is eight retries in 5 s: nothing that a provider notices, nothing that is said."""
    found = verdict(
        "x", metrics(recovered=True, time_to_recover_s=0.0, peak_amplification=2.6, offered=offered), PHASES
    )
    assert ("multiplied the load" in found.sentence) is multiplied


def test_a_wait_that_was_cut_off_is_said_as_a_lower_bound() -> None:
    """Nobody waited `at most` what the end of the run cut off."""
    figures = ClientFigures(
        overall={"goodput": Figure(0.9), "wait_p99_s": Figure(86.0, censored=True)}, phases={}
    )
    sentence = verdict("x", figures, PHASES[:1]).sentence
    assert "1 % of its users waited 86 s or longer" in sentence
    assert "or less" not in sentence


def test_the_verdict_says_why_nothing_is_known() -> None:
    """A null figure brings its reason into the sentence."""
    figures = ClientFigures(
        overall={"goodput": Figure(None, reason="the outcome of 3 of 80 calls is not known")}
    )
    assert "the outcome of 3 of 80 calls is not known" in verdict("x", figures, PHASES[:1]).sentence


def test_only_an_overload_that_keeps_itself_going_never_recovers() -> None:
    """What was not good again when the run ended may still become good: `never` is said of a metastable run alone."""
    assert verdict("x", metrics(recovered=False, metastable=None), PHASES).headline == "Not recovered in time"
    assert verdict("x", metrics(recovered=False, metastable=True), PHASES).headline == "Never recovered"


def test_a_recovery_in_a_noisy_run_has_its_lag_beside_it() -> None:
    """A time that is not much longer than the harness was late is shown with ± that."""
    figures = replace(metrics(recovered=True, time_to_recover_s=0.3), lag_s=0.02)
    assert verdict("x", figures, PHASES).headline == "Recovered after 0.3 s ± 20 ms"


def test_a_figure_without_a_value_has_a_footnote() -> None:
    """Equal reasons share a number; a figure without a reason has none."""
    notes = Notes()
    assert notes.unknown(Figure(None, reason="too few calls")) == "not known [1]"
    assert notes.unknown(Figure(None, reason="no records")) == "not known [2]"
    assert notes.unknown(Figure(None, reason="too few calls")) == "not known [1]"
    assert notes.unknown(Figure(None)) == "not known"
    assert notes.lines() == ("[1] too few calls", "[2] no records")


@pytest.mark.parametrize(
    ("arriving", "headline"), [(0.1, "Blocked by itself"), (1.0, "Not recovered in time")]
)
def test_a_client_that_starves_beside_an_idle_provider_is_said_to_be_the_cause(
    arriving: float, headline: str
) -> None:
    """Where the calls after a fault never reach the provider, the client's own pool, limit or deadlock is to blame."""
    measured = metrics(after=0.0, recovered=False)
    after = {**measured.phases["after"], "load_factor": Figure(arriving)}
    found = verdict("x", replace(measured, phases={**measured.phases, "after": after}), PHASES)
    assert (found.status, found.headline) == ("never", headline)
    assert ("The provider is not the cause: only 10.0 % of these calls reached it." in found.sentence) is (
        arriving < 0.5
    )


def test_a_client_that_starves_without_any_fault_is_said_to_be_the_cause() -> None:
    """The same in a run in which nothing is wrong with the provider."""
    assert verdict("x", metrics(goodput=0.2, load_factor=0.2), PHASES[:1]).headline == "Blocked by itself"
    assert verdict("x", metrics(goodput=0.2, load_factor=1.0), PHASES[:1]).headline == "Only 20.0 % good"


@pytest.mark.parametrize(
    ("holder", "words"),
    [
        ("held_by_pool", "waited most of their time for a free connection in its own pool"),
        ("held_by_limiter", "waited most of their time for a turn at its own rate limiter"),
        ("held_by_workers", "waited most of their time for a free worker of its own"),
    ],
)
def test_what_a_client_starves_on_is_named(holder: str, words: str) -> None:
    """Although its calls reach the provider at last, and only too late."""
    figures = metrics(goodput=0.1, load_factor=0.9, slots_used=0.2, **{holder: 0.8})
    found = verdict("x", figures, PHASES[:1])
    assert found.headline == "Blocked by itself"
    assert "The provider is not the cause: 20.0 % of its slots were in use." in found.sentence
    assert words in found.sentence


def test_who_waits_for_a_busy_provider_is_not_the_cause() -> None:
    """Connections that slow answers hold are no fault of the client."""
    figures = metrics(goodput=0.1, load_factor=0.2, slots_used=0.95, held_by_pool=0.8)
    assert verdict("x", figures, PHASES[:1]).headline == "Only 10.0 % good"
