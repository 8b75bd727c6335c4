"""Plans: what each cell of a run plays is settled beforehand, and is read back from its file unchanged."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from windtunnel.harness.arrivals import write_schedule
from windtunnel.harness.contract.records import SCHEDULE_SCHEMA
from windtunnel.harness.environments.versions import versions
from windtunnel.harness.errors import InputError
from windtunnel.harness.inputs.gallery import load_profile, load_scenario
from windtunnel.harness.inputs.scenario import Scenario
from windtunnel.harness.plan import CellPlan, PhaseSpan, RunPlan, resolve
from windtunnel.mock_server.plan.plan import Plan

STORM = load_scenario("retry_storm")
PROFILES = [load_profile(name) for name in ("openai-default", "retry-budget")]
CREATED = datetime(2026, 1, 1, tzinfo=UTC)


def changed(scenario: Scenario, **load: object) -> Scenario:
    data = scenario.model_dump(mode="json", by_alias=True)
    return Scenario.model_validate({**data, "load": {**data["load"], **load}})


def test_round_trip(tmp_path: Path) -> None:
    """Run and cell plans are read back from their JSON files as they were."""
    plan = resolve(STORM, PROFILES, repeats=2, created=CREATED)
    plan.write_json(tmp_path / "plan.json")
    plan.cells[0].write_json(tmp_path / "cell.json")
    assert RunPlan.read_json(tmp_path / "plan.json") == plan
    assert CellPlan.read_json(tmp_path / "cell.json") == plan.cells[0]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cell.json", "plan.json"]


def test_cells() -> None:
    """A run has a cell for each client and repeat, each with a directory of its own."""
    plan = resolve(STORM, PROFILES, repeats=3)
    assert [(cell.repeat, cell.client) for cell in plan.cells] == [
        (repeat, profile.name) for repeat in range(3) for profile in PROFILES
    ]
    assert len({cell.dir for cell in plan.cells}) == 6
    assert all(not Path(cell.dir).is_absolute() for cell in plan.cells)
    assert (plan.scenario_name, plan.seed, plan.processes) == ("retry_storm", 7, 1)


def test_times() -> None:
    """Phases follow each other from t0; the tail lasts as long as the load is patient, and ten seconds at least."""
    cell = resolve(STORM, PROFILES).cells[0]
    assert cell.phases == (
        PhaseSpan("healthy", 0, 8),
        PhaseSpan("brownout", 8, 20),
        PhaseSpan("after", 20, 50),
    )
    assert (cell.faulty, cell.length_s, cell.warmup_s, cell.tail_s) == (("brownout",), 50, 5, 10)
    assert resolve(changed(STORM, deadline="40s"), PROFILES).cells[0].tail_s == 40
    found = [cell.phase_at(time) for time in (-1, 0, 7.9, 8, 49.9, 50)]
    assert found == [None, "healthy", "healthy", "brownout", "after", None]


def test_clients_share_the_incident() -> None:
    """In one repeat all clients have the same seed, schedule and server; another repeat or seed has others."""
    plan = resolve(STORM, PROFILES, repeats=2)
    first, second, later, _ = plan.cells
    assert first.seed == second.seed != later.seed
    assert first.schedule() == second.schedule() != later.schedule()
    assert first.server_plan == second.server_plan
    other = resolve(STORM, PROFILES, seed=8).cells[0]
    assert other.seed != first.seed
    assert other.schedule() != first.schedule()


def test_server_plan() -> None:
    """The server's plan is one that the mock takes, with the cell's seed and the scenario's phases."""
    cell = resolve(STORM, PROFILES).cells[0]
    plan = Plan.model_validate(cell.server_plan)
    assert plan.seed == cell.seed
    assert [phase.name for phase in plan.phases] == ["healthy", "brownout", "after"]
    assert plan.settings_at(1).capacity.slots == 4


def test_quota() -> None:
    """A limiter at the quota gets an instance's share of the provider's, and is dropped where there is none."""
    polite = load_profile("polite")
    wave = load_scenario("rate_limit_wave")
    limiter = resolve(wave, [polite]).cells[0].profile.limiter
    assert limiter is not None
    assert limiter.rpm == 900
    shared = resolve(changed(wave, instances=4), [polite]).cells[0].profile.limiter
    assert shared is not None
    assert shared.rpm == 225
    assert resolve(load_scenario("healthy"), [polite]).cells[0].profile.limiter is None


def test_scenario_of_a_plan_reads_back() -> None:
    """The scenario in a plan is complete: it reads back, with `faulty` settled for every phase."""
    plan = resolve(STORM, PROFILES)
    again = Scenario.model_validate(plan.scenario)
    assert [phase.faulty for phase in again.phases] == [False, True, False]
    assert again.expect == STORM.expect


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"repeats": 0}, "repeats: found 0, expected at least 1"),
        ({"seed": -1}, "seed: found -1, expected a whole number of at least 0"),
        ({"processes": 2}, "processes: found 2, expected 1 to 1: a load process carries whole instances"),
        ({"processes": 0}, "processes: found 0, expected 1 to 1"),
    ],
)
def test_options_that_do_not_fit(options: dict[str, int], message: str) -> None:
    """Options that make no sense for a scenario are refused before anything is started."""
    with pytest.raises(InputError) as caught:
        resolve(STORM, PROFILES, **options)  # type: ignore[arg-type]  # the table holds integers alone
    assert message in str(caught.value)


def test_clients_are_told_apart_by_name() -> None:
    """Two profiles of one name, or none at all, are refused."""
    with pytest.raises(InputError, match="found 'openai-default' twice"):
        resolve(STORM, [PROFILES[0], PROFILES[0]])
    with pytest.raises(InputError, match="found no client"):
        resolve(STORM, [])


@pytest.mark.parametrize("text", [None, "{", "{}", "[]"])
def test_not_a_plan(tmp_path: Path, text: str | None) -> None:
    """A file that is absent or no plan is an input error that names it."""
    file = tmp_path / "cell.json"
    if text is not None:
        file.write_text(text)
    with pytest.raises(InputError, match="expected a plan written by windtunnel"):
        CellPlan.read_json(file)


def test_schedule_file(tmp_path: Path) -> None:
    """The schedule of a cell is written as it will be played, with the phase of each measured call."""
    cell = resolve(STORM, PROFILES).cells[0]
    write_schedule(cell, tmp_path / "schedule.parquet")
    table = pq.read_table(tmp_path / "schedule.parquet")
    assert table.schema == SCHEDULE_SCHEMA
    rows = table.to_pylist()
    assert [row["call_id"] for row in rows] == [arrival.call_id for arrival in cell.schedule()]
    assert all((row["phase"] is None) == (row["section"] != "phases") for row in rows)


def test_versions() -> None:
    """The versions of all that may move a result are known."""
    found = versions()
    assert {"python", "openai", "httpx2", "aiohttp", "locust", "windtunnel"} <= set(found)
    assert found["openai"] != "absent"
