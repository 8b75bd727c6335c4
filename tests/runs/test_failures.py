"""What goes wrong around a run: killed parts, a full disk, an impatient user. Nothing is left over, nothing is lost."""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.runs.command import COMMAND, NOT_VALID, Played, ask, begin, finish, start

pytestmark = pytest.mark.timeout(200)

LONG = """
name: long
about: Long enough to be disturbed.
clock: real
seed: 1
warmup: 1s
provider: {answer: {first_token: 50ms, tokens: 8}}
load: {api: chat, stream: false, arrivals: constant, rate: 20/s, deadline: 5s, instances: 2}
phases:
  - {name: calm, for: 40s}
clients: [openai-default]
"""


def descendants(process: subprocess.Popen[str]) -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


def wait_until(holds: Callable[[], bool], what: str, timeout_s: float = 60.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline, f"not within {timeout_s:.0f} s: {what}"
        time.sleep(0.05)


def wait_until_recorded(folder: Path) -> None:
    """Wait until the load has told of calls that ended."""

    def recorded() -> bool:
        paths = list((folder / "run" / "cells").glob("*/progress-*.json"))
        return bool(paths) and all(json.loads(path.read_text())["ended"] >= 20 for path in paths)

    wait_until(recorded, "some calls have been recorded")


def all_gone(processes: list[psutil.Process]) -> bool:
    _, alive = psutil.wait_procs(processes, timeout=0)
    return all(process.status() == psutil.STATUS_ZOMBIE for process in alive if process.is_running())


def offered(played: Played) -> int:
    return int(played.value("openai-default", "offered"))


def child(processes: list[psutil.Process], word: str) -> psutil.Process:
    return next(process for process in processes if word in process.cmdline())


@pytest.mark.parametrize("part", ["windtunnel.mock_server", "locust"])
def test_a_part_that_dies_ends_the_run_and_keeps_its_records(tmp_path: Path, part: str) -> None:
    """When mock or load is killed in mid-run, the run says so, exits with 3, and what was recorded is readable."""
    running = begin(tmp_path, LONG, "--processes", "2" if part == "locust" else "1")
    wait_until_recorded(tmp_path)
    family = descendants(running)
    child(family, part).kill()
    played = finish(running, tmp_path / "run")
    assert played.code == NOT_VALID
    assert "SIGKILL" in played.err
    assert played.metrics["partial"] is True
    assert offered(played) >= 10
    assert len(played.table("calls", "openai-default")) >= 10
    wait_until(lambda: all_gone(family), "every child has ended")


def test_a_killed_supervisor_leaves_no_process_and_a_run_that_can_be_reported(tmp_path: Path) -> None:
    """After kill -9 of the supervisor every child ends by itself, and `windtunnel report` works on what there is."""
    running = begin(tmp_path, LONG, "--processes", "2")
    wait_until_recorded(tmp_path)
    family = descendants(running)
    assert len(family) >= 4
    running.kill()
    running.communicate()
    wait_until(lambda: all_gone(family), "every child has ended")
    played = ask("report", "run", cwd=tmp_path)
    assert played.code == NOT_VALID
    assert "partial" in played.out.lower()
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["partial"] is True
    assert metrics["clients"]["openai-default"]["overall"]["offered"]["value"] >= 10


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_one_interrupt_stops_in_good_order(tmp_path: Path, number: signal.Signals) -> None:
    """Ctrl-C, `kill` or a closed terminal ends the children, keeps the records, and still writes a partial report."""
    running = begin(tmp_path, LONG)
    wait_until_recorded(tmp_path)
    family = descendants(running)
    running.send_signal(number)
    played = finish(running, tmp_path / "run")
    assert played.code == NOT_VALID
    assert played.metrics["partial"] is True
    assert (tmp_path / "run" / "report.html").stat().st_size > 10_000
    assert all_gone(family)


def test_two_interrupts_quit_at_once(tmp_path: Path) -> None:
    """A second Ctrl-C quits without a report, and still nothing is left over."""
    running = begin(tmp_path, LONG)
    wait_until_recorded(tmp_path)
    family = descendants(running)
    running.send_signal(signal.SIGINT)
    assert running.stderr is not None
    while "Stopping" not in running.stderr.readline():
        continue
    running.send_signal(signal.SIGINT)
    running.communicate(timeout=60)
    assert running.returncode in (130, NOT_VALID)
    wait_until(lambda: all_gone(family), "every child has ended")


def test_a_full_disk_ends_the_run_and_is_named(tmp_path: Path) -> None:
    """When records cannot be written any more, the run exits with 3 and says why; what was written can be read."""
    (tmp_path / "scenario.yaml").write_text(LONG)
    limit = 60_000

    def small_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))

    done = subprocess.run(
        [COMMAND, "run", "scenario.yaml", "--out", "run"],
        cwd=tmp_path,
        env={**os.environ, "COLUMNS": "200"},
        preexec_fn=small_files,
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert done.returncode == NOT_VALID, done.stderr
    assert "File too large" in done.stderr
    report = ask("report", "run", cwd=tmp_path)
    assert report.code == NOT_VALID, report.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "no_such"], "no_such"),
        (["run", "retry_storm", "--clients", "no-such"], "no-such"),
        (["run", "retry_storm", "--out", "full"], "--out"),
        (["run", "retry_storm", "--repeat", "0"], "--repeat"),
        (["run", "retry_storm", "--processes", "2"], "processes"),
        (["run", "broken.yaml"], "broken.yaml:2"),
        (["run", "typo.yaml"], "typo.yaml:3: phases[0].fro: found the unknown key 'fro'"),
        (["report", "full"], "plan.json"),
        (["serve", "--port", "{port}"], "in use"),
        (["serve", "--host", "0.0.0.0"], "token"),
    ],
)
def test_wrong_input_is_one_message_and_exit_code_2(
    tmp_path: Path, arguments: list[str], said: str, unused_listener: int
) -> None:
    """Whatever is wrong with the input is said in one place, with its name, and nothing is started."""
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    (tmp_path / "broken.yaml").write_text("name: [a\nabout: }\n")
    (tmp_path / "typo.yaml").write_text("name: x\nphases:\n  - {fro: 5s}\n")
    played = ask(*[word.format(port=unused_listener) for word in arguments], cwd=tmp_path)
    assert played.code == 2, played.err
    assert said in played.err
    assert "Traceback" not in played.err
    assert not (tmp_path / "runs").exists()


@pytest.fixture
def unused_listener() -> Iterator[int]:
    """The port of a listener that is already there."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_serve_announces_itself_and_ends_when_told(tmp_path: Path) -> None:
    """`windtunnel serve` prints one JSON line, answers on it, and ends with 0 on SIGTERM."""
    running = start("serve", "--scenario", "server_errors", "--journal", "journal", cwd=tmp_path)
    assert running.stdout is not None
    announced = json.loads(running.stdout.readline())
    with urllib.request.urlopen(f"{announced['admin_url']}/plan", timeout=10) as answer:
        assert json.loads(answer.read())["name"] == "server_errors"
    running.terminate()
    running.communicate(timeout=30)
    assert running.returncode == 0
