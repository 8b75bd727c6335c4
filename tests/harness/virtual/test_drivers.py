"""Every driver on the virtual clock: the same calls fare the same, and again the same in another process."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.harness.clients.conftest import DRIVERS, profile_of
from tests.harness.virtual.shards import play
from windtunnel.harness.contract.records import ATTEMPTS_SCHEMA
from windtunnel.harness.inputs.profile import Profile
from windtunnel.harness.inputs.scenario import Scenario
from windtunnel.harness.plan import CellPlan, resolve
from windtunnel.mock_server.journal.segments import compact

SCENARIO: dict[str, Any] = {
    "name": "small",
    "about": "Refusals, resets and stalls, for a few seconds.",
    "seed": 7,
    "provider": {"answer": {"first_token": "50ms", "tokens": 20, "tokens_per_second": 100}},
    "load": {"api": "chat", "stream": True, "arrivals": "constant", "rate": "5/s", "deadline": "10s"},
    "warmup": "0s",
    "phases": [
        {"name": "well", "for": "1s"},
        {"name": "refused", "for": "2s", "rules": [{"fault": "overloaded", "first": 1}]},
        {
            "name": "stalled",
            "for": "2s",
            "rules": [
                {"fault": "stall", "with": {"after_chunks": 3, "seconds": "30s"}, "match": {"attempt": 0}}
            ],
        },
        {
            "name": "reset",
            "for": "2s",
            "rules": [{"fault": "reset", "with": {"at": "after_chunks 3"}, "match": {"attempt": 0}}],
        },
    ],
    "clients": ["openai-default"],
    "expect": [],
}
AROUND = {
    "timeouts": {"between_contents": "1s"},
    "retries": {"kind": "fixed", "tries": 3, "base": "200ms", "retry_on": ["5xx", "broken_answer"]},
}
TARGETS = str(Path(__file__).parents[1] / "clients")


def prepare(folder: Path, driver: str, *, changes: dict[str, Any] | None = None, **parts: Any) -> Path:
    """A cell of the scenario (with `changes` to it) with a client over `driver`, ready to be played."""
    if driver == "python":
        parts.setdefault("target", "targets:draws")
    profile = Profile.model_validate(profile_of(driver, **{**AROUND, **parts}))
    scenario = Scenario.model_validate({**SCENARIO, **(changes or {})})
    cell = folder / driver
    cell.mkdir(parents=True)
    resolve(scenario, [profile], clock="virtual").cells[0].write_json(cell / "cell.json")
    return cell


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two folders with a cell for each driver, played in two processes with different hash seeds."""
    folders = [tmp_path_factory.mktemp("one"), tmp_path_factory.mktemp("two")]
    for hash_seed, folder in enumerate(folders, 1):
        assert play([prepare(folder, driver) for driver in DRIVERS], hash_seed) == [0] * len(DRIVERS)
    return folders


def rows(cell: Path, table: str) -> list[dict[str, Any]]:
    if not (cell / f"{table}.parquet").exists():
        compact(sorted(cell.glob(f"{table}-*.arrows")), cell / f"{table}.parquet")
    return list(pq.read_table(cell / f"{table}.parquet").to_pylist())


@pytest.mark.parametrize("driver", DRIVERS)
def test_calls_fare_the_same_with_every_driver(played: list[Path], driver: str) -> None:
    """Every call has the outcome, the answer and the number of attempts that it has with the SDK's async client."""

    def fates(name: str) -> dict[str, tuple[Any, ...]]:
        return {
            row["call_id"]: (row["phase"], row["outcome"], row["attempts_seen"], row["digest"])
            for row in rows(played[0] / name, "calls")
        }

    found = fates(driver)
    assert found == fates("openai-async")
    phases = {
        phase: {fate[1:3] for fate in found.values() if fate[0] == phase} for phase, *_ in found.values()
    }
    assert phases["well"] == {("ok", 1)}
    assert phases["refused"] == phases["stalled"] == phases["reset"] == {("ok", 2)}


@pytest.mark.parametrize("driver", DRIVERS)
def test_two_processes_have_one_digest(played: list[Path], driver: str) -> None:
    """Records and wire are the same in another process with another order of hashes."""
    one, two = (json.loads((folder / driver / "digest.json").read_text()) for folder in played)
    assert one == two


@pytest.mark.parametrize("driver", DRIVERS)
def test_attempts_mean_the_same_with_every_driver(played: list[Path], driver: str) -> None:
    """Every attempt has its times in order, its connection and the id of what was served."""
    attempts = rows(played[0] / driver, "attempts")
    assert set(attempts[0]) == set(ATTEMPTS_SCHEMA.names)
    for row in attempts:
        times = [
            row[name]
            for name in ("started_s", "sent_s", "headers_s", "first_byte_s", "last_byte_s", "ended_s")
        ]
        seen = [time for time in times if time is not None]
        assert seen == sorted(seen), row
        assert row["connection_id"] is not None
        assert row["served_id"] is not None
        assert row["pool_wait_s"] >= 0


def test_a_callable_that_reads_clocks_and_draws_is_the_same_again(tmp_path: Path) -> None:
    """A deadline of the wall clock passes in virtual time; times, draws and names of files are the same again."""
    cells = [prepare(tmp_path / name, "python", target="targets:worldly") for name in ("one", "two")]
    assert [play([cell], hash_seed) for hash_seed, cell in enumerate(cells, 1)] == [[0], [0]]
    one, two = (json.loads((cell / "digest.json").read_text()) for cell in cells)
    assert one == two
    calls = [row for row in rows(cells[0], "calls") if row["phase"] == "well"]
    assert {row["outcome"] for row in calls} == {"ok"}
    asked = {row["call_id"]: row["started_s"] for row in rows(cells[0], "attempts") if row["attempt"] == 0}
    waits = [asked[row["call_id"]] - row["started_s"] for row in calls]
    assert waits == pytest.approx([1.5] * len(calls), abs=1e-4)
    assert not (cells[0] / "tmp").exists()


def test_callables_that_cannot_run_end_their_cells(tmp_path: Path) -> None:
    """A callable that blocks or starts a thread ends its cell, with what it did and where it did it."""
    forbidden = {"blocks": "time.sleep(0.1)", "threads": "thread 'Thread-"}
    cells = {name: prepare(tmp_path / name, "python", target=f"targets:{name}") for name in forbidden}
    assert play(list(cells.values()), 0) == [3, 3]
    for name, cell in cells.items():
        log = (cell / "virtual.log").read_text()
        assert forbidden[name] in log
        assert f"{TARGETS}/targets.py:" in log
        assert f"({name})" in log
        assert not (cell / "digest.json").exists()


@pytest.mark.parametrize("fault", ["stall_with_heartbeats", "hang", "blackhole"])
def test_a_warm_up_meets_no_fault(tmp_path: Path, fault: str) -> None:
    """A scenario whose faults act from its first moment on is played; the first calls of clients end before."""
    phases = [{"name": "at_once", "for": "3s", "rules": [{"fault": fault}]}]
    always = {"rules": [{"fault": "server_error"}], "phases": phases}
    cells = [prepare(tmp_path / name, name, changes=always) for name in ("openai-async", "httpx2", "python")]
    assert play(cells, 0) == [0, 0, 0]
    for cell in cells:
        calls = [row for row in rows(cell, "calls") if row["phase"] == "at_once"]
        assert len(calls) == 15
        assert not {"ok"} & {row["outcome"] for row in calls}


@pytest.mark.parametrize("driver", ["openai-async", "httpx2", "aiohttp"])
def test_what_the_end_cuts_off_is_unfinished(tmp_path: Path, driver: str) -> None:
    """Calls under way, and those that wait for a worker, have rows that end with the load; none was cancelled."""
    hang = [{"name": "hang", "for": "2s", "rules": [{"fault": "hang"}]}]
    load = {**SCENARIO["load"], "concurrency": 2, "instances": 1, "deadline": "3s"}
    cell = prepare(
        tmp_path,
        driver,
        changes={"phases": hang, "load": load},
        timeouts={},
        retries={"kind": "none", "tries": 1},
    )
    assert play([cell], 0) == [0]
    calls = [row for row in rows(cell, "calls") if row["phase"] == "hang"]
    plan = CellPlan.read_json(cell / "cell.json")
    over = plan.length_s + plan.tail_s
    assert [row["outcome"] for row in calls] == ["unfinished"] * 10
    assert [row["ended_s"] for row in calls] == pytest.approx([over] * 10, abs=1e-5)
    assert sum(row["started_s"] is not None for row in calls) == 2
    assert {row["lateness_cause"] for row in calls if row["started_s"] is None} == {"client_limit"}


def test_what_the_application_cancels_is_not_what_the_end_cuts_off(tmp_path: Path) -> None:
    """A callable that cancels itself is cancelled; one that makes something of its end is unfinished all the same."""
    parts = {"timeouts": {}, "retries": {"kind": "none", "tries": 1}}
    names = ("gives_itself_up", "stubborn")
    cells = [prepare(tmp_path / name, "python", target=f"targets:{name}", **parts) for name in names]
    assert play(cells, 0) == [0, 0]
    found = [{row["outcome"] for row in rows(cell, "calls")} for cell in cells]
    assert found == [{"cancelled"}, {"unfinished"}]


def test_answers_of_wrong_types_lose_no_call(tmp_path: Path) -> None:
    """In a run whose streams hold numbers for text every scheduled call has its row, as an error of its reader."""
    retyped = {"fault": "wrong_shape", "with": {"action": "retype"}}
    phases = [{"name": "retyped", "for": "2s", "rules": [retyped]}]
    cell = prepare(tmp_path, "openai-async", changes={"phases": phases})
    assert play([cell], 0) == [0]
    calls = [row for row in rows(cell, "calls") if row["phase"] == "retyped"]
    assert len(calls) == 10
    assert {(row["outcome"], row["error_type"]) for row in calls} == {("error", "TypeError")}


@pytest.mark.parametrize(("target", "leaked"), [("leaks", 1), ("tidy", 0)])
def test_connections_that_are_lost_are_told_from_those_that_are_kept(
    tmp_path: Path, target: str, leaked: int
) -> None:
    """Each answer that is kept unread costs a connection of the pool; a client that closes them loses none."""
    phases = [
        {"name": "refused", "for": "500ms", "rules": [{"fault": "rate_limit_requests"}]},
        {"name": "after", "for": "2s"},
    ]
    cell = prepare(tmp_path, "python", changes={"phases": phases}, target=f"targets:{target}", retries={})
    assert play([cell], 0) == [0]
    found = json.loads((cell / "pools-0.json").read_text())
    refused = sum(row["status"] == 429 for row in rows(cell, "served"))
    assert refused >= 3
    assert found["pools"] == 1
    assert found["leaked"] - refused * leaked in (0, leaked)  # the warm-up call may be refused, too


@pytest.mark.parametrize("driver", ["openai", "openai-async", "openai-aiohttp"])
def test_waits_that_are_the_clients_own_are_recorded(tmp_path: Path, driver: str) -> None:
    """The whole wait of an attempt that got no connection of its pool, and what its limiter held a call up."""
    stall = {"fault": "stall", "with": {"after_chunks": 3, "seconds": "30s"}}
    changes = {"phases": [{"name": "stalled", "for": "2s", "rules": [stall]}]}
    parts: dict[str, Any] = {"retries": {}, "sdk": {"max_retries": 0}}
    full = {"pool": {"connections": 1}, "timeouts": {"pool": "500ms", "read": "1m"}}
    cells = [
        prepare(tmp_path / "pool", driver, changes=changes, **parts, **full),
        prepare(tmp_path / "limiter", driver, changes=changes, **parts, limiter={"rpm": 60}),
    ]
    assert play(cells, 0) == [0, 0]
    measured = {row["call_id"] for row in rows(cells[0], "calls") if row["phase"]}
    tried = [row for row in rows(cells[0], "attempts") if row["call_id"] in measured]
    waits = [row["pool_wait_s"] for row in tried if row["connection_id"] is None]
    assert waits == pytest.approx([0.5] * 9, abs=0.002)
    held = [row["limiter_wait_s"] for row in rows(cells[1], "calls") if row["phase"]]
    assert held == pytest.approx([0.8 * i for i in range(10)], abs=0.01)


def test_connections_are_counted_two_seconds_after_the_last_call(tmp_path: Path) -> None:
    """What a client closes a second late is not lost, on this clock either."""
    changes = {"phases": [{"name": "refused", "for": "2s", "rules": [{"fault": "rate_limit_requests"}]}]}
    cell = prepare(tmp_path, "python", changes=changes, target="targets:late", retries={})
    assert play([cell], 0) == [0]
    found = json.loads((cell / "pools-0.json").read_text())
    assert (found["pools"], found["leaked"], found["sampled"]) == (1, 0, None)


@pytest.mark.parametrize(("target", "lost"), [("leaks", 5), ("tidy", 0)])
def test_a_soak_is_looked_at_while_it_runs(tmp_path: Path, target: str, lost: int) -> None:
    """Connections that are held for longer than any call lasts are lost, long before the end."""
    changes = {
        "load": {**SCENARIO["load"], "rate": "1/s"},
        "phases": [
            {"name": "refused", "for": "5s", "rules": [{"fault": "rate_limit_requests"}]},
            {"name": "after", "for": "10m"},
        ],
    }
    cell = prepare(tmp_path, "python", changes=changes, target=f"targets:{target}", retries={})
    assert play([cell], 0) == [0]
    found = json.loads((cell / "pools-0.json").read_text())
    assert found["sampled"] - lost in (0, lost and 1)  # the warm-up call may be refused, too


def crowded(folder: Path, limiter: dict[str, Any], **load: Any) -> list[dict[str, Any]]:
    """The calls of half a minute at two a second, with a limiter in front of them."""
    changes = {
        "load": {**SCENARIO["load"], "rate": "2/s", "deadline": "60s", **load},
        "phases": [{"name": "crowded", "for": "30s"}],
    }
    cell = prepare(folder, "openai-async", changes=changes, limiter=limiter, sdk={"max_retries": 0})
    assert play([cell], 0) == [0]
    return [row for row in rows(cell, "calls") if row["phase"]]


def test_the_loads_priorities_reach_the_limiter(tmp_path: Path) -> None:
    """At twice the quota no call of the important class is shed, and most of the other are."""
    priorities = [{"name": "people", "wait": "30s"}, {"name": "batch", "wait": "1s"}]
    shares = {"people": 0.3, "batch": 0.7}
    calls = crowded(tmp_path, {"rpm": 60, "priorities": priorities}, priorities=shares)
    load = Scenario.model_validate({**SCENARIO, "load": {**SCENARIO["load"], "priorities": shares}}).load
    seed = (
        resolve(Scenario.model_validate(SCENARIO), [Profile.model_validate(profile_of("openai"))])
        .cells[0]
        .seed
    )
    shed: dict[str, list[bool]] = {name: [] for name in shares}
    for call in calls:
        shed[load.priority(call["call_id"], seed) or ""].append(call["outcome"] == "shed")
    assert len(shed["people"]) > 8
    assert not any(shed["people"])
    assert sum(shed["batch"]) / len(shed["batch"]) > 0.4


def test_tokens_of_a_request_space_the_calls(tmp_path: Path) -> None:
    """Each request asks for 500 tokens and a short prompt: at 30,000 a minute they go about a second apart."""
    calls = crowded(tmp_path, {"rpm": 6000, "tpm": 30_000}, max_tokens=490, prompt_tokens=10)
    held = sorted(row["limiter_wait_s"] for row in calls)
    assert held[0] == 0
    assert held[-1] == pytest.approx(0.5 * (len(calls) - 1), rel=0.1)


SEVERAL: dict[str, Any] = {
    "phases": [
        {"name": "well", "for": "2s"},
        {"name": "hung", "for": "2s", "rules": [{"fault": "hang", "match": {"attempt": 0}}]},
        {"name": "down", "for": "2s", "rules": [{"fault": "overloaded"}]},
    ]
}


def test_hedges_and_fallbacks_are_the_same_with_every_driver_and_again(tmp_path: Path) -> None:
    """A call that hangs is hedged, a refused one goes to the local model; and two processes agree to the digest."""
    parts: dict[str, Any] = {
        "timeouts": {},
        "retries": {"kind": "none"},
        "hedge": {"after": 5, "extra_tokens": 1.0},
        "fallback": {"to": [{"region": "other"}, {"local": {}}]},
    }
    digests, fates = [], []
    for hash_seed in (1, 2):
        cells = [prepare(tmp_path / str(hash_seed), driver, changes=SEVERAL, **parts) for driver in DRIVERS]
        assert play(cells, hash_seed) == [0] * len(cells)
        digests.append([json.loads((cell / "digest.json").read_text()) for cell in cells])
        for cell in cells:
            fates.append({(row["phase"], row["outcome"], row["region"]) for row in rows(cell, "calls")})
            made = {row["phase"]: row["attempts_seen"] for row in rows(cell, "calls")}
            assert made["hung"] == 2
            assert len(rows(cell, "attempts")) == sum(row["attempts_seen"] for row in rows(cell, "calls"))
    assert digests[0] == digests[1]
    for fate in fates:
        assert {one for one in fate if one[0]} == {
            ("well", "ok", "local"),
            ("hung", "ok", "local"),
            ("down", "ok", ""),
        }
