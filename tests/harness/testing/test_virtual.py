"""Tests on the virtual clock, in projects as users have them."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import windtunnel.testing
from tests.harness.testing.projects import ASYNCIO, play
from windtunnel.harness.testing.virtual_test import StuckTestError
from windtunnel.harness.virtual.guard import ForbiddenError

HEAD = """
import asyncio, os, random, socket, subprocess, threading, time, uuid
import openai, pytest, windtunnel

HELLO = {"model": "gpt-4.1-mini", "messages": [{"role": "user", "content": "Hello"}]}

async def ask(**arguments):
    async with openai.AsyncOpenAI(**arguments) as client:
        return await client.chat.completions.create(**HELLO)
"""

GOOD = (
    HEAD
    + '''
@windtunnel.virtual(seed=1)
async def test_an_hour(mock_openai):
    """Every clock goes on by an hour, and the client's retries wait on it."""
    mock_openai.fault("overloaded", first=2)
    before = time.time(), time.monotonic()
    await asyncio.sleep(3600)
    assert time.time() - before[0] >= 3600
    assert time.monotonic() - before[1] >= 3600
    answer = await ask()
    mock_openai.assert_attempts(exactly=3)
    mock_openai.assert_no_silent_corruption(answer)
    mock_openai.assert_all_streams_closed()
    assert 3600 < mock_openai.served[0].arrived_s < 3601

@pytest.mark.windtunnel_virtual
async def test_the_default_timeout(mock_openai):
    """The SDK's own ten minutes, three times over."""
    mock_openai.fault("stall", seconds="forever")
    with pytest.raises(openai.APITimeoutError):
        await ask()
    assert 1800 < mock_openai.calls[0].over_s < 1805
    with pytest.raises(AssertionError, match="was over 180"):
        mock_openai.assert_gave_up_within(60)

@windtunnel.virtual(seed=1)
async def test_giving_up_is_seen_at_once(mock_openai):
    mock_openai.fault("stall", after_chunks=2, seconds="forever")
    async with openai.AsyncOpenAI() as client:
        stream = await client.chat.completions.create(**HELLO, stream=True)
        async for _ in stream:
            break
        with pytest.raises(AssertionError, match="1 request still under way"):
            mock_openai.assert_all_streams_closed()
        await stream.close()
        mock_openai.assert_all_streams_closed()

@windtunnel.virtual
async def test_phases_of_a_scenario(mock_openai):
    mock_openai.scenario("retry_storm")
    await ask()
    await asyncio.sleep(10)
    await ask()
    assert [one.row["phase_index"] for one in mock_openai.served] == [0, 1]

@pytest.mark.windtunnel("overloaded", limits={"rpm": 1})
@pytest.mark.windtunnel_virtual(seed=3)
class TestMarked:
    @pytest.mark.parametrize("retries", [0, 1])
    async def test_both_markers(self, mock_openai, retries, tmp_path):
        with pytest.raises(openai.InternalServerError):
            await ask(max_retries=retries)
        mock_openai.assert_attempts(exactly=retries + 1)

@windtunnel.virtual
async def test_without_the_fixture():
    assert os.environ["OPENAI_BASE_URL"].startswith("http://127.0.0.1:")
    await ask()

@pytest.fixture
def sized(mock_openai):
    return mock_openai.provider(answer={"tokens": 8})

@windtunnel.virtual
async def test_a_fixture_of_their_own_that_uses_it(sized):
    assert (await ask()).usage.completion_tokens == 8

drawn = []

@windtunnel.virtual(seed=7)
async def test_chance(mock_openai):
    drawn.append((random.random(), str(uuid.uuid4()), os.urandom(4)))

@windtunnel.virtual(seed=7)
async def test_the_same_chance(mock_openai):
    assert (random.random(), str(uuid.uuid4()), os.urandom(4)) == drawn[0]

@windtunnel.virtual
async def test_tasks_and_executors():
    assert await asyncio.to_thread(lambda: 5) == 5
    async with asyncio.TaskGroup() as group:
        some = [group.create_task(ask()) for _ in range(5)]
    assert len({one.result().id for one in some}) == 5

@windtunnel.virtual
async def test_what_is_left_behind_ends():
    asyncio.create_task(asyncio.sleep(1e6))

def test_everything_is_as_before(mock_openai):
    """A real test after all of these has real clocks, chance, threads and sockets."""
    assert socket.socket.connect is socket._socket.socket.connect
    assert type(random._inst) is random.Random
    assert time.time.__module__ == "time" and type(time.sleep).__name__ == "builtin_function_or_method"
    ran = []
    thread = threading.Thread(target=ran.append, args=(1,))
    thread.start(); thread.join()
    assert ran == [1]
    assert subprocess.run(["true"]).returncode == 0
    openai.OpenAI().models.list()
    assert mock_openai.base_url != "http://127.0.0.1:8000/v1"
'''
)


@pytest.mark.parametrize("options", [(), ASYNCIO], ids=["without", "with"])
def test_waiting_takes_no_time(tmp_path: Path, options: tuple[str, ...]) -> None:
    """Decorator and marker play, with pytest-asyncio and without; afterwards the process is as before."""
    code, said = play(tmp_path, GOOD, "-q", "--timeout=60", "-W", "error", *options)
    assert code == 0, said
    assert "13 passed" in said


BAD = {
    "threading.Thread(target=print, name='mine').start()": "thread 'mine' was started on the virtual clock, in ",
    "time.sleep(1)": "time.sleep(1) on the virtual clock, in ",
    "subprocess.run(['true'])": "process ['true'] was started on the virtual clock, in ",
    "openai.OpenAI().models.list()": "use an async client, or run the test without the virtual clock",
    "await openai.AsyncOpenAI(base_url='http://example.com/v1').models.list()": (
        "a connection to example.com:80 was asked for on the virtual clock, in "
    ),
    "await openai.AsyncOpenAI(base_url='https://example.com/v1').models.list()": (
        "a connection to example.com:443 was asked for on the virtual clock, in "
    ),
    "await asyncio.Event().wait()": "nothing will ever happen any more at 0.000000 s. Waiting: ",
}


def test_what_cannot_run_there_says_where(tmp_path: Path) -> None:
    """Threads, blocking sleeps, processes, real sockets and other hosts raise with their place, also inside the SDK."""
    tests = [f"@windtunnel.virtual\nasync def test_{i}():\n    {line}\n" for i, line in enumerate(BAD)]
    code, said = play(tmp_path, HEAD + "\n".join(tests), "-q", "--timeout=60")
    assert code == 1
    assert f"{len(BAD)} failed" in said
    assert [message for message in BAD.values() if message not in said] == []
    lines = [line for line in said.splitlines() if line.startswith("E   ") and "Error: " in line]
    assert len(lines) == len(BAD)
    first = HEAD.count("\n") + 3
    missing = [i for i, line in enumerate(lines) if f"test_theirs.py:{first + 4 * i} (test_{i})" not in line]
    assert missing == []


@windtunnel.virtual(seed=1)
async def _two_numbers(mock_openai: windtunnel.testing.MockOpenAI) -> tuple[float, str]:
    return random.random(), mock_openai.base_url


def test_it_plays_without_pytest() -> None:
    """A decorated function is an ordinary one: it gets a mock, and gives what the test returns."""
    assert _two_numbers() == _two_numbers()
    assert time.time() > 0
    threading.Thread(target=int).start()


def test_no_test_inside_of_another() -> None:
    """One clock at a time."""

    @windtunnel.virtual
    async def outer() -> None:
        _two_numbers()

    with pytest.raises(RuntimeError, match="_two_numbers cannot be played on the virtual clock inside of"):
        outer()


def test_a_sync_function_is_refused() -> None:
    """Only what awaits can jump in time."""
    with pytest.raises(TypeError, match=r"expected an async function, found .*plain"):

        @windtunnel.virtual
        def plain() -> None:
            """Does nothing."""


def test_errors_have_classes() -> None:
    """Who is stuck, and who tries what cannot be, raises an error that can be told from others."""

    @windtunnel.virtual
    async def polls() -> None:
        while True:  # noqa: ASYNC110 (that is what is found)
            await asyncio.sleep(0)

    @windtunnel.virtual
    async def sleeps() -> None:
        time.sleep(5)  # noqa: ASYNC251 (that is what is refused)

    with pytest.raises(StuckTestError, match="somebody polls"):
        polls()
    with pytest.raises(ForbiddenError, match=r"test_virtual\.py"):
        sleeps()


def test_without_the_lab_the_line_that_installs_it_is_said(tmp_path: Path) -> None:
    """A library that is missing is named with the line that installs it."""
    (tmp_path / "theirs.py").write_text(
        "import importlib.util\n"
        "real = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda name, *rest: None if name == 'time_machine' else real(name, *rest)\n"
        "import windtunnel\n"
        "@windtunnel.virtual\nasync def test(): pass\n"
        "test()\n"
    )
    done = subprocess.run(
        [sys.executable, "theirs.py"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    last = done.stderr.splitlines()[-1]
    assert last.endswith("needs time_machine, which one line installs: pip install 'windtunnel[lab]'")
