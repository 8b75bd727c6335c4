"""Planted truth, over real sockets: what is known beforehand must be what is measured.

A machine too busy to measure may make one invalid (exit code 3): then
nothing is claimed, and the test says so by skipping, except where an invalid run is what is asked for.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.runs.command import NOT_VALID, Played, begin, finish

pytestmark = pytest.mark.timeout(300)

SIDE_BY_SIDE = ("--jobs", "3")
"""All clients of a run at once: these cost next to nothing, so a measurement of the machine would only cost time."""

PATIENT = """
name: patient
about: One try and all the time in the world.
driver: httpx2
timeouts: {connect: 5s, read: 60s, write: 60s, pool: 60s}
pool: {connections: 2000, keepalive: 2000, expiry: 60s}
"""

HASTY = """
name: hasty
about: One try of one second.
driver: openai
sdk: {max_retries: 0, timeout: 1s}
timeouts: {connect: 1s, read: 1s, write: 1s, pool: 1s}
pool: {connections: 1000, keepalive: 100, expiry: 5s}
"""

THREE_ATTEMPTS = """
name: three_attempts
about: Every call fails twice and then succeeds.
clock: real
seed: 3
warmup: 1s
provider: {answer: {first_token: 20ms, tokens: 8}}
load: {api: chat, stream: false, arrivals: constant, rate: 10/s, deadline: 10s}
phases:
  - {name: twice, for: 5s, rules: [{fault: overloaded, first: 2}]}
clients: [openai-default]
"""

EXACTLY_300_MS = """
name: exactly_300_ms
about: Every answer is there after 300 ms.
clock: real
seed: 3
warmup: 1s
provider: {answer: {first_token: 300ms, tokens: 1}}
load: {api: chat, stream: false, arrivals: constant, rate: 10/s, deadline: 5s}
phases:
  - {name: steady, for: 10s}
clients: [openai-default, openai-async-default, ./patient.yaml]
"""

# 20 calls/s of capacity, 10 calls/s of load. After 4 s of darkness 40 calls are queued, and the queue shrinks by 10
# a second: a call intended τ seconds later waits (40 - 10 τ) / 20 s and is served in 0.1 s. It meets the
# deadline of 1.5 s from τ = 1.2 s on.
PLANTED_RECOVERY = """
name: planted_recovery
about: Four seconds of darkness, and a queue that empties at a known rate.
clock: real
seed: 3
warmup: 1s
provider: {capacity: {slots: 2, queue: 1000}, answer: {first_token: 100ms, tokens: 1}}
load: {api: chat, stream: false, arrivals: constant, rate: 10/s, deadline: 1.5s}
phases:
  - {name: before, for: 6s}
  - {name: dark, for: 4s, provider: {capacity: {slots: 0}}}
  - {name: after, for: 20s}
clients: [./patient.yaml]
"""

STALL = """
name: stall_of_everything
about: Nothing is served for five seconds, at 200 calls/s.
clock: real
seed: 3
warmup: 2s
provider: {capacity: {slots: 5000, queue: 5000}, answer: {first_token: 5ms, tokens: 1}}
load: {api: chat, stream: false, arrivals: constant, rate: 200/s, deadline: 10s, instances: 4}
phases:
  - {name: before, for: 8s}
  - {name: stall, for: 5s, provider: {capacity: {slots: 0}}}
  - {name: after, for: 7s}
clients: [./patient.yaml]
"""

DROWNING = """
name: drowning
about: More calls than one client process can make.
clock: real
seed: 3
warmup: 1s
provider:
  capacity: {slots: 5000, queue: 5000}
  answer: {first_token: 5ms, tokens: 100, tokens_per_second: 400, tokens_per_chunk: 1}
load: {api: chat, stream: true, arrivals: constant, rate: 80/s, deadline: 2s}
phases:
  - {name: too_much, for: 1s}
clients: [openai-default]
"""

HALF_AND_HANGING = """
name: half_and_hanging
about: Streams that end early without a word, then requests that are never answered.
clock: real
seed: 3
warmup: 1s
provider: {answer: {first_token: 20ms, tokens: 40, tokens_per_second: 400}}
load: {api: chat, stream: true, arrivals: constant, rate: 10/s, deadline: 5s}
phases:
  - {name: half, for: 4s, rules: [{fault: eof_without_done}]}
  - {name: hanging, for: 4s, rules: [{fault: hang}]}
clients: [./hasty.yaml]
"""

INCIDENT = """
name: incident
about: A third of all attempts fails by chance.
clock: real
seed: 3
warmup: 1s
provider: {answer: {first_token: {median: 50ms, p99: 200ms}, tokens: {median: 20, p99: 60}}}
load: {api: chat, stream: true, arrivals: poisson, rate: 15/s, deadline: 10s, instances: 2}
phases:
  - {name: trouble, for: 8s, rules: [{fault: server_error, rate: 0.33}]}
clients: [openai-default, openai-async-default, ./patient.yaml]
"""


def prepare(folder: Path) -> Path:
    """A folder with the profiles that are not in the gallery."""
    folder.mkdir()
    (folder / "patient.yaml").write_text(PATIENT)
    (folder / "hasty.yaml").write_text(HASTY)
    return folder


def measured(process: subprocess.Popen[str], folder: Path) -> Played:
    """The run, over; it may be invalid, but not wrong."""
    played = finish(process, folder / "run")
    assert played.code in (0, NOT_VALID), played.err
    return played


@pytest.fixture(scope="module")
def light(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Played]:
    """The runs that cost next to nothing, played at the same time."""
    root = tmp_path_factory.mktemp("light")
    scenarios = {
        "three_attempts": THREE_ATTEMPTS,
        "exactly_300_ms": EXACTLY_300_MS,
        "planted_recovery": PLANTED_RECOVERY,
        "half_and_hanging": HALF_AND_HANGING,
    }
    running = {name: begin(prepare(root / name), text, *SIDE_BY_SIDE) for name, text in scenarios.items()}
    return {name: measured(process, root / name) for name, process in running.items()}


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Played]:
    """Plays one scenario, alone."""
    folder = prepare(tmp_path / "alone")
    return lambda scenario, *arguments: measured(begin(folder, scenario, *arguments), folder)


@pytest.fixture(scope="module")
def incident(tmp_path_factory: pytest.TempPathFactory) -> tuple[Played, Played]:
    """The same incident with one load process per client and with two."""
    root = tmp_path_factory.mktemp("incident")
    one, two = prepare(root / "one"), prepare(root / "two")
    first = begin(one, INCIDENT, *SIDE_BY_SIDE)
    second = begin(two, INCIDENT, *SIDE_BY_SIDE, "--processes", "2")
    return measured(first, one), measured(second, two)


def valid(played: Played) -> Played:
    if played.code == NOT_VALID:
        pytest.skip(f"this machine was too busy to measure: {played.metrics['validity']}")
    return played


def test_three_attempts_per_call_are_an_amplification_of_three(light: dict[str, Played]) -> None:
    """A client that makes exactly three attempts per call has an amplification of 3.00 on either side."""
    played = valid(light["three_attempts"])
    assert played.value("openai-default", "offered") == 50
    assert played.value("openai-default", "amplification") == 3.0
    assert played.value("openai-default", "client_amplification") == 3.0
    assert played.value("openai-default", "goodput") == 1.0
    assert played.value("openai-default", "retry_yield") == 0.5


def test_answers_after_300_ms_are_measured_as_300_ms(light: dict[str, Played]) -> None:
    """A server that answers after exactly 300 ms has measured medians within 5 ms of it, with every driver.

    The light driver's own time is next to nothing, so its metrics must agree; an SDK works for milliseconds around an
    answer, more on a slower machine, so there the attempts, as its transport saw them, must.
    """
    played = valid(light["exactly_300_ms"])
    if played.metrics["validity"]["state"] != "valid":
        pytest.skip(f"milliseconds cannot be judged on a busy machine: {played.metrics['validity']}")
    calls = played.table("calls", "patient")
    late = (calls["started_s"] - calls["intended_s"]).median()  # a wait from the intended time contains it
    for metric, truth in (
        ("latency_p50_s", 0.300 + late),
        ("wait_p50_s", 0.300 + late),
        ("service_p50_s", 0.300),
    ):
        assert played.value("patient", metric) == pytest.approx(truth, abs=0.005), metric
    for client in ("openai-default", "openai-async-default", "patient"):
        attempts = played.table("attempts", client)
        measured = attempts[attempts["started_s"].between(0, 10)]
        answered = (measured["headers_s"] - measured["sent_s"]).median()
        whole = (measured["last_byte_s"] - measured["sent_s"]).median()
        assert len(measured) >= 99
        assert whole == pytest.approx(0.300, abs=0.005), client
        assert answered <= whole
        assert played.value(client, "latency_p50_s") >= whole


def test_a_planted_recovery_is_found(light: dict[str, Played]) -> None:
    """A recovery that arithmetic puts at 1.2 s after the outage is reported within a second of it."""
    played = valid(light["planted_recovery"])
    assert played.value("patient", "recovered") is True
    assert played.value("patient", "time_to_recover_s") == pytest.approx(1.2, abs=1.0)


def test_a_stall_of_everything_shows_in_full(run: Callable[..., Played]) -> None:
    """Through a 5 s stall at 200 calls/s the p99 from the intended time is within 5 % of what the server knows."""
    played = run(STALL, "--processes", "4")
    calls, served = played.table("calls", "patient"), played.table("served", "patient")
    both = calls[calls["phase"].notna()].merge(served, on="served_id", suffixes=("", "_served"))
    truth = float(np.percentile(both["last_byte_s"] - both["intended_s"], 99))
    assert played.value("patient", "offered") == 4000
    assert len(both) == 4000
    assert truth == pytest.approx(4.8, abs=0.2)
    measured = played.value("patient", "latency_p99_s")
    assert played.code == NOT_VALID or measured == pytest.approx(truth, rel=0.05)


def test_a_drowning_client_process_makes_the_run_invalid(run: Callable[..., Played]) -> None:
    """When the client process cannot keep up, the run is marked invalid, on the page too, and exits with 3."""
    played = run(DROWNING)
    assert played.code == NOT_VALID
    assert played.metrics["validity"]["state"] == "invalid"
    assert "not valid" in (played.folder / "report.html").read_text().lower()


def test_half_answers_are_corrupt_and_leavers_are_seen_at_once(light: dict[str, Played]) -> None:
    """Half answers without an exception count as corrupt, all of them; every abandoned attempt is seen within 50 ms."""
    played = valid(light["half_and_hanging"])
    assert played.value("hasty", "silent_corruption", "half") == 1.0
    assert played.value("hasty", "goodput", "half") == 0.0
    attempts, served = played.table("attempts", "hasty"), played.table("served", "hasty")
    hanging = attempts[attempts["error_type"].notna() & attempts["started_s"].between(4, 8)]
    both = hanging.merge(served[served["abandoned"]], on=["call_id", "attempt"], suffixes=("", "_served"))
    assert len(both) == len(hanging) >= 39
    assert (both["abandoned_at_s"] - both["ended_s"]).max() <= 0.050


def draws(played: Played, client: str) -> pd.Series:
    """(call, attempt) → the faults that it met, of measured calls."""
    served = played.table("served", client)
    measured = served[served["call_id"].str.startswith("c")]
    return measured.set_index(["call_id", "attempt"])["faults"].map(tuple).sort_index()


def test_every_client_meets_the_same_incident(incident: tuple[Played, Played]) -> None:
    """The same seed gives every client the same faults on the same attempts, and results do not depend on processes."""
    one, two = incident
    sync, other = draws(one, "openai-default"), draws(one, "openai-async-default")
    assert len(sync) > 120
    assert sync.equals(other)
    first_tries = draws(one, "patient")
    assert first_tries.equals(sync[sync.index.get_level_values("attempt") == 0])
    assert 0.2 < (first_tries.map(len) > 0).mean() < 0.45
    for client in ("openai-default", "openai-async-default", "patient"):
        assert draws(two, client).equals(draws(one, client))
        for metric in ("offered", "amplification", "goodput"):
            assert two.value(client, metric) == one.value(client, metric), (client, metric)
