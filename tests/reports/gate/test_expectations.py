"""Expectations as data, judged per client."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windtunnel.reports.errors import ExpectationError
from windtunnel.reports.gate.expectations import evaluate, input_errors, overall_result, parse
from windtunnel.reports.metrics.figure import Figure, FiguresByPhase


def measured(goodput: float | None, recovered: bool, after: float) -> FiguresByPhase:
    overall = {"goodput": Figure(goodput), "recovered": Figure(recovered)}
    return FiguresByPhase(overall=overall, phases={"after": {"goodput": Figure(after)}})


CLIENTS = {"a": measured(0.9, True, 0.99), "b": measured(None, False, 0.5)}


def results(text: str) -> dict[str, str]:
    return {entry.client: entry.result for entry in evaluate([parse(text)], CLIENTS)}


@pytest.mark.parametrize(
    ("text", "a", "b"),
    [
        ("goodput@after >= 0.99", "passed", "failed"),
        ("goodput@after > 0.99", "failed", "failed"),
        ("goodput@after<0.99", "failed", "passed"),
        ("goodput@after <= 0.5", "failed", "passed"),
        ("goodput@after == 0.5", "failed", "passed"),
        ("goodput@after != 0.5", "passed", "failed"),
        ("recovered == true", "passed", "failed"),
        ("recovered != true", "failed", "passed"),
        ("goodput >= 0", "passed", "undecided"),
        ("goodput <= 1", "passed", "undecided"),
    ],
)
def test_every_operator_is_judged_per_client(text: str, a: str, b: str) -> None:
    """An expectation holds or not for each client by itself, and is undecided on a null."""
    assert results(text) == {"a": a, "b": b}


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("wait_max_s <= 90", "undecided"),
        ("wait_max_s <= 86", "undecided"),
        ("wait_max_s <= 80", "failed"),
        ("wait_max_s < 86", "failed"),
        ("wait_max_s < 87", "undecided"),
        ("wait_max_s > 80", "passed"),
        ("wait_max_s > 86", "undecided"),
        ("wait_max_s >= 86", "passed"),
        ("wait_max_s >= 90", "undecided"),
        ("wait_max_s == 90", "undecided"),
        ("wait_max_s == 80", "failed"),
        ("wait_max_s != 80", "passed"),
        ("wait_max_s != 86", "undecided"),
    ],
)
def test_a_lower_bound_decides_only_beyond_the_limit(text: str, result: str) -> None:
    """At least 86 s are surely more than 80 s, and may be more than 90 s or not."""
    cut_off = FiguresByPhase(overall={"wait_max_s": Figure(86.0, censored=True)})
    assert [one.result for one in evaluate([parse(text)], {"a": cut_off})] == [result]


def test_what_is_undecided_wins_over_what_failed() -> None:
    """As the exit code does, in which 3 wins over 1."""
    asked = [parse(text) for text in ("goodput@after > 0.99", "goodput >= 0")]
    judged = [one for text in asked for one in evaluate([text], CLIENTS)]
    assert {one.result for one in judged} == {"passed", "failed", "undecided"}
    assert overall_result(judged) == "undecided"
    assert overall_result([one for one in judged if one.result != "undecided"]) == "failed"
    assert overall_result([one for one in judged if one.result == "passed"]) == "passed"


def test_an_entry_says_what_was_asked_and_found() -> None:
    """A judgement has all that metrics.json says of it, with the limit as it was written."""
    (found,) = evaluate([parse("goodput@after >= 0.950")], {"a": CLIENTS["a"]})
    assert (found.client, found.metric, found.phase, found.limit) == ("a", "goodput", "after", ">= 0.950")
    assert (found.value, found.passed, found.error) == (0.99, True, "")


def test_an_expectation_may_be_about_some_clients() -> None:
    """`clients` narrows it; a client that was not run is not judged."""
    entries = evaluate([parse({"expect": "goodput@after >= 0.9", "clients": ["a", "elsewhere"]})], CLIENTS)
    assert [entry.client for entry in entries] == ["a"]


@pytest.mark.parametrize("text", ["metastable == false", "goodput@before >= 1", "amplification@after <= 2"])
def test_an_absent_metric_is_an_error_in_the_input(text: str) -> None:
    """What does not apply can neither pass nor fail: the entry is undecided and says what to correct."""
    entries = evaluate([parse(text)], {"a": CLIENTS["a"]})
    assert entries[0].result == "undecided"
    assert text in input_errors(entries)[0]
    assert input_errors(evaluate([parse("goodput >= 2")], CLIENTS)) == []


@pytest.mark.parametrize(
    "text",
    ["goodput", "goodput >= ", "godput >= 1", "goodput => 1", "goodput >= much", 3, None, "@after >= 1"],
)
def test_what_is_no_expectation_is_refused(text: Any) -> None:
    """Another form, an unknown metric and a limit that is no number are refused with the text in the message."""
    with pytest.raises(ExpectationError, match="expected"):
        parse(text)


@given(
    phase=st.none() | st.from_regex(r"[a-z][a-z0-9-]*", fullmatch=True),
    op=st.sampled_from(["<=", ">=", "<", ">", "==", "!="]),
    limit=st.floats(-1e6, 1e6),
    space=st.sampled_from(["", " ", "  "]),
)
@settings(deadline=None)
def test_expectations_are_read_as_they_were_written(
    phase: str | None, op: str, limit: float, space: str
) -> None:
    """Any phase, operator, limit and spacing comes back from the text."""
    at = "" if phase is None else f"@{phase}"
    found = parse(f"{space}goodput{at}{space}{op}{space}{limit!r}{space}")
    assert (found.metric, found.phase, found.op, found.limit) == ("goodput", phase, op, limit)


def test_a_single_equals_sign_is_explained() -> None:
    """`=` is refused with the operators that there are, as in a scenario file."""
    with pytest.raises(ExpectationError, match="one of the operators <=, >="):
        parse("goodput = 1")
