"""The matrix: what is known of each client in each scenario, and nothing that is not known shown as good."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from windtunnel.reports.errors import RunDirectoryError
from windtunnel.reports.matrix.as_json import matrix_schema
from windtunnel.reports.matrix.build import write_matrix
from windtunnel.reports.matrix.model import HEADLINES, Matrix
from windtunnel.reports.matrix.picture import colour
from windtunnel.reports.matrix.ranking import rank
from windtunnel.reports.matrix.read import read_matrix
from windtunnel.reports.matrix.shades import SCALES, shade

FINDING = {
    "rule": "storm",
    "severity": "severe",
    "sentence": "Its retries kept the provider down.",
    "count": 4,
    "of": 8,
    "calls": ["c7"],
    "cure": "Pay for retries.",
    "key": "budget",
    "setting": "{kind: ratio}",
    "repeat": 0,
}
LEFT_OUT = {"client": "old", "scenario": "", "reason": "no <python>"}


def figure(value: Any, **more: Any) -> dict[str, Any]:
    """A figure of metrics.json."""
    return {"value": value, "low": None, "high": None, **more}


def figures(good: float, attempts: float, broken: float, recovered: bool, after_s: float) -> dict[str, Any]:
    """The headline figures of a client."""
    return {
        "goodput": figure(good),
        "amplification": figure(attempts),
        "silent_corruption": figure(broken),
        "recovered": figure(recovered),
        "time_to_recover_s": figure(after_s, censored=not recovered),
    }


GOOD = figures(1.0, 1.0, 0.0, True, 0.0)
BAD = figures(0.5, 4.0, 0.2, False, 30.0)


def metrics(steady: Mapping[str, Any], greedy: Mapping[str, Any], state: str = "valid") -> dict[str, Any]:
    """A metrics.json of two clients; `state` is of the second one's cell."""
    clients = {"steady": (steady, "valid", []), "greedy": (greedy, state, [FINDING])}
    return {
        "clients": {
            name: {"measured": True, "overall": overall, "findings": findings}
            for name, (overall, _, findings) in clients.items()
        },
        "cells": [
            {"client": name, "state": of_cell, "partial": False, "digest": f"of-{name}"}
            for name, (_, of_cell, _) in clients.items()
        ],
    }


def write(folder: Path, **scenarios: dict[str, Any]) -> Path:
    """A folder of several runs; a scenario without metrics was not played."""
    told = {"runs_version": 1, "scenarios": list(scenarios), "left_out": [LEFT_OUT]}
    (folder / "runs.json").write_text(json.dumps(told))
    for name, content in scenarios.items():
        (folder / name).mkdir(exist_ok=True)
        plan = {
            "scenario": {"about": f"About {name}.", "load": {"deadline": "10s"}},
            "seed": 1,
            "clock": "virtual",
            "cells": [{"client": client} for client in ("steady", "greedy")],
        }
        (folder / name / "plan.json").write_text(json.dumps(plan))
        if content:
            (folder / name / "metrics.json").write_text(json.dumps(content))
            (folder / name / "report.html").write_text("")
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A storm that one client survives, a calm whose second cell is not valid, and a scenario that was not played."""
    return write(tmp_path, storm=metrics(GOOD, BAD), calm=metrics(GOOD, GOOD, "invalid"), later={})


def shown(
    matrix: Matrix, scenario: str, client: str, metric: str = "goodput"
) -> tuple[str, float | None, bool]:
    """Text, badness and hatching of a field."""
    one = shade(matrix, matrix.cells.get((scenario, client)), metric)
    return one.text, one.bad, one.hatched


def test_values_are_shown_and_what_is_not_known_is_never_good(folder: Path) -> None:
    """A valid cell has its value and shade; one that is not valid, or was not played, is hatched and says so."""
    matrix = read_matrix(folder)
    assert shown(matrix, "storm", "steady") == ("100 %", 0.0, False)
    assert shown(matrix, "storm", "greedy") == ("50.0 %", 1.0, False)
    assert shown(matrix, "storm", "greedy", "time_to_recover_s") == ("✗ never", 1.0, False)
    assert shown(matrix, "calm", "greedy") == ("✗ not valid", None, True)
    assert shown(matrix, "later", "steady") == ("not played", None, True)
    assert shown(matrix, "storm", "nobody") == ("not asked", None, False)
    assert shown(matrix, "storm", "steady", "ttft_p99_s") == ("–", None, False)


@pytest.mark.parametrize(
    ("metric", "one", "begins", "bad", "hatched"),
    [
        ("goodput", figure(None, reason="unknown outcomes"), "? unknown", None, True),
        ("wait_p99_s", figure(2.0, censored=True), "≥ 2", None, True),
        ("wait_p99_s", figure(30.0, censored=True), "≥ 30", 1.0, False),
        ("wait_p99_s", figure(5.0), "5", 0.25, False),
        ("amplification", figure(2.0), "2.00×", pytest.approx(1 / 3), False),
    ],
)
def test_a_value_that_is_not_sure(
    tmp_path: Path, metric: str, one: Any, begins: str, bad: Any, hatched: bool
) -> None:
    """A null has no colour; a lower bound has one only if it is bad already."""
    write(tmp_path, storm=metrics({**GOOD, metric: one}, BAD))
    text, *rest = shown(read_matrix(tmp_path), "storm", "steady", metric)
    assert text.startswith(begins)
    assert rest == [bad, hatched]


def test_times_of_the_few_that_were_answered_are_no_good_sign(tmp_path: Path) -> None:
    """A client that answers half of its calls looks quick: its first tokens have no colour."""
    write(tmp_path, storm=metrics(GOOD, {**BAD, "ttft_p99_s": figure(0.1)}))
    assert shown(read_matrix(tmp_path), "storm", "greedy", "ttft_p99_s")[1:] == (None, False)


def test_the_ranking_has_its_reasons(folder: Path) -> None:
    """The least harmful first, each with why; who lacks a valid cell has no place, and says where."""
    matrix = read_matrix(folder)
    assert [(one.place, one.sentence) for one in rank(matrix)] == [
        (None, "not ranked: later: not played."),
        (None, "not ranked: calm: not valid."),
    ]
    first, second = rank(replace(matrix, scenarios=matrix.scenarios[:1]))
    assert (first.client, first.place, first.harm) == ("steady", 1, 0.0)
    assert (second.client, second.place, second.harm) == ("greedy", 2, pytest.approx(0.5 + 0.2 + 1))
    said = (
        "its calls never became good again in storm; 20.0 % of its answers were broken, unnoticed, in storm"
    )
    assert second.sentence.startswith(said)


def test_what_is_written(folder: Path) -> None:
    """matrix.json has its schema; the page links a field to its timeline, and is safe to show; the picture is SVG."""
    write_matrix(folder)
    content = json.loads((folder / "matrix.json").read_text())
    jsonschema.Draft202012Validator(matrix_schema()).validate(content)
    assert content["changes"]["greedy"][0]["finding"]["rule"] == "storm"
    page = (folder / "index.html").read_text()
    assert 'href="storm/report.html#timeline-greedy"' in page
    assert "later/report.html" not in page
    assert "no &lt;python&gt;" in page
    assert f"windtunnel replay {folder / 'storm'} --call c7 --client greedy" in page
    assert "1 of 2 clients does not recover after a fault (greedy)" in page
    assert "✗ ! 50.0 %](storm/report.html#timeline-greedy)" in (folder / "summary.md").read_text()
    assert (folder / "heatmap.svg").read_text().startswith("<svg")


def test_every_headline_has_a_scale() -> None:
    """A metric that has a heatmap has words for its colours; good is blue, bad is orange, and the middle is pale."""
    assert set(SCALES) == set(HEADLINES)
    assert (colour(0.0), colour(0.5), colour(1.0)) == ("#4c9cc9", "#ffffff", "#e28e4c")


def test_what_is_no_matrix_is_refused(tmp_path: Path) -> None:
    """A folder without the list of its runs, and a scenario without a plan."""
    with pytest.raises(RunDirectoryError, match=r"runs\.json"):
        read_matrix(tmp_path)
    write(tmp_path, storm={})
    (tmp_path / "storm/plan.json").unlink()
    with pytest.raises(RunDirectoryError, match=r"storm/plan\.json"):
        read_matrix(tmp_path)
