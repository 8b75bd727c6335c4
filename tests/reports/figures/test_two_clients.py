"""Two clients over the same incidents: verdicts, the call that shows them, and the pages that say so."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.reports.tables import STORM, attempt, cell_plan, even_calls, quiet_lags, served, write_run
from windtunnel.harness.contract.metrics import Floor
from windtunnel.reports.build import write_comparison
from windtunnel.reports.figures.ab_json import ab_schema
from windtunnel.reports.figures.cells import measure_run
from windtunnel.reports.figures.client_errors import ClientError
from windtunnel.reports.figures.collect import run_figures
from windtunnel.reports.figures.first_difference import FirstDifference
from windtunnel.reports.figures.two_clients import PlayedRun, TwoClients, compare_runs
from windtunnel.reports.page.two_clients import ab_text
from windtunnel.reports.page.two_clients_forms import ab_lines

PAIRS = 12


def tables(repeat: int, *, lost_s: float, twice: int = 0) -> dict[str, Any]:
    """A cell of 4 calls/s: those of the last `lost_s` end badly, one of them (call `twice`) after two attempts."""
    calls, answers = even_calls(4.0, 70.0, [(0.0, 70.0 - lost_s - repeat / 4)])
    attempts = [attempt(row["call_id"], 0, row["intended_s"], row["ended_s"]) for row in calls]
    if twice:
        row = calls[twice]
        attempts.append(attempt(row["call_id"], 1, row["intended_s"] + 0.1, row["ended_s"]))
        answers.append(served(row["call_id"], 1, row["intended_s"] + 0.1))
    return {"calls": calls, "served": answers, "attempts": attempts, "lags": quiet_lags(75)}


def played(folder: Path, *, lost_s: float, digests: tuple[str, str] | None = None) -> PlayedRun:
    """A run of `one`, which loses a little, and `other`, which loses `lost_s` more, over twelve seeds."""
    cells = []
    for repeat in range(PAIRS):
        for client, lost in (("one", 2.0), ("other", 2.0 + lost_s)):
            plan = cell_plan(STORM, client=client, repeat=repeat) | {"run_seed": 40 + repeat}
            cells.append(
                (plan, tables(repeat, lost_s=lost, twice=270 if client == "other" and lost_s else 0))
            )
    write_run(folder, cells)
    plan = json.loads((folder / "plan.json").read_text())
    plan |= {"seeds": PAIRS, "seed": 40, "clock": "virtual" if digests else "real"}
    for cell in plan["cells"]:
        cell["clock"] = plan["clock"]
        if digests:
            name = digests[cell["client"] == "other"]
            written = {"digest": f"{name}-{cell['repeat']}", "wire_digest": cell["client"]}
            (folder / cell["dir"] / "digest.json").write_text(json.dumps(written))
    (folder / "plan.json").write_text(json.dumps(plan))
    found = measure_run(folder)
    return PlayedRun(scenario="planted", folder=folder, figures=run_figures(found.run, found.cells))


@pytest.fixture(scope="module")
def worse(tmp_path_factory: pytest.TempPathFactory) -> PlayedRun:
    """A run in which `other` loses seven seconds more."""
    return played(tmp_path_factory.mktemp("ab") / "planted", lost_s=7.0, digests=("a", "b"))


def states(found: TwoClients) -> dict[str, str]:
    return {one.name: one.state for one in found.scenarios[0].comparisons}


def test_lost_calls_make_it_worse_and_one_of_them_is_named(worse: PlayedRun) -> None:
    """Seven more seconds without a good call are worse; the call that shows it was good with A and not with B."""
    tmp_path = worse.folder.parent
    found = compare_runs([worse], "one", "other")
    scenario = found.scenarios[0]
    assert (found.standing, scenario.pairs, scenario.alike) == ("worse", PAIRS, 0)
    assert scenario.seeds == tuple(range(40, 40 + PAIRS))
    assert states(found)["goodput"] == "worse"
    assert states(found)["goodput@after"] == "worse"
    assert states(found)["wait_p50_s"] == "no_difference"
    shown = scenario.shown["goodput@after"]
    assert (shown.call.a.outcome, shown.call.b.outcome) == ("ok", "error")
    words = write_comparison(tmp_path, found)
    row = next(row for row in words.scenarios[0].rows if row.name == "goodput@after")
    assert row.call is not None
    assert row.call.commands[0].startswith("windtunnel replay ")
    assert row.call.commands[1].endswith(
        f"--client other --repeat {shown.repeat} --call {shown.call.call_id}"
    )
    for name in ("ab.html", "summary.md"):
        written = (tmp_path / name).read_text()
        assert "other is worse than one" in written
        assert row.call.commands[0] in written
    data = json.loads((tmp_path / "ab.json").read_text())
    jsonschema.validate(data, ab_schema())
    assert (data["result"], data["scenarios"][0]["run_dir"], data["a"]) == ("worse", "planted", "one")
    written_row = next(
        one
        for one in data["scenarios"][0]["comparisons"]
        if (one["metric"], one["phase"]) == ("goodput", None)
    )
    assert written_row["result"] == "worse"
    assert written_row["call"]["call_id"].startswith("c")


def test_equal_digests_are_the_same_whatever_the_wire_says(tmp_path: Path) -> None:
    """Where every seed has equal digests of behaviour nothing is tested; other bytes on the wire do not count."""
    found = compare_runs([played(tmp_path, lost_s=0.0, digests=("a", "a"))], "one", "other")
    assert (found.standing, found.scenarios[0].alike) == ("same", PAIRS)
    assert set(states(found).values()) == {"same"}
    assert ab_lines(ab_text(found)) == [
        "= planted: the same: both did exactly alike in all 12 seeds (12 seeds, virtual clock)",
        "= other did exactly what one did",
    ]


def test_other_digests_and_equal_figures_are_no_difference(tmp_path: Path) -> None:
    """Clients that behave otherwise and have the same figures are not called the same."""
    found = compare_runs([played(tmp_path, lost_s=0.0, digests=("a", "b"))], "one", "other")
    assert (found.standing, set(states(found).values()) - {"not_compared"}) == (
        "no_difference",
        {"no_difference"},
    )


def test_what_no_metric_shows_is_told(tmp_path: Path) -> None:
    """Another exception is no other figure: the page says which errors ended calls, and where both first differ."""
    run = played(tmp_path / "planted", lost_s=0.0, digests=("a", "b"))
    assert run.figures is not None
    clients = {
        name: replace(client, errors=(ClientError(error, None, None, 9, 280),), versions={"openai": version})
        for (name, client), error, version in zip(
            run.figures.clients.items(), ("ReadError", "APIError"), ("2.54.0", "3.52.0"), strict=True
        )
    }
    path = run.folder / "cells" / "other-0" / "calls.parquet"
    rows = pq.read_table(path).to_pylist()
    rows[3] |= {"error_type": "APIError"}
    pq.write_table(pa.Table.from_pylist(rows, schema=pq.read_schema(path)), path)
    found = compare_runs([replace(run, figures=replace(run.figures, clients=clients))], "one", "other")
    first = found.scenarios[0].first
    assert first is not None
    assert first.at == FirstDifference("c3", "calls", "error_type", "none", "APIError")
    assert found.scenarios[0].errors == {"ReadError": (9, 0), "APIError": (0, 9)}
    lines = ab_lines(write_comparison(tmp_path, found))
    assert (
        "  Errors that ended calls: ReadError: 9 calls with A, 0 with B; APIError: 0 calls with A, 9 with B."
        in lines
    )
    assert "  They first did otherwise in call c3 (seed 40): error_type is none / APIError, A / B." in lines
    assert lines[0] == "A / B: openai 2.54.0 / 3.52.0"
    assert lines[-1] == "= No metric differs between one and other"
    assert "What else is not alike" in (tmp_path / "ab.html").read_text()
    jsonschema.validate(json.loads((tmp_path / "ab.json").read_text()), ab_schema())


def test_a_floor_of_ones_own_decides(worse: PlayedRun) -> None:
    """With a floor above the difference it does not matter."""
    found = compare_runs([worse], "one", "other", {"goodput": Floor(0.5)})
    assert states(found)["goodput"] == "no_difference"
    assert found.floors == {"goodput": Floor(0.5)}


@pytest.mark.parametrize("troubles", [("other-0: played twice with one seed",), ()])
def test_of_a_run_that_does_not_count_nothing_is_claimed(
    worse: PlayedRun, tmp_path: Path, troubles: tuple[str, ...]
) -> None:
    """A run that is not whole, or has no report, has no verdict: it says why."""
    figures = worse.figures if troubles else None
    broken = PlayedRun(scenario="planted", folder=tmp_path / "planted", figures=figures, troubles=troubles)
    found = compare_runs([broken], "one", "other")
    assert (found.standing, found.scenarios[0].comparisons) == ("invalid", ())
    words = write_comparison(tmp_path, found)
    assert words.scenarios[0].troubles == (troubles or ("no report could be made of it",))
    jsonschema.validate(json.loads((tmp_path / "ab.json").read_text()), ab_schema())
    assert "Nothing can be said" in (tmp_path / "summary.md").read_text()


def test_the_terminal_shows_what_differs_or_everything(worse: PlayedRun) -> None:
    """By default a row a difference, with --all every metric; the worst row's call and commands follow."""
    words = ab_text(compare_runs([worse], "one", "other"))
    short, long = ab_lines(words), ab_lines(words, every=True)
    assert sum("no difference found" in line for line in short) == 0
    assert sum("no difference found" in line for line in long) > 20
    assert any(line.strip().startswith("windtunnel replay") for line in short)
    assert short[-1] == "✗ other is worse than one"


def test_what_is_inconclusive_for_want_of_pairs_alone_is_no_row(worse: PlayedRun) -> None:
    """With three pairs nothing can be proved: what is beyond its floor is shown, what is not is only counted."""
    assert worse.figures is not None
    cells = tuple(cell for cell in worse.figures.cells if cell.repeat < 3)
    found = compare_runs([replace(worse, figures=replace(worse.figures, cells=cells))], "one", "other")
    words = ab_text(found).scenarios[0]
    assert found.standing == "inconclusive"
    assert {row.state for row in words.differing} == {"inconclusive"}
    assert "goodput" in [row.name for row in words.differing]
    assert not any(row.small for row in words.differing)
    assert {row.name for row in words.differing} | {row.name for row in words.others} == {
        row.name for row in words.rows
    }
