"""What calibrate finds out about other mocks and about rules, without measuring anything for long."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import jsonschema
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from windtunnel.harness.calibrate import rule_cost, streams_held
from windtunnel.harness.calibrate.command import parts
from windtunnel.harness.calibrate.finding import Finding, cells, json_schema
from windtunnel.harness.calibrate.largest_held import PRECISION, LargestHeld
from windtunnel.harness.calibrate.paced_reader import SO_TIMESTAMPNS, STAMP, Job, gap_errors, stamp
from windtunnel.harness.calibrate.peer_rates import finding as rate_finding
from windtunnel.harness.calibrate.peers import Fixture, find_peers
from windtunnel.harness.calibrate.pinned import cores, pinned
from windtunnel.harness.calibrate.streams_held import StreamsHeld, Times, probe, shares
from windtunnel.harness.calibrate.wrk import post, rate
from windtunnel.harness.cli.main import app
from windtunnel.harness.errors import InputError, MeasurementError
from windtunnel.mock_server.plan.plan import Plan
from windtunnel.mock_server.rules import RuleBook


def install(folder: Path) -> None:
    """Both peers, as far as one looks at them to know that they are there."""
    package = folder / "node_modules" / "@copilotkit" / "aimock"
    package.mkdir(parents=True)
    (package / "package.json").write_text('{"name": "@copilotkit/aimock", "version": "1.43.0"}')
    venv = folder / "llmock-venv"
    (venv / "lib" / "python3.11" / "site-packages" / "llmock-0.2.2.dist-info").mkdir(parents=True)
    (venv / "bin").mkdir()
    (venv / "bin" / "llmock").touch()


@given(st.integers(0, 20_000), st.integers(1, 64))
def test_the_search_finds_what_is_held(capacity: int, first: int) -> None:
    """Whatever the largest number is, the search ends at it to a tenth, or at its own limit."""
    search = LargestHeld(first, 8192, 60)
    while (number := search.next) is not None:
        search.saw(number, held=number <= capacity)
    assert search.held <= capacity
    assert min(capacity, 8192) - search.held <= max(1.0, PRECISION * search.held)


def test_one_failure_is_not_believed() -> None:
    """A number that failed once is tried again, and held if it then is."""
    search = LargestHeld(10, 20, 9)
    search.saw(10, held=False)
    assert search.next == 10
    search.saw(10, held=True)
    assert search.next == 20
    search.saw(20, held=True)
    assert search.next is None
    assert search.held == 20


def test_the_search_is_bounded() -> None:
    """After so many tries it ends, and says that it was cut short."""
    search = LargestHeld(10, 10_000, 3)
    for _ in range(3):
        number = search.next
        assert number is not None
        search.saw(number, held=number < 20)
    assert search.next is None
    assert search.bounded


def test_peers_are_known_by_their_own_metadata(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is installed in the folder is found with its version, and named with it."""
    install(tmp_path)
    monkeypatch.setattr("shutil.which", lambda name: f"/bin/{name}")
    assert [peer.title for peer in find_peers(tmp_path)] == ["aimock 1.43.0", "llmock 0.2.2"]
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert [peer.version for peer in find_peers(tmp_path)] == [None, "0.2.2"]


def test_peers_are_told_the_same(tmp_path: Path) -> None:
    """Each gets the pace in milliseconds, a free port and no log; aimock the text, as a fixture for all."""
    aimock, llmock = find_peers(tmp_path)
    fixture = Fixture("tok tok ", 0.02)
    command = aimock.command(fixture, tmp_path)
    assert command[command.index("--latency") + 1] == "20"
    assert command[command.index("--port") + 1] == "0"
    written = json.loads(Path(command[command.index("--fixtures") + 1]).read_text())
    assert written["fixtures"][0]["response"]["content"] == "tok tok "
    command = llmock.command(fixture, tmp_path)
    assert command[command.index("--stream-chunk-delay-ms") + 1] == "20"
    assert command[command.index("--port") + 1] == "0"


def test_a_missing_peer_is_a_row_that_says_how_to_install_it(tmp_path: Path) -> None:
    """An empty folder is no error: the command prints a row per peer and question, with the versions to install."""
    result = CliRunner().invoke(app, ["calibrate", "--only", "peers", "--peers", str(tmp_path), "--json"])
    assert result.exit_code == 0, result.output
    said = json.loads(result.stdout)
    jsonschema.validate(said, json_schema())
    rows = said["findings"]
    assert len(rows) == 4
    assert {(row["value"], row["met"], row["aim_is"]) for row in rows} == {(None, None, "at least")}
    assert [row["aim"] for row in rows] == [2.0, 12.0, 2.0, 12.0]
    streams = rows[2:]
    assert "npm install --prefix" in streams[0]["note"]
    assert "@copilotkit/aimock@1.43.0" in streams[0]["note"]
    assert "pip install llmock==0.2.2" in streams[1]["note"]
    assert cells(Finding("x", "y", None, None, 2.0, "not installed", "at least"))[-1] == "not installed"


@pytest.mark.parametrize(
    ("value", "yardstick", "aim", "met"),
    [
        (200.0, 100.0, 2.0, True),
        (199.0, 100.0, 2.0, False),
        (5.0, 0.0, 12.0, True),
        (0.0, 0.0, 12.0, False),
        (0.95, None, 0.9, True),
    ],
)
def test_an_aim_can_be_a_lower_limit(value: float, yardstick: float | None, aim: float, met: bool) -> None:
    """Where more is better the ratio must reach the aim; beside a peer that holds nothing, anything does."""
    found = Finding("x", "streams", value, yardstick, aim, "how", "at least")
    assert found.met is met
    assert cells(found)[5:] == (f"≥ {aim:g}", "met" if met else "NOT MET")


def test_a_peers_row_shows_the_median_round(tmp_path: Path) -> None:
    """Value, yardstick and ratio are of one round, the middle one; the spread is in the note."""
    aimock = find_peers(tmp_path)[0]
    row = rate_finding(aimock, [10.0, 30.0, 21.0], [10.0, 10.0, 10.0])
    assert (row.value, row.yardstick, row.ratio, row.met) == (21.0, 10.0, 2.1, True)
    assert "ratios from 1.00 to 3.00" in row.note


def test_a_streams_row_says_what_was_not_held(tmp_path: Path) -> None:
    """The row compares the numbers held, and its note has the smallest that was not."""
    llmock = find_peers(tmp_path)[1]
    searches = {"windtunnel": LargestHeld(8, 64, 0, 64, None), "llmock": LargestHeld(8, 64, 0, 8, 9)}
    last = {"llmock": StreamsHeld(0.004, 0.021, 0)}
    row = streams_held.finding(llmock, searches, last, StreamsHeld(0.001, 0.02, 0))
    assert (row.ratio, row.met) == (8.0, False)
    assert "windtunnel held 64 (nothing; the most that was tried)" in row.note
    assert "llmock held 8 (p99 4.0 ms, median gap 21.0 ms; not held: 9)" in row.note
    busy = streams_held.finding(llmock, searches, last, StreamsHeld(0.003, 0.02, 0))
    assert (busy.ratio, busy.met) == (8.0, None)
    assert busy.note.startswith("no verdict")
    assert streams_held.reader_finding(9, StreamsHeld(0.003, 0.02, 0)).met is False


def test_chunks_have_the_kernels_time() -> None:
    """A timestamp that came with the data is turned into monotonic time; without one it is now."""
    before = time.monotonic()
    ago = divmod(int((time.time() - 7) * 1e9), 10**9)
    assert stamp([(socket.SOL_SOCKET, SO_TIMESTAMPNS, STAMP.pack(*ago))]) == pytest.approx(before - 7, abs=1)
    assert before <= stamp([]) <= time.monotonic()


def job(**changes: float) -> Job:
    fields = {"begin_s": 0.0, "opened_s": 1.0, "measure_s": 2.0, "end_s": 3.0, "spacing_s": 0.02, **changes}
    return Job.model_validate({"port": 1, "streams": 1, "prefix": "p", "file": "f", **fields})


def test_errors_are_of_gaps_within_the_measurement() -> None:
    """Even gaps have no error, whatever they add up to; chunks outside of the measurement do not count."""
    gaps, errors = gap_errors([1.0, 1.5, *(2.0 + 0.021 * n for n in range(47)), 2.99, 3.4], job())
    assert gaps[:46] == pytest.approx(np.full(46, 0.021))
    assert errors[:46] == pytest.approx(np.full(46, 0.001))
    assert len(gaps) == 47


def test_a_stream_that_falls_silent_is_found_out() -> None:
    """The silence at the end is a gap as well, and a stream without a chunk is one silence."""
    assert gap_errors([2.0, 2.02, 2.04], job())[1] == pytest.approx([0.0, 0.0, 0.94])
    assert gap_errors([], job())[1] == pytest.approx([0.98])


def test_held_is_whole_and_punctual() -> None:
    """A broken stream, or a p99 beyond 5 ms, is not held."""
    assert StreamsHeld(0.005, 0.02, 0).held
    assert not StreamsHeld(0.0051, 0.02, 0).held
    assert not StreamsHeld(0.001, 0.02, 1).held


@pytest.mark.parametrize(("number", "readers", "expected"), [(7, 3, [3, 2, 2]), (2, 3, [1, 1]), (9, 1, [9])])
def test_readers_share_the_streams(number: int, readers: int, expected: list[int]) -> None:
    """Every stream has a reader, no reader is without."""
    assert shares(number, readers) == expected


async def test_a_few_streams_of_a_bare_server_are_all_read(tmp_path: Path) -> None:
    """Every part of a try works together: server, readers and what is made of their files."""
    times = Times(open_s=0.1, settle_s=0.0, measure_s=0.3)
    seen = await probe(partial(streams_held.bare, cores()), 3, tmp_path, cores(), times)
    assert seen.broken == 0
    assert seen.median_s > 0


def test_servers_and_clients_get_cores_of_their_own() -> None:
    """The last core is the server's, the others are the clients'; a single one is shared, which is said."""
    assert cores([0, 1, 5]).server == (5,)
    assert cores([0, 1, 5]).clients == (0, 1)
    assert cores([0, 1, 5]).note == ""
    assert cores([4]).clients == (4,)
    assert "one core" in cores([4]).note


def test_a_pinned_command_runs_where_it_should() -> None:
    """A command becomes the process that was started, on the given core."""
    core = sorted(os.sched_getaffinity(0))[-1]
    asked = ["python3", "-c", "import os; print(*os.sched_getaffinity(0))"]
    done = subprocess.run(pinned((core,), asked), capture_output=True, check=True, text=True)
    assert done.stdout.split() == [str(core)]


def test_wrk_is_believed_only_without_errors() -> None:
    """A rate with refused requests or broken connections in it is no rate."""
    assert rate("  10 requests in 1.0s\nRequests/sec:   1234.50\n") == 1234.5
    for wrong in ("Non-2xx or 3xx responses: 7", "Socket errors: connect 0, read 1, write 0, timeout 0"):
        with pytest.raises(MeasurementError, match=wrong[:12]):
            rate(f"{wrong}\nRequests/sec:   1234.50\n")
    with pytest.raises(MeasurementError, match="unable"):
        rate("unable to connect")
    assert r"\"model\"" in post()


LOAD = SimpleNamespace(
    api="chat", model="gpt-4.1-mini", region="near", stream=False, key_hash="0123456789ab", http2=False
)


def chosen(plan: dict[str, object]) -> tuple[RuleBook, bool]:
    """The book of a plan, and whether anything happens to a hundred calls of the load."""
    book = RuleBook(Plan.model_validate(plan))
    choices = [book.choose(LOAD, f"k{number}", None, 0, 60.0, 0) for number in range(100)]
    return book, any(choice.edge or choice.answer for choice in choices)


def test_rules_that_are_to_cost_nothing_do_nothing() -> None:
    """Both plans are valid ones with a hundred rules each, and none of those ever acts on the load."""
    always, later = rule_cost.strangers()
    assert len(always) + len(later) == rule_cost.RULES
    assert {tuple(sorted(rule["match"])) for rule in always} == {
        tuple(sorted(match)) for match in rule_cost.STRANGERS
    }
    assert chosen(rule_cost.plan(always, later))[1] is False
    sleeping = rule_cost.sleepers()
    assert len(sleeping) == rule_cost.RULES
    assert chosen(rule_cost.plan(sleeping))[1] is False


async def test_the_cost_of_rules_is_measured_beside_a_mock_without(tmp_path: Path) -> None:
    """The smallest measurement gives both rows, with the aim for the rules that do not match."""
    said: list[str] = []
    rows = await rule_cost.measure(tmp_path, said.append, rounds=1, requests=100)
    assert [(row.aim, row.aim_is) for row in rows] == [(0.9, "at least"), (None, "at least")]
    assert all(row.value and row.yardstick for row in rows)
    assert len(said) == 2


def test_rounds_begin_with_another_each_time() -> None:
    """Turning and turning back keeps every figure with its server."""
    assert rule_cost.turned("abc", 1) == ["b", "c", "a"]
    assert rule_cost.turned(rule_cost.turned("abc", 4), -4) == ["a", "b", "c"]


def test_parts_are_chosen_by_options() -> None:
    """Without options everything but peers, memory and fidelity; with `only` what it names; nonsense is refused."""
    usual = ("server", "tokens", "harness", "rules", "virtual")
    assert parts(long=False, only=(), peers=None) == usual
    assert parts(long=True, only=(), peers=Path("x")) == (*usual, "peers", "memory", "report")
    assert parts(long=False, only=["fidelity"], peers=None) == ("fidelity",)
    assert parts(long=False, only=["rules", "server"], peers=None) == ("server", "rules")
    with pytest.raises(InputError, match="did you mean 'rules'"):
        parts(long=False, only=["rule"], peers=None)
    with pytest.raises(InputError, match="--peers DIR"):
        parts(long=False, only=["peers"], peers=None)
