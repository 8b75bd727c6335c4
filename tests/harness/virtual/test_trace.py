"""A run on real traffic: calls are due when the trace says, and are as long as it says, on either clock."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console
from typer.testing import CliRunner

from windtunnel.harness.cli.main import app
from windtunnel.harness.errors import InputError
from windtunnel.harness.inputs.gallery import load_scenario
from windtunnel.harness.inputs.traces.settings import TrafficTrace
from windtunnel.harness.run.progress import reporter
from windtunnel.harness.run.run import RunOptions, plan_for, run, trace_line
from windtunnel.reports.metrics.capacity import capacity_per_s
from windtunnel.reports.read.run_dir import load_run

SCENARIO = """\
name: traced
about: A test.
warmup: 1s
provider: {capacity: {slots: 28}, answer: {first_token: 100ms, tokens: 9, tokens_per_second: 100}}
load: {api: chat, stream: true, deadline: 10s, LOAD}
phases: [{name: one, for: 2s}, {name: two, for: 2s}]
clients: [httpx2-async-default]
"""
TRACE = "t,in,out\n100,30,5\n101.5,40,\n102.25,,7\n103,60,8\n109,70,9\n"
KEYS = "trace: {file: day.csv, time_column: t, prompt_tokens_column: in, answer_tokens_column: out}"
COLUMNS = ("--time-column", "t", "--prompt-tokens-column", "in", "--answer-tokens-column", "out")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A scenario with a trace, one without, and the trace: in the working directory."""
    (tmp_path / "traced.yaml").write_text(SCENARIO.replace("LOAD", KEYS))
    (tmp_path / "plain.yaml").write_text(SCENARIO.replace("LOAD", "rate: 2/s"))
    (tmp_path / "day.csv").write_text(TRACE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_trace_is_played(folder: Path) -> None:
    """Calls are due at the trace's times; prompts and answers have its sizes, and the scenario's where it has none."""
    options = RunOptions("traced.yaml", out=folder / "run", clock="virtual")
    records = run(options, reporter(Console(file=sys.stderr)))
    assert records.failures == ()
    cell = load_run(records.folder).cells[0]
    schedule = pd.read_parquet(cell.folder / "schedule.parquet").set_index("call_id")["intended_s"]
    assert {call: at for call, at in schedule.items() if str(call).startswith("c")} == {
        "c0": 0.0,
        "c1": 1.5,
        "c2": 2.25,
        "c3": 3.0,
    }
    served = pd.read_parquet(cell.folder / "served.parquet").set_index("call_id")
    assert served["tokens_planned"][["c0", "c1", "c2", "c3", "t0"]].tolist() == [5, 9, 7, 8, 9]
    assert served["prompt_tokens"].loc["c3"] - served["prompt_tokens"].loc["c0"] == pytest.approx(30, abs=1)
    assert set(pd.read_parquet(cell.folder / "calls.parquet")["outcome"]) == {"ok"}
    # The phases' answers have 20 tokens in the three calls that tell theirs.
    assert capacity_per_s(cell, 0) == pytest.approx(28 / (0.1 + (20 / 3 - 1) / 100))


def test_flags_say_the_same_as_keys(folder: Path) -> None:
    """`--trace` with a scenario of any load is the scenario with that trace; a plan.json too."""
    keys = plan_for(RunOptions("traced.yaml")).cells[0]
    trace = TrafficTrace(
        file="day.csv", time_column="t", prompt_tokens_column="in", answer_tokens_column="out"
    )
    plan = plan_for(RunOptions("plain.yaml", trace=trace))
    assert plan.cells[0].load == keys.load
    assert plan.cells[0].schedule() == keys.schedule()
    assert plan.cells[0].server_plan["answer_tokens"] == keys.server_plan["answer_tokens"]
    plan.write_json(folder / "plan.json")
    (folder / "day.csv").unlink()  # a plan is complete without it
    assert plan_for(RunOptions("plan.json")).cells[0].load == keys.load
    assert "day.csv (csv): 5 calls over 9 s" in trace_line(plan)


def test_repeats_and_clocks_share_the_arrivals(folder: Path) -> None:
    """A trace is what was: no seed and no clock moves a call of it."""
    virtual = plan_for(RunOptions("traced.yaml", repeats=2, clock="virtual"))
    real = plan_for(RunOptions("traced.yaml", clock="real", seed=99))
    assert len({tuple(cell.schedule()) for cell in (*virtual.cells, *real.cells)}) == 1


def test_time_scale(folder: Path) -> None:
    """A day in a tenth of its time has a tenth of its calls, at the rates that it had."""
    rows = "".join(f"{n / 10}\t1\t2\n" for n in range(10_000))
    (folder / "day.csv").write_text("t\tin\tout\n" + rows)
    one = load_scenario("traced.yaml")
    tenth = load_scenario("traced.yaml", time_scale=0.1)
    for scenario, calls, length in ((one, 10_000, 999.9), (tenth, 1000, 99.99)):
        times = scenario.load.arrivals.times_s
        assert times is not None
        assert len(times) == pytest.approx(calls, rel=0.1)
        assert times[-1] == pytest.approx(length, rel=0.05)
    assert tenth.load.trace is not None
    assert len(tenth.load.trace.prompts) == len(tenth.load.arrivals.times_s or ())


def test_command_line(folder: Path) -> None:
    """The command plays a trace, and refuses with exit 2 what is wrong with it or with its options."""
    runner = CliRunner()
    asked = ["run", "plain.yaml", "--trace", "day.csv", "--clock", "virtual"]
    ended = runner.invoke(app, [*asked, *COLUMNS, "--out", "run"])
    assert ended.exit_code == 0, ended.output
    plan = json.loads((folder / "run" / "plan.json").read_text())
    assert plan["scenario"]["load"]["trace"]["found"]["rows"] == 5
    assert plan["by_name"] is False


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["--trace", "day.csv"],
            "day.csv:1: found the columns 't', 'in' and 'out', expected .*--time-column",
        ),
        (["--trace", "none.csv"], "none.csv: found no such file"),
        (["--time-column", "t"], "--time-column: found no --trace"),
        (
            ["--trace", "day.csv", "--trace-format", "xml"],
            "--trace-format: found 'xml', expected 'csv', 'jsonl'",
        ),
        (
            ["--trace", "day.csv", "--trace-rows", "0"],
            "--trace-rows: found '0', expected greater than or equal to 1",
        ),
        (["--trace", "day.csv", "--time-zone", "Moon"], "--time-zone: found 'Moon', expected UTC, an offset"),
    ],
)
@pytest.mark.usefixtures("folder")
def test_command_line_refuses(options: list[str], message: str) -> None:
    """Each mistake is one message that names the option, or the file and line."""
    ended = CliRunner().invoke(app, ["run", "plain.yaml", *options])
    assert isinstance(ended.exception, InputError)
    assert ended.exception.exit_code == 2
    assert re.search(message, str(ended.exception)), str(ended.exception)


@pytest.mark.parametrize(
    ("load", "message"),
    [
        (
            "trace: {file: day.csv, time_column: when}",
            "load.trace: day.csv:1: found the columns 't', 'in' and 'out'",
        ),
        ("trace: {file: day.csv, time_colum: t}", "load.trace.time_colum: found the unknown key"),
        (f"{KEYS}, rate: 2/s", "load.rate: found a rate beside a trace"),
        (f"{KEYS}, arrivals: {{ramp: {{from: 1/s, to: 2/s}}}}", "load.arrivals: found ramp beside a trace"),
    ],
)
def test_scenario_refuses(folder: Path, load: str, message: str) -> None:
    """A mistake in the keys, or in the file that they name, is told as the scenario's."""
    (folder / "wrong.yaml").write_text(SCENARIO.replace("LOAD", load))
    with pytest.raises(InputError) as caught:
        load_scenario("wrong.yaml")
    assert message in str(caught.value)
    assert "wrong.yaml:5" in str(caught.value)
