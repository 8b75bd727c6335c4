"""How a run on both clocks is compared, and what its page says."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from windtunnel.harness.calibrate.both_clocks import compare
from windtunnel.harness.contract.records import ATTEMPTS_SCHEMA, CALLS_SCHEMA
from windtunnel.reports.page.agreement import agreement_text, write_agreement

assert {"call_id", "outcome", "intended_s", "ended_s"} <= set(CALLS_SCHEMA.names)
assert "call_id" in ATTEMPTS_SCHEMA.names


def play(folder: Path, *, recovered: bool, goodput: float, shift: float = 0.0, valid: bool = True) -> Path:
    """A run directory of one client, as far as a comparison looks at it."""
    cell = folder / "cells" / "a-0"
    cell.mkdir(parents=True)
    (folder / "plan.json").write_text(
        json.dumps({"cells": [{"client": "a", "repeat": 0, "dir": "cells/a-0"}]})
    )
    ids = [f"c{n}" for n in range(100)]
    due = [float(n) for n in range(100)]
    ended = [at + 0.01 * n + shift for n, at in enumerate(due)]
    calls = {"call_id": ids, "outcome": ["ok"] * 100, "intended_s": due, "ended_s": ended}
    pd.DataFrame(calls).to_parquet(cell / "calls.parquet")
    pd.DataFrame({"call_id": ids}).to_parquet(cell / "attempts.parquet")
    measured = {"recovered": {"value": recovered}, "goodput": {"value": goodput}, "cost_usd": {"value": None}}
    expectation = {
        "client": "a", "metric": "goodput", "phase": "after", "limit": ">= 0.6",
        "result": "passed" if goodput >= 0.6 else "failed",
    }  # fmt: skip
    metrics = {
        "scenario": "storm",
        "seed": 7,
        "cells": [{"client": "a", "state": "valid" if valid else "invalid", "partial": False}],
        "clients": {"a": {"overall": measured, "phases": {"after": {"goodput": {"value": goodput}}}}},
        "expectations": [expectation],
    }
    (folder / "metrics.json").write_text(json.dumps(metrics))
    return folder


def test_alike_plays_agree(tmp_path: Path) -> None:
    """The same verdicts agree, whatever the figures; figures stand side by side, and absent ones nowhere."""
    found = compare(
        play(tmp_path / "virtual", recovered=True, goodput=0.8),
        play(tmp_path / "real", recovered=True, goodput=0.7),
    )
    one = found["clients"]["a"]
    assert found["agrees"] is True
    assert [v["name"] for v in one["verdicts"]] == ["recovered", "goodput@after >= 0.6"]
    assert {"name": "goodput", "phase": None, "virtual": 0.8, "real": 0.7} in one["metrics"]
    assert not [m for m in one["metrics"] if m["name"] == "cost_usd"]
    assert (one["calls"]["same"], one["calls"]["waits_distance"]) == (1.0, 0.0)


def test_another_verdict_is_named(tmp_path: Path) -> None:
    """A verdict that differs is a disagreement, said in the headline, the Markdown and the page."""
    found = compare(
        play(tmp_path / "virtual", recovered=True, goodput=0.8),
        play(tmp_path / "real", recovered=False, goodput=0.7, shift=0.5),
    )
    assert found["agrees"] is False
    assert found["clients"]["a"]["calls"]["waits_distance"] == pytest.approx(0.51)
    told = write_agreement(tmp_path, found)
    assert told.headline == "The clocks differ in 1 of 2 verdicts."
    summary, page = (tmp_path / "summary.md").read_text(), (tmp_path / "report.html").read_text()
    assert "| yes | no | ✗ **differs** |" in summary
    assert "1 of 2 verdicts differ" in page
    assert "virtual/report.html" in page


def test_what_is_not_sound_is_not_compared(tmp_path: Path) -> None:
    """Where a clock's measurement is not valid the client is shown and judged by nobody."""
    found = compare(
        play(tmp_path / "virtual", recovered=True, goodput=0.8),
        play(tmp_path / "real", recovered=False, goodput=0.7, valid=False),
    )
    assert found["agrees"] is None
    told = agreement_text(found)
    assert told.clients[0].mark == "?"
    assert "not valid" in told.clients[0].headline
