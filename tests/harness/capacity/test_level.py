"""SLOs, what is wrong with them, and the scenario that is played at a level."""

from __future__ import annotations

from pathlib import Path

import pytest

from windtunnel.harness.bisect.quiet import QuietReporter
from windtunnel.harness.capacity.capacity import CapacityOptions, CapacitySearch
from windtunnel.harness.capacity.judged import Judge
from windtunnel.harness.capacity.level import Layout, at_rate, layout
from windtunnel.harness.capacity.slo import fits, read_slo
from windtunnel.harness.contract.capacity import LevelCell
from windtunnel.harness.errors import InputError
from windtunnel.harness.inputs.gallery import load_scenario
from windtunnel.harness.inputs.traces.settings import TrafficTrace

SCENARIO = """
name: mine
about: A quota of 120 requests a minute.
provider: {limits: {rpm: 120}}
load: {api: chat, stream: STREAM, arrivals: {ramp: {from: 1/s, to: 9/s}}, deadline: 8s}
rules: [{fault: server_error, rate: 0.01}]
phases: [{name: a, for: 10s}, {name: b, for: 10s, rules: [{fault: overloaded}]}]
clients: [openai-async-default]
expect: [goodput@b >= 0.5]
"""


@pytest.fixture(params=["true"])
def scenario(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A scenario with a quota, a ramp, a fault of its own and an expectation about a phase."""
    path = tmp_path / "mine.yaml"
    path.write_text(SCENARIO.replace("STREAM", request.param))
    return path


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "terms with commas between"),
        ("goodput >= 0.99,", "terms with commas between"),
        ("goodput", "`metric <op> limit`"),
        ("goodput >= 99%", "`metric <op> limit`"),
        ("godput >= 0.99", "did you mean 'goodput'?"),
        ("goodput@after >= 0.99", "without a phase"),
        ("time_to_recover_s <= 3", "that each phase of a run has"),
        ("goodput == 1", "with <=, <, >= or >"),
        ("goodput <= 0.9", "'goodput >= …': higher is better"),
        ("ttft_p95_s >= 2", "'ttft_p95_s <= …': lower is better"),
        ("goodput >= 0.9, goodput >= 0.8", "each metric once"),
    ],
)
def test_a_wrong_slo_is_told_in_one_line(text: str, told: str) -> None:
    """What was found, and what was expected."""
    with pytest.raises(InputError) as caught:
        read_slo(text)
    assert str(caught.value).startswith("windtunnel capacity: --slo: found ")
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("scenario", ["false"], indirect=True)
def test_a_metric_that_the_scenario_does_not_have_is_refused(scenario: Path) -> None:
    """Answers that are not streamed have no first token; nothing has a price."""
    loaded = load_scenario(scenario)
    with pytest.raises(InputError, match="streamed answers"):
        fits(read_slo("ttft_p95_s <= 2"), loaded)
    with pytest.raises(InputError, match="prices"):
        fits(read_slo("cost_usd <= 2"), loaded)


def test_a_level_has_one_rate_and_no_phase_of_the_scenario(scenario: Path) -> None:
    """Its rules stay; the bucket is small while it settles, so that it is used up before the batches."""
    loaded = load_scenario(scenario)
    slo = read_slo("ttft_p95_s <= 2, goodput >= 0.99")
    level = at_rate(loaded, 3.5, layout(loaded, slo, 3.5, 0.04))
    assert level.load.rate == 3.5
    assert level.load.arrivals.ramp is None
    assert level.expect == []
    assert len(level.rules) == 1
    assert [phase.name for phase in level.phases] == ["settle", *(f"batch-{n}" for n in range(10))]
    assert level.phases[0].provider == {"limits": {"burst": 0.05}}
    assert not any(phase.is_faulty for phase in level.phases)
    assert not level.phases[1].provider


def test_a_level_is_as_long_as_its_verdict_needs(scenario: Path) -> None:
    """A wait of 8 s that grows by 4 % of the time needs 200 s; a p99 needs 200 calls in each batch."""
    loaded = load_scenario(scenario)
    assert layout(loaded, read_slo("goodput >= 0.99"), 100.0, 0.04).settle_s == 200
    both = read_slo("ttft_p95_s <= 4, goodput >= 0.99")
    assert layout(loaded, both, 100.0, 0.04).settle_s == 100  # the term that breaks first
    bucket = layout(loaded, read_slo("ttft_p95_s <= 2"), 100.0, 0.04)
    assert bucket.settle_s == 75  # the bucket's three seconds
    assert layout(loaded, read_slo("ttft_p95_s <= 2"), 1.0, 0.04).batch_s == 40
    assert layout(loaded, read_slo("ttft_p99_s <= 2"), 1.0, 0.04).batch_s == 200
    assert layout(loaded, read_slo("ttft_p99_s <= 2"), 100.0, 0.04).batch_s == 10


def test_a_short_play_is_short(scenario: Path) -> None:
    """It settles for what is far beyond capacity, and has fewer and shorter batches."""
    lengths = layout(load_scenario(scenario), read_slo("goodput >= 0.99"), 100.0, 0.04, short=True)
    assert lengths == Layout(settle_s=40, batch_s=4, batches=5)
    level = at_rate(load_scenario(scenario), 100.0, lengths)
    assert sum(phase.for_ for phase in level.phases) == 60


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"within": 0.9}, "--within: found 0.9, expected a share from 0.005 to 0.5"),
        ({"most": 0.5}, "--most: found 0.5/s, expected at least 1/s"),
        ({"clients": ["opnai-default"]}, "did you mean 'openai-default'"),
        ({"clients": ["node-default"]}, "virtual, and node-default with the driver exec"),
    ],
)
def test_wrong_options_are_told_before_anything_is_played(
    scenario: Path, changes: dict[str, object], told: str
) -> None:
    """One message each, as an input error."""
    options = CapacityOptions(scenario=str(scenario), slo="goodput >= 0.99", **changes)  # type: ignore[arg-type]  # each is of its field
    with pytest.raises(InputError) as caught:
        CapacitySearch(options, lambda _: NOTHING, QuietReporter(print), print)
    assert told in str(caught.value)


NOTHING = LevelCell((), (), (), 0, 0, 0, 0, 1.0)


def test_the_warm_up_of_a_level_is_cut() -> None:
    """Three batches with waits that are unlike the others are left out; rates and needs are of all batches."""
    waits = tuple((float(n), 9.0 if n < 300 else 1.0 + 0.01 * (n % 7)) for n in range(1000))
    batches = tuple({"goodput": 0.5 if n < 3 else 1.0} for n in range(10))
    cell = LevelCell(batches, tuple(100.0 * n for n in range(10)), waits, 1000, 1100, 50_000, 11, 1000.0)
    level = Judge(read_slo("goodput >= 0.99"), 0.04).level(1.0, [cell])
    assert (level.cut, level.batches, level.state) == (3, 7, "passed")
    assert (level.offered, level.achieved) == (1.0, 1.0)
    assert (level.tokens_per_call, level.attempts_per_call, level.refused_429) == (50, 1.1, 0.01)


def test_a_trace_is_refused(scenario: Path, tmp_path: Path) -> None:
    """A level has a rate of its own: a load whose calls come when a trace says has none that could be changed."""
    (tmp_path / "trace.csv").write_text("TIMESTAMP,ContextTokens,GeneratedTokens\n2026-01-01 00:00:00,5,6\n")
    loaded = load_scenario(scenario, trace=TrafficTrace(file=str(tmp_path / "trace.csv")))
    with pytest.raises(InputError, match=r"load.trace: found a load with a course.*expected load.rate"):
        loaded.require_one_rate("it changes")


def test_a_level_plays_a_trace_at_its_own_rate(scenario: Path, tmp_path: Path) -> None:
    """Its calls keep their course and their sizes; a sweep of it is refused."""
    (tmp_path / "day.csv").write_text("when,in,out\n0,100,10\n1,200,20\n4,300,30\n")
    trace = TrafficTrace(
        file=str(tmp_path / "day.csv"),
        time_column="when",
        prompt_tokens_column="in",
        answer_tokens_column="out",
    )
    plain = tmp_path / "plain.yaml"
    plain.write_text(scenario.read_text().replace("arrivals: {ramp: {from: 1/s, to: 9/s}}", "rate: 1/s"))
    loaded = load_scenario(plain, trace=trace)
    level = at_rate(loaded, 3.0, Layout(settle_s=1.0, batch_s=1.0, batches=1))
    assert level.load.rate is None
    assert level.load.arrivals.times_s == (0.0, 0.166667, 0.666667, 1.0, 1.166667, 1.666667)
    assert level.load.trace is not None
    assert level.load.trace.prompts == (100, 200, 300, 100, 200, 300)
    options = CapacityOptions(scenario=str(plain), slo="goodput >= 0.9", trace=trace, sweep=True)
    with pytest.raises(InputError, match="--sweep: found a trace as well"):
        CapacitySearch(
            options, lambda _: pytest.fail("played"), QuietReporter(lambda _: None), lambda _: None
        )
