"""metrics.json: its form, its schema, and that it says what was planted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.reports.tables import STORM, attempt, cell_plan, even_calls, metrics_json, quiet_lags, write_run
from windtunnel.harness.contract.metrics import METRICS, describe
from windtunnel.reports.errors import ExpectationError
from windtunnel.reports.figures.schema import metrics_schema


def cells(client: str, good: list[tuple[float, float]], repeats: int = 1) -> list[Any]:
    calls, answers = even_calls(10.0, 70.0, good)
    attempts = [attempt(row["call_id"], 0, row["intended_s"], row["ended_s"]) for row in calls]
    tables = {"calls": calls, "served": answers, "attempts": attempts, "lags": quiet_lags(75)}
    return [(cell_plan(STORM, client=client, repeat=n), tables) for n in range(repeats)]


def built(folder: Path, **scenario: Any) -> dict[str, Any]:
    two = cells("steady", [(0.0, 70.0)], 3) + cells("stuck", [(0.0, 20.0)], 3)
    return metrics_json(write_run(folder, two, **scenario))


def test_metrics_have_the_form_that_is_promised(tmp_path: Path) -> None:
    """Figures are {value, low, high}, those of cells too, and the whole is valid by its schema."""
    expect = ["goodput@after >= 0.95", {"expect": "recovered == true", "clients": ["steady"]}]
    metrics = built(tmp_path, expect=expect, prices={"input_per_million": 1, "output_per_million": 2})
    jsonschema.validate(metrics, metrics_schema())
    assert json.loads(json.dumps(metrics, allow_nan=False)) == metrics
    assert (metrics["schema_version"], metrics["behaviour"]) == (2, 1)
    assert (metrics["scenario"], metrics["seed"], metrics["partial"]) == ("planted", 7, False)
    assert metrics["validity"]["state"] == "valid"
    assert metrics["clients"]["steady"]["overall"]["goodput"] == {"value": 1.0, "low": 1.0, "high": 1.0}
    assert metrics["clients"]["stuck"]["phases"]["after"]["goodput"]["value"] == 0
    assert metrics["cells"][0]["phases"]["after"]["goodput"] == {"value": 1.0, "low": None, "high": None}
    assert {entry["result"] for entry in metrics["expectations"]} == {"passed", "failed"}
    assert [cell["repeat"] for cell in metrics["cells"]] == [0, 1, 2, 0, 1, 2]
    assert metrics["validity"]["dropped_arrivals"] == 0


def test_recovery_is_told_per_client(tmp_path: Path) -> None:
    """Beside each other: the client that recovers at once and the one that never does."""
    clients = built(tmp_path)["clients"]
    told = {
        client: [
            measured["overall"][name]["value"]
            for name in ("recovered", "recovered_fraction", "time_to_recover_s")
        ]
        for client, measured in clients.items()
    }
    assert told == {"steady": [True, 1.0, 0.0], "stuck": [False, 0.0, 40.0]}
    assert clients["stuck"]["overall"]["time_to_recover_s"]["censored"] is True


def test_expectations_are_judged_against_the_clients_figures(tmp_path: Path) -> None:
    """An unrecovered client fails an expectation about a time to recover that is shorter than was observed."""
    entries = built(tmp_path, expect=["time_to_recover_s <= 12", "goodput@after >= 0.6"])["expectations"]
    assert [(entry["client"], entry["metric"], entry["result"]) for entry in entries] == [
        ("steady", "time_to_recover_s", "passed"),
        ("stuck", "time_to_recover_s", "failed"),
        ("steady", "goodput", "passed"),
        ("stuck", "goodput", "failed"),
    ]


def test_an_expectation_about_an_absent_metric_leaves_the_rest_standing(tmp_path: Path) -> None:
    """The report is still made, and the entry says what is wrong; an unknown metric is refused at once."""
    metrics = built(tmp_path / "a", expect=["cost_usd <= 1"])
    jsonschema.validate(metrics, metrics_schema())
    assert "cost_usd" in metrics["expectations"][0]["error"]
    with pytest.raises(ExpectationError, match="godput"):
        built(tmp_path / "b", expect=["godput >= 1"])


def test_one_bad_cell_makes_the_run_invalid(tmp_path: Path) -> None:
    """Validity is that of the worst cell, with its value and a sentence."""
    planted = cells("a", [(0.0, 70.0)]) + cells("b", [(0.0, 70.0)])
    planted[1][1]["lags"] = [{**row, "lag_s": 0.3} for row in quiet_lags(75)]
    metrics = metrics_json(write_run(tmp_path, planted))
    jsonschema.validate(metrics, metrics_schema())
    assert metrics["validity"]["state"] == "invalid"
    assert [cell["state"] for cell in metrics["cells"]] == ["valid", "invalid"]
    assert metrics["validity"]["client_lag_p99_s"] == pytest.approx(0.3)
    failed = {check["name"] for check in metrics["validity_checks"] if check["state"] == "invalid"}
    assert failed == {"client_lag_p99_s", "server_lag_p99_s"}


def test_answers_without_a_truth_make_the_run_partial(tmp_path: Path) -> None:
    """A journal that lost rows leaves unknown outcomes, and the run says that it is partial."""
    planted = cells("a", [(0.0, 70.0)])
    planted[0][1]["served"] = planted[0][1]["served"][:-1]
    metrics = metrics_json(write_run(tmp_path, planted))
    assert metrics["partial"] is True
    assert metrics["cells"][0]["partial"] is True


def test_a_run_that_was_cut_off_still_has_figures(tmp_path: Path) -> None:
    """A cell without any record beside a whole one: partial, not valid, and by its schema."""
    planted = [*cells("a", [(0.0, 70.0)]), (cell_plan(STORM, client="b"), {})]
    folder = write_run(tmp_path, planted)
    (folder / "cells/b-0/status.json").write_text('{"state": "interrupted"}')
    metrics = metrics_json(folder)
    jsonschema.validate(metrics, metrics_schema())
    assert (metrics["partial"], metrics["validity"]["state"]) == (True, "invalid")
    assert metrics["clients"]["a"]["overall"]["goodput"]["value"] == 1
    assert metrics["clients"]["b"]["overall"]["offered"]["value"] == 0
    assert metrics["clients"]["b"]["overall"]["goodput"]["value"] is None


def test_the_schema_refuses_what_is_not_defined(tmp_path: Path) -> None:
    """A figure that the table of metrics does not know has no place in metrics.json."""
    metrics = built(tmp_path)
    metrics["clients"]["steady"]["overall"]["vibes"] = {"value": 1, "low": None, "high": None}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(metrics, metrics_schema())
    jsonschema.Draft202012Validator.check_schema(metrics_schema())


def test_the_list_of_metrics_is_the_table() -> None:
    """`describe` has every metric with its definition, for listings."""
    listed = describe()
    assert [entry["name"] for entry in listed] == list(METRICS)
    assert all(entry["about"] and entry["scope"] in ("phase", "overall", "repeats") for entry in listed)


def test_a_client_none_of_whose_requests_arrived_is_not_measured(tmp_path: Path) -> None:
    """'0 % good' would be said of the client; it is its own code that failed before anything was asked."""
    planted = cells("fine", [(0.0, 70.0)]) + cells("broken", [(0.0, 70.0)])
    rows = [row | {"outcome": "error", "error_type": "ValueError"} for row in planted[1][1]["calls"]]
    planted[1][1].update(calls=rows, served=[], attempts=[])
    expect = [{"expect": "goodput >= 0.9", "clients": ["broken"]}]
    metrics = metrics_json(write_run(tmp_path, planted, expect=expect))
    jsonschema.validate(metrics, metrics_schema())
    assert [client["measured"] for client in metrics["clients"].values()] == [True, False]
    overall = metrics["clients"]["broken"]["overall"]
    assert overall["offered"]["value"] == 700
    assert overall["goodput"]["reason"] == "none of its requests reached the mock"
    assert metrics["expectations"][0]["result"] == "undecided"


def test_a_client_that_the_provider_swallows_is_measured(tmp_path: Path) -> None:
    """Attempts that a fault keeps from the mock are what the run is about."""
    planted = cells("swallowed", [(0.0, 70.0)])
    planted[0][1]["calls"] = [row | {"outcome": "timeout"} for row in planted[0][1]["calls"]]
    planted[0][1]["served"] = []
    planted[0][0]["server_plan"]["rules"] = [{"fault": "blackhole"}]
    metrics = metrics_json(write_run(tmp_path, planted))
    assert metrics["clients"]["swallowed"]["measured"] is True
    assert metrics["clients"]["swallowed"]["overall"]["goodput"]["value"] == 0
