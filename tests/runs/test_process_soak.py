"""`windtunnel soak … -- COMMAND` as a user has it: in real time, whoever is killed meanwhile, and resumed."""

from __future__ import annotations

import json
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from typer.testing import CliRunner

from tests.runs.command import NOT_VALID, ask, finish, start
from windtunnel.harness.cli.main import app
from windtunnel.harness.contract.watch import Watched, read_watch
from windtunnel.harness.errors import InputError
from windtunnel.reports.read.run_dir import load_run

pytestmark = pytest.mark.timeout(240)

KILLED = {"worker replaced", "mock restarted"}
SERVICE = Path(__file__).with_name("service.py")
SCENE = """
name: tiny
about: Calm and a little trouble, again and again.
seed: 3
provider: {answer: {first_token: {median: 20ms, p99: 50ms}, tokens: 4}}
load: {api: chat, stream: false, arrivals: poisson, rate: 4/s, deadline: 5s}
phases:
  - {name: calm, for: 4s}
  - {name: trouble, for: 2s, rules: [{fault: overloaded, rate: 0.3}]}
clients: [openai-default]
"""


def free_port() -> int:
    """A port that nobody has now."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


def below(pid: int, word: str) -> psutil.Process:
    """The process below this one with a word in its command."""
    children = psutil.Process(pid).children(recursive=True)
    return next(one for one in children if any(word in part for part in one.cmdline()))


def kinds(seen: Watched) -> set[str]:
    """What was marked; a machine with much to do may pause everybody."""
    return {one.mark for one in seen.marks} - {"paused"}


def until(pid: int, folder: Path, there: Callable[[Watched], bool]) -> Watched:
    """The watch file as soon as it has what is waited for; fails if the soak ends before."""
    path = folder / "watch-service.jsonl"
    for _ in range(600):
        if path.exists() and there(watched := read_watch(path)):
            return watched
        assert psutil.Process(pid).status() != psutil.STATUS_ZOMBIE, "the soak has ended"
        time.sleep(0.2)  # looked for again: at most two minutes in all
    raise AssertionError("it did not come within two minutes")


def test_a_soak_outlives_who_is_killed_and_is_resumed(tmp_path: Path) -> None:
    """Load and mock are killed and replaced, SIGTERM ends it with a report, and --resume plays the rest."""
    (tmp_path / "tiny.yaml").write_text(SCENE)
    port, folder = free_port(), tmp_path / "out"
    call = ("--attach", f"http://127.0.0.1:{port}/ask", "--body", "{{n}}?")
    options = ("--for", "60s", "--out", "out", *call, "--", sys.executable, str(SERVICE), str(port))
    soak = start("soak", "./tiny.yaml", *options, cwd=tmp_path)
    until(soak.pid, folder, lambda seen: bool(seen.samples))
    load, mock = below(soak.pid, "soak_users"), below(soak.pid, "windtunnel.mock_server")
    load.kill()
    mock.kill()
    until(soak.pid, folder, lambda seen: kinds(seen) == KILLED and len(seen.samples) >= 3)
    left = psutil.Process(soak.pid).children(recursive=True)
    soak.send_signal(signal.SIGTERM)
    ended = finish(soak, folder)
    assert ended.code in (1, NOT_VALID), ended.err  # half a minute: what it finds is not the point
    assert "soak: it was ended after" in ended.err
    assert f"to play the rest: windtunnel soak --resume {folder}" in ended.err
    assert psutil.wait_procs(left, timeout=10)[1] == []
    seen = read_watch(folder / "watch-service.jsonl")
    assert all("killed by SIGKILL" in one.why for one in seen.marks if one.mark in KILLED)
    outside = seen.samples[-1].outside
    assert outside is not None
    assert (outside.processes, outside.sockets.get("LISTEN")) == (1, 1)
    assert (folder / "index.html").exists()

    rest = ask("soak", "--resume", "out", cwd=tmp_path)
    assert rest.code in (0, 1, NOT_VALID), rest.err
    # A minute with holes may be too little to judge: then it says so, and nothing else is a reason not to.
    assert (rest.code == NOT_VALID) == ("not measured: too few values" in rest.out)
    again = read_watch(folder / "watch-service.jsonl")
    assert kinds(again) == KILLED | {"resumed"}
    assert again.samples[: len(seen.samples)] == seen.samples
    assert again.start_s == seen.start_s
    times = [one.at_s for one in again.samples]
    assert times == sorted(times)
    assert json.loads((folder / "soak-state.json").read_text())["over"] is True
    (cell,) = load_run(folder / "run").cells
    assert len(cell.phases) == 20
    due = cell.calls["intended_s"]
    assert due.min() < 6
    assert due.max() > 54
    assert cell.calls["call_id"].is_unique, "nobody's calls are made twice"
    done = ask("soak", "--resume", "out", cwd=tmp_path)
    assert "all of its 60 s are played" in done.err


def test_a_program_with_calls_of_its_own_that_fails_is_told(tmp_path: Path) -> None:
    """Its calls are what the provider saw; its end is the soak's, and a failure of it is exit code 1."""
    (tmp_path / "tiny.yaml").write_text(SCENE)
    (tmp_path / "job.py").write_text(
        "import os, sys, urllib.request as u\n"
        "for i in range(3):\n"
        "    asked = u.Request(os.environ['OPENAI_BASE_URL'] + '/models', headers={'authorization': 'Bearer sk-x'})\n"
        "    u.urlopen(asked).read()\n"
        "sys.exit('out of memory')\n"
    )
    command = ("--for", "60s", "--out", "out", "--", sys.executable, "job.py")
    soak = ask("soak", "./tiny.yaml", *command, cwd=tmp_path)
    assert soak.code == 1, soak.err
    assert "exit code 1; its last words: out of memory" in soak.err
    (cell,) = load_run(tmp_path / "out" / "run").cells
    assert cell.client == "job"
    assert len(cell.calls) == 3


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--", "no-such-program"), "no such executable"),
        (("--attach", "127.0.0.1:1"), "--attach: found '127.0.0.1:1', expected a URL"),
        (("--attach", "http://127.0.0.1:1/"), "--port too"),
        (("--pid", "1"), "--pid: found 1, expected -- COMMAND or --attach URL as well"),
        (
            ("--clients", "polite", "--", "x"),
            "--clients: found polite, expected one of both: a process is no client",
        ),
        (("--jobs", "2", "--", "x"), "--jobs: found 2, expected clients on the virtual clock"),
        (("--body", "{}", "--", "x"), "--body: found {}, expected --attach URL as well"),
        (("--method", "POST", "--", "x"), "--method: found POST, expected --attach URL as well"),
        (("--method", "PUT"), "--method: found PUT, expected -- COMMAND or --attach URL as well"),
        (("--keep-raw", "soon", "--", "x"), "--keep-raw: found soon, expected a length of time"),
        (("--for", "100000000000h"), "--for: found 100000000000h, expected at most 1,000,000 h"),
        (("--restart",), "--restart: found True, expected -- COMMAND"),
        (("--resume", "nowhere"), "--for: found 60s, expected --resume FOLDER alone"),
    ],
)
def test_wrong_options_are_told_with_what_would_do(
    tmp_path: Path, options: tuple[str, ...], said: str
) -> None:
    scene = tmp_path / "tiny.yaml"
    scene.write_text(SCENE)
    asked = ["soak", str(scene), "--for", "60s", "--out", str(tmp_path / "out"), *options]
    told = CliRunner().invoke(app, asked).exception
    assert isinstance(told, InputError)
    assert said in str(told)
