"""Child processes: started with a clean environment, told to end, ended for good; real ones, each of a few lines."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import textwrap
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from windtunnel.harness.errors import InputError
from windtunnel.harness.run.children import (
    Child,
    callers_variables,
    environment,
    last_line,
    python,
    removed_variables,
)

Spawn = Callable[..., Awaitable[Child]]
PATIENCE_S = 30.0
"""How long a child may take to start on a busy machine; no test waits for so long when all is well."""


@pytest.fixture
async def spawn(tmp_path: Path) -> AsyncIterator[Spawn]:
    """Start a child that runs some lines of Python; whatever still runs after the test is killed."""
    children: list[Child] = []

    async def start(code: str, **options: Any) -> Child:
        command = python("-c", textwrap.dedent(code))
        child = await Child.spawn("part", command, log=tmp_path / "part.log", cwd=tmp_path, **options)
        children.append(child)
        return child

    yield start
    for child in children:
        await child.end(grace_s=PATIENCE_S)
        if child.process.stdout is not None:
            await all_ended(child)


async def all_ended(child: Child) -> None:
    """Return when every process that holds the child's stdout has ended."""
    assert child.process.stdout is not None
    async with asyncio.timeout(PATIENCE_S):
        await child.process.stdout.read()


async def test_a_child_that_speaks_is_heard_and_its_complaints_are_logged(spawn: Spawn) -> None:
    """The first line of stdout comes to the parent; stderr is in the log and not in that line."""
    child = await spawn(
        "import sys; print('warning', file=sys.stderr); print(' ready '); sys.stdin.read()",
        capture_stdout=True,
    )
    assert await child.first_line(PATIENCE_S) == "ready"
    assert child.running
    assert last_line(child.log) == "warning"


async def test_a_child_that_ends_early_is_not_waited_for(spawn: Spawn) -> None:
    """A child that ends before it says anything gives an empty line at once, and its log tells why it ended."""
    child = await spawn("raise SystemExit('no port was free')", capture_stdout=True)
    assert await child.first_line(PATIENCE_S) == ""
    assert await child.wait(PATIENCE_S) == 1
    assert not child.running
    assert child.how_it_ended() == "exit code 1; its last words: no port was free"


async def test_a_child_that_says_nothing_is_given_up(spawn: Spawn) -> None:
    """A child that runs and is silent gives an empty line when the time is over, and goes on running."""
    child = await spawn("import sys; sys.stdin.read()", capture_stdout=True)
    assert await child.first_line(0.01) == ""
    assert child.running
    assert await child.wait(0.01) is None
    assert child.how_it_ended() == "still running"


async def test_only_a_child_that_speaks_has_a_first_line(spawn: Spawn) -> None:
    """To ask a child whose stdout is its log for a line is a mistake in the program, and is told as one."""
    child = await spawn("print('into the log')")
    with pytest.raises(ValueError, match="'part' was not started to speak"):
        await child.first_line(PATIENCE_S)
    assert await child.wait(PATIENCE_S) == 0
    assert last_line(child.log) == "into the log"


async def test_the_end_is_asked_for_before_it_is_forced(spawn: Spawn) -> None:
    """A child gets SIGTERM first, and one that ends by itself then has its own exit code."""
    child = await spawn(
        """
        import signal, sys
        signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(7))
        print("ready")
        signal.pause()
        """,
        capture_stdout=True,
    )
    assert await child.first_line(PATIENCE_S) == "ready"
    assert await child.end(grace_s=PATIENCE_S) == 7
    assert child.how_it_ended() == "exit code 7"


async def test_a_child_that_ignores_sigterm_is_killed(spawn: Spawn) -> None:
    """After the grace a child that does not end is killed, and the message names the signal."""
    child = await spawn(
        """
        import signal
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        print("ready")
        while True:
            signal.pause()
        """,
        capture_stdout=True,
    )
    assert await child.first_line(PATIENCE_S) == "ready"
    assert await child.end(grace_s=0.1) in (None, -signal.SIGKILL)
    assert await child.wait(PATIENCE_S) == -signal.SIGKILL
    assert child.how_it_ended() == "killed by SIGKILL"


@pytest.mark.parametrize("leader", ["goes on", "has ended"])
async def test_grandchildren_end_with_the_child(spawn: Spawn, leader: str) -> None:
    """What a child has started ends with it, also when the child itself ended before and left it behind."""
    child = await spawn(
        f"""
        import subprocess, sys
        code = "import signal; print('ready', flush=True); signal.pause()"
        subprocess.Popen([sys.executable, "-c", code])
        if {leader == "goes on"}:
            sys.stdin.read()
        """,
        capture_stdout=True,
    )
    assert await child.first_line(PATIENCE_S) == "ready"
    if leader == "has ended":
        assert await child.wait(PATIENCE_S) == 0
    await child.end(grace_s=PATIENCE_S)
    await all_ended(child)


async def test_an_ended_child_may_be_ended_again(spawn: Spawn) -> None:
    """Ending a child that is gone changes nothing and keeps its exit code."""
    child = await spawn("raise SystemExit(5)")
    assert await child.wait(PATIENCE_S) == 5
    assert await child.end() == 5
    assert await child.end() == 5


async def test_a_ctrl_c_in_the_terminal_does_not_reach_a_child(spawn: Spawn) -> None:
    """A child leads a session and a process group of its own."""
    child = await spawn("import os; print(os.getsid(0), os.getpgid(0)); input()", capture_stdout=True)
    pid = child.process.pid
    assert await child.first_line(PATIENCE_S) == f"{pid} {pid}"
    assert os.getsid(0) != pid


async def test_a_childs_environment_is_scrubbed(
    spawn: Spawn, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Keys and Python's own variables stay out, loopback goes past proxies, and what is given comes last."""
    for name in ("OPENAI_API_KEY", "other_api_key", "PYTHONPATH", "PYTHONSTARTUP", "NO_PROXY"):
        monkeypatch.setenv(name, str(tmp_path / "secret"))
    monkeypatch.setenv("LANGUAGE_OF_TESTS", "kept")
    child = await spawn(
        "import json, os; print(json.dumps(dict(os.environ)))",
        capture_stdout=True,
        env={"GEVENT_RESOLVER": "thread", "ONE_MORE": "1"},
    )
    found = json.loads(await child.first_line(PATIENCE_S))
    absent = {"OPENAI_API_KEY", "other_api_key", "PYTHONPATH", "PYTHONSTARTUP"}
    assert absent & set(found) == set()
    assert (found["NO_PROXY"], found["no_proxy"]) == ("127.0.0.1,localhost", "127.0.0.1,localhost")
    assert (found["LANGUAGE_OF_TESTS"], found["GEVENT_RESOLVER"], found["ONE_MORE"]) == (
        "kept",
        "thread",
        "1",
    )
    assert found["WINDTUNNEL_PARENT_PID"] == str(os.getpid())


STEERS = {
    "OPENAI_ORG_ID": "org-of-the-caller",
    "OPENAI_PROJECT_ID": "proj-of-the-caller",
    "OPENAI_BASE_URL": "http://elsewhere.invalid/v1",
    "OPENAI_LOG": "debug",
    "AZURE_OPENAI_ENDPOINT": "http://elsewhere.invalid",
    "HTTPS_PROXY": "http://proxy.invalid:3128",
    "http_proxy": "http://proxy.invalid:3128",
    "ALL_PROXY": "socks5://proxy.invalid",
    "SSL_CERT_FILE": "/no/such/file",
    "REQUESTS_CA_BUNDLE": "/no/such/file",
}


def test_what_steers_a_client_is_kept_for_a_users_own_code_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The caller's organisation, proxies and certificates reach his own code, and no client of the gallery."""
    for name, value in STEERS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    kept = environment({}, own_code=True)
    assert {name: kept.get(name) for name in STEERS} == STEERS
    assert not STEERS.keys() & environment({}).keys()
    assert callers_variables().items() >= STEERS.items()
    assert {*STEERS, "OPENAI_API_KEY"} <= set(removed_variables(own_code=False))
    assert "OPENAI_API_KEY" in removed_variables(own_code=True)
    assert not STEERS.keys() & set(removed_variables(own_code=True))


def test_the_environment_of_this_process_is_not_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A child's environment is a copy."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-1")
    assert environment({"OPENAI_API_KEY": "sk-given"})["OPENAI_API_KEY"] == "sk-given"
    assert os.environ["OPENAI_API_KEY"] == "sk-1"
    assert os.environ.get("WINDTUNNEL_PARENT_PID") is None


async def test_a_child_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    """A child that asked for it ends with its parent, even when the parent is killed and can tell nobody."""
    alive = tmp_path / "alive"
    os.mkfifo(alive)
    child = f"""
import os, signal
from windtunnel.mock_server.server.end_with_parent import die_with_parent
die_with_parent()
with open({str(alive)!r}, "w") as held:
    print(os.getpid(), flush=True)
    while True:
        signal.pause()
"""
    parent = f"""
import asyncio, pathlib, signal
from windtunnel.harness.run.children import Child, python
folder = pathlib.Path({str(tmp_path)!r})
async def main():
    child = await Child.spawn("c", python("-c", {child!r}), log=folder / "c.log", cwd=folder, capture_stdout=True)
    print(await child.first_line({PATIENCE_S}), flush=True)
    signal.pause()
asyncio.run(main())
"""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", parent, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    # The pipe is at its end when no process holds it open any more; to open it waits for the child to do so.
    held = asyncio.create_task(asyncio.to_thread(alive.read_bytes))
    pid = int(await asyncio.wait_for(process.stdout.readline(), PATIENCE_S))
    try:
        assert not held.done()
        process.kill()
        await process.wait()
        assert await asyncio.wait_for(asyncio.shield(held), PATIENCE_S) == b""
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)  # only if the promise was broken


async def test_an_executable_that_is_not_there_is_an_input_error(tmp_path: Path) -> None:
    """The message names the executable and the part that it was to be."""
    with pytest.raises(InputError, match=r"no_such_program.*wrk") as caught:
        await Child.spawn("wrk", ["no_such_program"], log=tmp_path / "log", cwd=tmp_path)
    assert "an executable file" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (None, ""),
        (b"", ""),
        (b"one\ntwo\n\n  \n", "two"),
        (b"no end of line", "no end of line"),
        (b"long line " * 1000 + b"\nlast\n", "last"),
        (b"\xff broken\n", "� broken"),
    ],
)
def test_the_last_words_of_a_log(tmp_path: Path, text: bytes | None, line: str) -> None:
    """The last line that is not blank, of however long a log; nothing if there is none."""
    log = tmp_path / "log"
    if text is not None:
        log.write_bytes(text)
    assert last_line(log) == line
