"""What ends a process on the virtual clock that gets nowhere. Each case is a process of its own, as a cell is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from windtunnel.harness.run.progress import reporter
from windtunnel.harness.run.run import RunOptions, run

PRELUDE = """
import asyncio, os, sys
real = [os.times]  # by its name it would be replaced
from windtunnel.harness.virtual import loop as loops
loops.IDLE_PASSES = 500
loop = loops.VirtualLoop()
from windtunnel.harness.virtual.determinism import make_deterministic
make_deterministic(loop, seed=1)
from windtunnel.harness.virtual.network.blocking import Blocking, take_over
blocking = Blocking(loop)
take_over(blocking)
from windtunnel.harness.virtual.watchdog import Watchdog, within
import time, threading, socket, subprocess, os
"""

RUN = """
Watchdog(loop, look_s=0.02, stuck_s=0.2).run(main())
print("came to its end")
"""

NOBODY_WAKES = """
async def main():
    for *_, timer in loop._scheduled: timer.cancel()
    await asyncio.gather(*(loop.create_task(never(), name=f"call c{n}") for n in range(5)))
async def never():
    await loop.create_future()
"""
POLLS = """
async def main():
    await loop.create_task(poll(), name="call c7")
async def poll():
    while True:
        await asyncio.sleep(0)
"""
POLLS_FOR_A_TIMER = """
async def main():
    rang = []
    loop.call_later(5, rang.append, 1)
    await loop.create_task(poll_for(rang), name="call c8")
async def poll_for(rang):
    while not rang:
        await asyncio.sleep(0)
"""
POLLS_IN_A_GREENLET = """
def ask():
    while True:
        time.sleep(0)
async def main():
    loop.call_later(5, print)
    blocking.spawn(ask)
    await asyncio.sleep(10)
"""
RINGS = """
def again():
    loop.call_at(0.0, again)
async def main():
    again()
    await asyncio.sleep(10)
"""
SPINS = """
async def main():
    spin()
def spin():
    while True:
        pass
"""
CRAWLS = """
async def main():
    while True:
        await asyncio.sleep(1e-6)
"""
BLOCKS = """
async def main():
    held = threading.Lock()
    held.acquire()
    held.acquire()
"""
GOES_ON = """
async def main():
    task = loop.create_task(stubborn(), name="call c3")
    await asyncio.sleep(1)
    task.cancel()
    await within(60, [task], "calls go on", "let CancelledError through")
async def stubborn():
    while True:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            pass
"""
SWALLOWS = """
async def main():
    try:
        threading.Thread(target=print, name="helper").start()
    except Exception:
        pass
"""
SLEEPS = """
async def main():
    time.sleep(2)
"""
CONNECTS = """
async def main():
    socket.socket().connect(("127.0.0.1", 9))
"""
LISTENS = """
async def main():
    socket.create_server(("127.0.0.1", 0))
"""
STARTS = """
async def main():
    subprocess.run(["true"])
"""
STARTS_ON_THE_LOOP = """
async def main():
    await asyncio.create_subprocess_exec("true", "really")
"""
STARTS_A_SHELL = """
async def main():
    try:
        await asyncio.create_subprocess_shell("true really")
    except Exception:
        pass
"""
MULTIPLIES = """
import multiprocessing
async def main():
    multiprocessing.get_context("spawn").Process(target=print).start()
"""
ENCRYPTS = """
async def main():
    await asyncio.open_connection("api.example.com", 443, ssl=True)
"""
RINGS_IN_REAL_TIME = """
import signal
async def main():
    signal.alarm(5)
"""
WATCHES = """
async def main():
    loop.add_reader(0, print)
"""
FORKS = """
async def main():
    os.fork()
"""


def play(body: str) -> subprocess.CompletedProcess[str]:
    """Run a case on the clock, in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", PRELUDE + body + RUN],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("body", "said"),
    [
        pytest.param(NOBODY_WAKES, ["nothing is ready", "call c0", "and 3 more", "(never)"], id="deadlock"),
        pytest.param(POLLS, ["somebody polls", "call c7", "(poll)", "wait for an event"], id="sleep-0"),
        pytest.param(POLLS_FOR_A_TIMER, ["somebody polls", "call c8", "(poll_for)"], id="for-a-timer"),
        pytest.param(
            POLLS_IN_A_GREENLET, ["somebody polls", "a greenlet at", "(ask)"], id="sleep-in-greenlet"
        ),
        pytest.param(RINGS, ["somebody polls", "the callback again at <string>:"], id="timer-in-the-past"),
        pytest.param(SPINS, ["time stands still", "(spin)", "await"], id="while-True"),
        pytest.param(CRAWLS, ["time crawls", "(main)", "longer steps"], id="tiny-steps"),
        pytest.param(BLOCKS, ["time stands still", "(main)"], id="lock"),
        pytest.param(GOES_ON, ["calls go on for 60 virtual seconds", "call c3", "(stubborn)"], id="stubborn"),
        pytest.param(SWALLOWS, ["thread 'helper' was started", "(main)", "async client"], id="thread"),
        pytest.param(SLEEPS, ["time.sleep(2)", "(main)", "await asyncio.sleep"], id="time.sleep"),
        pytest.param(CONNECTS, ["a real socket was to connect", "(main)", "through asyncio"], id="socket"),
        pytest.param(LISTENS, ["a real socket was to listen", "(main)"], id="listening"),
        pytest.param(STARTS, ["process ['true'] was started", "(main)"], id="subprocess"),
        pytest.param(STARTS_ON_THE_LOOP, ["process ['true', 'really'] was started", "(main)"], id="exec"),
        pytest.param(STARTS_A_SHELL, ["process 'true really' was started", "(main)"], id="shell"),
        pytest.param(MULTIPLIES, ["was started with multiprocessing", "(main)"], id="multiprocessing"),
        pytest.param(ENCRYPTS, ["TLS with api.example.com:443", "(main)", "http://"], id="tls"),
        pytest.param(RINGS_IN_REAL_TIME, ["a signal was asked for", "(main)", "asyncio"], id="alarm"),
        pytest.param(WATCHES, ["descriptor 0 was to be watched", "(main)"], id="descriptor"),
        pytest.param(FORKS, ["os.fork", "(main)"], id="fork"),
    ],
)
def test_what_gets_nowhere_is_ended(body: str, said: list[str]) -> None:
    """The process ends with 3, and the last line names what is wrong, who it is, and what to do."""
    done = play(body)
    last = done.stderr.strip().splitlines()[-1]
    assert done.returncode == 3, done.stderr
    assert last.startswith("stuck: ")
    assert last.endswith("run it with --clock real")
    assert [word for word in said if word not in last] == []


def test_a_blocked_greenlet_is_named() -> None:
    """A blocking call that swallows its end is told by the place where it waits."""
    done = play("""
from windtunnel.harness.virtual.watchdog import blocked
from greenlet import GreenletExit
def work():
    while True:
        try:
            deaf()
        except GreenletExit:
            pass
def deaf():
    time.sleep(3600)
async def main():
    worker = blocking.spawn(work)
    await asyncio.sleep(1)
    worker.throw(GreenletExit())
    over = loop.create_future()
    await within(60, [loop.create_task(blocked(worker, over), name="call c1")], "calls go on", "end")
""")
    assert done.returncode == 3
    assert "(deaf)" in done.stderr.strip().splitlines()[-1]


def test_what_goes_on_is_left_alone() -> None:
    """Yielding now and then, long waits and work without end in virtual time are no trouble; progress is written."""
    done = play("""
told = []
async def main():
    for _ in range(400):
        await asyncio.sleep(0)
    await asyncio.sleep(1e3)
    began = real[0]().elapsed
    while real[0]().elapsed - began < 0.5:
        await asyncio.sleep(10)
    print("looked" if told else "did not look")
Watchdog(loop, also=lambda: told.append(1), look_s=0.02, stuck_s=0.2).run(main())
async def main():
    pass
""")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["looked", "came", "to", "its", "end"]


APPLICATION = """
import time
async def ask(call):
    time.sleep(1)
"""
CLIENT = """
name: own
about: One's own.
driver: python
target: own_application:ask
timeouts: {total: 4s}
pool: {connections: 100, keepalive: 20, expiry: 5s}
retries: {kind: none, tries: 1}
"""
SCENARIO = """
name: small
about: One phase.
clients: [CLIENT]
load: {api: chat, stream: false, arrivals: constant, rate: 1/s, instances: 1, deadline: 4s}
phases: [{name: calm, for: 3s}]
"""


def test_a_run_says_why_its_cell_failed(tmp_path: Path) -> None:
    """A cell that tries what cannot be is a failed cell of its run, with the culprit and what to do as the reason."""
    (tmp_path / "own_application.py").write_text(APPLICATION)
    (tmp_path / "own.yaml").write_text(CLIENT)
    (tmp_path / "small.yaml").write_text(SCENARIO.replace("CLIENT", str(tmp_path / "own.yaml")))
    options = RunOptions(str(tmp_path / "small.yaml"), out=tmp_path / "run", clock="virtual")
    failures = run(options, reporter(Console(file=sys.stderr))).failures
    assert len(failures) == 1
    assert "exit code 3" in failures[0]
    assert "own_application.py:4 (ask): await asyncio.sleep, or run it with --clock real" in failures[0]
