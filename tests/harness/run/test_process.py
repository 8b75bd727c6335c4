"""Programs that are not ours: started, watched, and ended with everything below them; real ones, of a few lines."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from windtunnel.harness.errors import InputError
from windtunnel.harness.run.kept_output import KeptOutput
from windtunnel.harness.run.process import Program, program_environment
from windtunnel.harness.run.usage import Usage, thinned

Start = Callable[..., Awaitable[Program]]
PATIENCE_S = 30.0
"""How long a program may take on a busy machine; no test waits for so long when all is well."""


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    """Start a program of some lines of Python; whatever still runs after the test is killed."""
    programs: list[Program] = []

    async def started(code: str, **options: Any) -> Program:
        command = [sys.executable, "-c", textwrap.dedent(code)]
        program = await Program.start("app", command, cwd=tmp_path, env=program_environment({}), **options)
        programs.append(program)
        return program

    yield started
    for program in programs:
        await program.close()


async def until(reached: Callable[[], bool]) -> None:
    """Return when `reached` says so."""
    async with asyncio.timeout(PATIENCE_S):
        while not reached():  # noqa: ASYNC110  # another process does it, and tells no event
            await asyncio.sleep(0.01)


async def heard(program: Program, words: str) -> None:
    """Return when the program has printed `words`."""
    await until(lambda: words in program.stdout_kept.text())


def has_ended(pid: int) -> bool:
    """Whether there is no such process, or only what is left of it."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


async def gone(pid: int) -> None:
    """Return when a process has ended."""
    await until(lambda: has_ended(pid))


async def test_the_exit_code_and_all_output_are_kept(start: Start) -> None:
    """A program that ends by itself has its exit code, both streams and the CPU that it took on record."""
    program = await start(
        """
        import sys, time
        while time.process_time() < 0.1:
            pass
        print('out')
        print('err', file=sys.stderr)
        sys.exit(3)
        """
    )
    ending = await program.wait(PATIENCE_S)
    assert ending is not None
    assert (ending.code, ending.signal, ending.asked, ending.left) == (3, None, False, 0)
    assert await program.wait_all(PATIENCE_S)
    await program.close()
    assert (program.stdout_kept.text(), program.stderr_kept.text()) == ("out\n", "err\n")
    assert program.how_it_ended() == "exit code 3; its last words: err"
    record = program.record()
    assert record["ending"]["code"] == 3
    assert record["cpu_s"] >= 0.09  # counted in hundredths of a second


async def test_a_program_that_a_signal_killed_says_which(start: Start) -> None:
    """A crash is told by the signal's name."""
    program = await start("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    ending = await program.wait(PATIENCE_S)
    assert ending is not None
    assert ending.words() == "killed by SIGSEGV"


async def test_what_cannot_be_executed_is_a_mistake_of_the_input(tmp_path: Path) -> None:
    """No such program, a file that is none, or nothing at all: one sentence, and nothing is started."""
    text = tmp_path / "notes.txt"
    text.write_text("hello")
    for command, found in (
        (["no-such-program-anywhere"], "no such executable"),
        ([str(text)], "may not be executed"),
        ([], "an empty command"),
    ):
        with pytest.raises(InputError, match=found):
            await Program.start("app", command, cwd=tmp_path, env=program_environment({}))


async def test_a_program_gets_its_arguments_and_environment_and_no_stray_descriptor(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What runs there finds its own three streams and nothing of ours; SIGPIPE is as in a shell."""
    for name in [name for name in os.environ if name.startswith("WINDTUNNEL_")]:
        monkeypatch.delenv(name)  # what the tests themselves were given
    program = await start(
        """
        import os, signal
        print(sorted(int(fd) for fd in os.listdir("/proc/self/fd"))[:3], len(os.listdir("/proc/self/fd")))
        print(os.getpid() == os.getsid(0), [n for n in os.environ if n.startswith("WINDTUNNEL")])
        """
    )
    await program.wait_all(PATIENCE_S)
    await program.close()
    # The fourth descriptor is the one that lists them.
    assert program.stdout_kept.text() == "[0, 1, 2] 4\nTrue []\n"


async def test_the_end_is_asked_for_before_it_is_forced(start: Start) -> None:
    """A program gets SIGTERM first, and one that ends by itself then has its own exit code."""
    program = await start(
        """
        import signal, sys
        signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(7))
        print("ready")
        while True:
            signal.pause()
        """
    )
    await heard(program, "ready")
    ending = await program.end(PATIENCE_S)
    assert (ending.code, ending.asked) == (7, True)


async def test_a_program_that_ignores_sigterm_is_killed_with_its_children(start: Start) -> None:
    """After the grace all of its processes are killed, those in sessions of their own too."""
    program = await start(
        """
        import signal, subprocess, sys
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        child = subprocess.Popen(["sleep", "1000"], start_new_session=True, preexec_fn=lambda: signal.signal(15, 1))
        print(child.pid, "ready")
        while True:
            signal.pause()
        """
    )
    await heard(program, "ready")
    child = int(program.stdout_kept.text().split()[0])
    ending = await program.end(0.05)
    assert ending.signal == "SIGKILL"
    await gone(child)


DAEMON = """
import os, sys, time
if os.fork():
    os._exit(0)
os.setsid()
if os.fork():
    os._exit(0)
print(os.getpid(), "ready")
time.sleep(1000)
"""


async def test_a_program_that_becomes_a_daemon_is_seen_and_ended(start: Start) -> None:
    """The program itself is over at once, what it left is counted, watched, and ended with the rest."""
    program = await start(DAEMON, sample_s=0.02)
    ending = await program.wait(PATIENCE_S)
    assert ending is not None
    await heard(program, "ready")
    daemon = int(program.stdout_kept.text().split()[0])
    assert not program.running
    assert not await program.wait_all(0.05)
    assert (await program.end(PATIENCE_S)).code == 0
    assert program.samples[-1].processes == 1
    await gone(daemon)


async def test_an_endless_printer_is_read_and_its_output_is_bounded(start: Start) -> None:
    """What prints without end is never held up by us, and only its first and last words are kept."""
    program = await start("import os\nprint('first')\nwhile True: print('x' * 4095)")
    await until(lambda: program.stdout_kept.total > 2_000_000)
    await program.end(PATIENCE_S)
    text = program.stdout_kept.text()
    assert text.startswith("first\n")
    assert len(text) < 300_000
    assert f"… {program.stdout_kept.left_out} bytes left out …" in text


async def test_use_is_sampled_over_time(start: Start) -> None:
    """Memory, descriptors, threads and processes of the whole program are those that it has."""
    program = await start(
        """
        import subprocess, threading
        block = bytearray(60_000_000)
        files = [open("/dev/null") for _ in range(40)]
        stop = threading.Event()
        threads = [threading.Thread(target=stop.wait, daemon=True) for _ in range(5)]
        for thread in threads:
            thread.start()
        child = subprocess.Popen(["sleep", "1000"])
        print("ready")
        child.wait()
        """,
        sample_s=0.02,
    )
    await heard(program, "ready")
    seen = len(program.samples)
    await until(lambda: len(program.samples) >= seen + 3)
    await program.end(PATIENCE_S)
    last = program.samples[seen + 2]
    assert last.processes == 2
    assert last.threads == 7  # six of the one, and sleep's
    assert last.descriptors >= 46
    assert last.rss_bytes > 60_000_000
    assert program.record()["most"]["rss_bytes"] >= last.rss_bytes


async def test_a_program_that_speaks_answers_line_by_line(start: Start) -> None:
    """With `speaks` its stdin and stdout are the caller's, its stderr is kept; the end of stdin reaches it."""
    program = await start(
        "import sys\nfor line in sys.stdin: print(line.strip().upper(), flush=True)\nprint('bye', file=sys.stderr)",
        speaks=True,
    )
    program.stdin.write(b"one\n")
    assert await program.stdout.readline() == b"ONE\n"
    program.stdin.close()
    assert await program.stdout.read() == b""
    ending = await program.wait(PATIENCE_S)
    assert ending is not None
    assert ending.code == 0
    await program.close()
    assert program.stderr_kept.text() == "bye\n"


async def test_only_a_program_that_speaks_has_streams(start: Start) -> None:
    """To ask another one for them is a mistake in our program."""
    program = await start("pass")
    with pytest.raises(ValueError, match="not started to speak"):
        _ = program.stdout
    with pytest.raises(ValueError, match="not started to speak"):
        _ = program.stdin


OWNER = """
import asyncio, sys
from pathlib import Path
from windtunnel.harness.run.process import Program, program_environment

async def main():
    command = [sys.executable, "-c", sys.argv[1]]
    program = await Program.start("app", command, cwd=Path.cwd(), env=program_environment({}))
    while "ready" not in program.stdout_kept.text():
        await asyncio.sleep(0.01)
    print(program.stdout_kept.text().split()[0], flush=True)
    await program.wait_all()

asyncio.run(main())
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_program_ends_when_we_do_however_we_do(number: signal.Signals) -> None:
    """Even a daemon is gone when windtunnel is killed outright."""
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, DAEMON], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert owner.stdout is not None
    daemon = int(owner.stdout.readline())
    assert psutil.pid_exists(daemon)
    os.kill(owner.pid, number)
    owner.wait(PATIENCE_S)
    owner.stdout.close()
    asyncio.run(gone(daemon))


async def test_a_program_whose_guard_is_killed_is_killed_too(start: Start) -> None:
    """The kernel sees to it; the record says SIGKILL."""
    program = await start("import time; print('ready'); time.sleep(1000)")
    await heard(program, "ready")
    pid = program.pid
    os.kill(psutil.Process(pid).ppid(), signal.SIGKILL)
    ending = await program.wait(PATIENCE_S)
    assert ending is not None
    assert ending.signal == "SIGKILL"
    await gone(pid)


async def test_a_start_that_is_cancelled_leaves_nothing(start: Start, tmp_path: Path) -> None:
    """Whoever stops waiting for the start has no process to look after."""
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    task = asyncio.create_task(start("import time; time.sleep(1000)"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await until(lambda: not {child.pid for child in psutil.Process().children(recursive=True)} - before)


@pytest.mark.parametrize(
    ("chunks", "text", "left_out"),
    [
        ([b"abc", b"def"], "abcdef", 0),
        ([b"abcdefgh"], "abcdefgh", 0),
        ([b"abcdefghij"], "abc\n… 2 bytes left out …\nfghij", 2),
        ([b"a", b"bcdefghijklmno", b"p", b"q"], "abc\n… 9 bytes left out …\nmnopq", 9),
        ([b"abc"] + [b"x"] * 1000, "abc\n… 995 bytes left out …\nxxxxx", 995),
    ],
)
def test_the_first_and_the_last_bytes_are_kept(chunks: list[bytes], text: str, left_out: int) -> None:
    """However output arrives in pieces, its start and its end are kept and the gap is counted."""
    kept = KeptOutput(first_bytes=3, last_bytes=5)
    for chunk in chunks:
        kept.add(chunk)
    assert (kept.text(), kept.left_out) == (text, left_out)


def test_thinning_keeps_both_ends() -> None:
    """Every second sample goes, never the first or the last."""
    samples = [Usage(float(n), 0, 0, 0, 0, 0) for n in range(6)]
    assert [sample.at_s for sample in thinned(samples)] == [0, 2, 4, 5]
    assert [sample.at_s for sample in thinned(samples[:5])] == [0, 2, 4]
