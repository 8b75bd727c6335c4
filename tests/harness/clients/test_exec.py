"""A client that is a program of its own: what it may say, and what becomes of a call when it does not."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.harness.clients.conftest import Play
from tests.harness.clients.fault_server import completion
from windtunnel.harness.clients.drivers.exec_protocol import Lines, ProtocolError, Ready, parse
from windtunnel.mock_server.api.truth import digest

FAKE = Path(__file__).parent / "fake_client.py"
WHOLE = digest([(0, "Hello there", None, [], "stop")])
CUT = digest([(0, "Hello", None, [], "length")])
NOWHERE = "http://127.0.0.1:1/v1"


def command(mode: str, *more: str) -> list[str]:
    return [sys.executable, str(FAKE), mode, *more]


@pytest.mark.parametrize("mode", ["text", "pieces", "answer", "prints"])
def test_every_way_of_answering_has_the_same_digest(play: Play, mode: str) -> None:
    """Text, pieces of text and an object of the API are the same answer; what else is printed is no part of it."""
    call = play("exec", NOWHERE, command=command(mode)).call
    assert (call["outcome"], call["digest"], call["finish_reason"]) == ("ok", WHOLE, "stop")
    assert call["started_s"] <= call["first_token_s"] <= call["last_content_s"] <= call["ended_s"]
    assert len(call["gaps_s"]) == (1 if mode == "pieces" else 0)


def test_a_digest_is_taken_over(play: Play) -> None:
    """A program may keep its answer to itself, and say the digest alone."""
    assert play("exec", NOWHERE, command=command("digest", f"/{WHOLE}")).call["digest"] == WHOLE


def test_the_manuals_example(play: Play, tmp_path: Path) -> None:
    """The client in harness/README.md works as it stands there."""
    manual = (Path(__file__).parents[3] / "harness" / "README.md").read_text()
    _, _, rest = manual.partition("This is a whole client:\n\n```python\n")
    (tmp_path / "client.py").write_text(rest.partition("```")[0])
    mine = {"command": ["python", "client.py"], "command_folder": str(tmp_path)}
    played = play("exec", lambda exchange: exchange.json(completion()), calls=3, **mine)
    assert [(call["outcome"], call["digest"]) for call in played.calls] == [("ok", WHOLE)] * 3
    assert [headers["x-windtunnel-call"] for _, headers, _ in played.server.requests] == ["c0", "c1", "c2"]
    refused = play("exec", lambda exchange: exchange.json({"error": {}}, status=503), **mine).call
    assert (refused["outcome"], refused["error_type"], refused["status"]) == ("error", "HTTPError", 503)


def test_a_finish_reason_that_was_not_seen_is_none(play: Play) -> None:
    """Null is not the same as nothing said: the stream had no end, and the truth has one."""
    call = play("exec", NOWHERE, command=command("endless_answer")).call
    assert (call["outcome"], call["digest"]) == ("ok", digest([(0, "Hello there", None, [], None)]))


def test_an_answer_of_which_nothing_is_said_is_not_compared(play: Play) -> None:
    call = play("exec", NOWHERE, command=command("bare")).call
    assert (call["outcome"], call["digest"]) == ("ok", None)


def test_what_the_program_says_of_a_failure_is_recorded(play: Play) -> None:
    call = play("exec", NOWHERE, command=command("refused")).call
    assert (call["outcome"], call["error_type"], call["status"]) == ("error", "RateLimitError", 429)
    assert call["error_message"] == "no"
    call = play("exec", NOWHERE, command=command("late")).call
    assert (call["outcome"], call["error_type"], call["error_cause"]) == (
        "timeout",
        "APITimeoutError",
        "ReadTimeout",
    )
    call = play("exec", NOWHERE, command=command("incomplete")).call
    assert (call["outcome"], call["digest"], call["finish_reason"]) == ("incomplete", CUT, "length")


def test_a_policy_around_it_sees_its_status(play: Play) -> None:
    """A retry around the program is another call for it, of the same call here."""
    retries = {"kind": "fixed", "tries": 3, "base": "0s", "retry_on": [429]}
    call = play("exec", NOWHERE, command=command("refused"), retries=retries).call
    assert (call["outcome"], call["status"]) == ("error", 429)


def test_many_calls_are_told_apart(play: Play) -> None:
    """Eight calls at once in one process, answered in another order."""
    calls = play("exec", NOWHERE, command=command("together"), calls=8).calls
    assert [call["digest"] for call in calls] == [digest([(0, f"c{n}", None, [], "stop")]) for n in range(8)]


def test_one_at_a_time(play: Play) -> None:
    """Who says nothing else gets one call at a time, and the others wait for their turn."""
    calls = play("exec", NOWHERE, command=command("one"), calls=8, workers=2).calls
    assert [call["outcome"] for call in calls] == ["ok"] * 8


def test_what_a_call_says(play: Play) -> None:
    call = play("exec", NOWHERE, command=command("header")).call
    keys = ["api", "api_key", "base_url", "body", "call_id", "deadline_s", "event", "headers", "input"]
    text = json.dumps([{"x-windtunnel-call": "c0"}, [*keys, "messages", "model", "stream"]])
    assert call["digest"] == digest([(0, text, None, [], "stop")])


def test_where_it_runs(play: Play, tmp_path: Path) -> None:
    """In the profile's folder, with the server's address in the environment as well."""
    call = play("exec", NOWHERE, command=command("where"), command_folder=str(tmp_path)).call
    text = json.dumps([NOWHERE, NOWHERE, str(tmp_path)])
    assert call["digest"] == digest([(0, text, None, [], "stop")])


def test_a_message_that_is_wrong_fails_its_call(play: Play) -> None:
    call = play("exec", NOWHERE, command=command("wrong")).call
    assert (call["outcome"], call["error_type"]) == ("error", "ProtocolError")
    expected = "one of ok, incomplete, error, timeout, deadline, cancelled"
    assert call["error_message"] == f"""ended: outcome: found '"fine"', expected {expected}"""


def test_one_that_dies_is_started_again(play: Play, tmp_path: Path) -> None:
    """The call that it had fails with its last words; the next one is made by another process."""
    file = str(tmp_path / "died")
    played = play("exec", NOWHERE, command=command("dies_once", file), calls=2, workers=1)
    outcomes = {call["outcome"] for call in played.calls}
    (dead, *_) = [call for call in played.calls if call["outcome"] == "error"]
    assert dead["error_type"] == "ClientDied"
    assert dead["error_message"] == "exit status 3; last on stderr: first things first | out of luck"
    again = play("exec", NOWHERE, command=command("dies_once", file)).call
    assert (again["outcome"], outcomes <= {"ok", "error"}) == ("ok", True)


@pytest.mark.parametrize(
    ("mode", "says"),
    [
        ("babbles", "it wrote 100 lines that are no messages, the first: 'line 0', which is no JSON"),
        ("endless", "it wrote a line of more than 8,388,608 bytes: 'xxx"),
    ],
)
def test_one_that_does_not_speak_is_ended(play: Play, mode: str, says: str) -> None:
    call = play("exec", NOWHERE, command=command(mode)).call
    assert (call["outcome"], call["error_type"]) == ("error", "ProtocolError")
    assert call["error_message"].startswith(says)


def test_one_that_says_nothing_is_held_to_the_deadline(play: Play, tmp_path: Path) -> None:
    timeouts = {"total": "0.5s"}
    call = play("exec", NOWHERE, command=command("silent", str(tmp_path / "seen")), timeouts=timeouts).call
    assert (call["outcome"], call["error_type"]) == ("deadline", "DeadlineExceeded")
    call = play("exec", NOWHERE, command=command("deaf"), timeouts=timeouts).call
    assert (call["outcome"], call["error_type"]) == ("deadline", "DeadlineExceeded")


def test_a_call_that_nobody_waits_for_is_taken_back(play: Play, tmp_path: Path) -> None:
    """The try after a watchdog has another name for the program, which is told to stop the first."""
    file = tmp_path / "seen"
    retries = {"kind": "fixed", "tries": 2, "base": "0s", "retry_on": ["timeout"]}
    call = play(
        "exec",
        NOWHERE,
        command=command("cancels", str(file)),
        timeouts={"first_content": "0.5s"},
        retries=retries,
    ).call
    assert (call["outcome"], call["digest"]) == ("ok", WHOLE)
    assert sorted(file.read_text().split("\n"))[1:] == ["c0", "c0.1", "cancel c0"]


def test_one_that_cannot_take_back_is_started_again(play: Play, tmp_path: Path) -> None:
    """It makes one call at a time: it would go on with the old one."""
    file = tmp_path / "seen"
    retries = {"kind": "fixed", "tries": 2, "base": "0s", "retry_on": ["timeout"]}
    timeouts = {"first_content": "0.5s"}
    arguments: dict[str, Any] = {"timeouts": timeouts, "retries": retries}
    call = play("exec", NOWHERE, command=command("stuck", str(file)), **arguments).call
    assert call["error_type"] == "FirstContentTimeout"
    assert file.read_text() == "c0\nc0\n"  # the first call of two processes


def test_it_is_ended_with_all_that_it_started(play: Play, tmp_path: Path) -> None:
    file = tmp_path / "pid"
    assert play("exec", NOWHERE, command=command("breeds", str(file))).call["outcome"] == "ok"
    wait_until_gone(int(file.read_text()))


PLAYER = """
import sys
from gevent import monkey; monkey.patch_all()
import gevent
from windtunnel.harness.clients.drivers.exec_pool import Programs
from windtunnel.harness.inputs.program import ClientProgram
pool = Programs(ClientProgram(tuple(sys.argv[1:]), ".", {}), name="tested", workers=1, failed=print)
pool.wait_until_ready()
print("ready", flush=True)
gevent.sleep(600)
"""


def test_it_is_ended_when_its_load_process_is_killed(tmp_path: Path) -> None:
    """Also what it has started: nobody is left who could end it."""
    file = tmp_path / "pid"
    with subprocess.Popen(
        [sys.executable, "-c", PLAYER, *command("breeds", str(file))], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGKILL)
    wait_until_gone(int(file.read_text()))


def wait_until_gone(pid: int) -> None:
    deadline = time.monotonic() + 20
    while Path(f"/proc/{pid}/stat").exists() and Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z":
        assert time.monotonic() < deadline, os.getpgid(pid)
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b"Hello", "'Hello', which is no JSON"),
        (b"[1]", "'[1]', which is no JSON object"),
        (b'{"event": "done"}', "a message: event: found '\"done\"', expected ready, started,"),
        (
            b'{"event": "ready", "concurrency": 0}',
            "ready: concurrency: found '0', expected a whole number from 1",
        ),
        (b'{"event": "ready", "cancel": 1}', "ready: cancel: found '1', expected true or false"),
        (b'{"event": "started"}', "started: call_id: found nothing, expected the call_id of a call"),
        (
            b'{"event": "ended", "call_id": "c", "outcome": "ok", "status": 7}',
            "ended: status: found '7', expected an HTTP status",
        ),
        (
            b'{"event": "ended", "call_id": "c", "outcome": "ok", "text": "a", "digest": "b"}',
            "ended: digest: found '\"b\"', expected nothing beside text",
        ),
        (
            b'{"event": "ended", "call_id": "c", "outcome": "ok", "digest": "b"}',
            "ended: digest: found '\"b\"', expected 64 hexadecimal digits",
        ),
        (b'{"event": "content", "call_id": "c", "text": 1}', "content: text: found '1', expected text"),
    ],
)
def test_what_is_wrong_is_said(line: bytes, says: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        parse(line)
    assert str(caught.value).startswith(says)


def test_lines_are_cut_and_bounded() -> None:
    lines = Lines(longest=10)
    assert lines.feed(b'{"event":') == []
    with pytest.raises(ProtocolError, match="a line of more than 10 bytes"):
        lines.feed(b'"ready"}')
    lines = Lines()
    assert lines.feed(b'{"event":"re') == []
    (line,) = lines.feed(b'ady"}\n{"ev')
    assert parse(line) == Ready(1, cancel=False, versions={})


@pytest.mark.parametrize(
    ("mode", "says"),
    [
        ("no_ready", "ended before it was ready (exit status 4)"),
        ("bad_ready", "ended before it was ready (exit status 0)"),
    ],
)
def test_one_that_never_gets_ready_ends_the_play(mode: str, says: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PLAYER, *command(mode)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert f"MeasurementError: client tested, process 0 {says}" in done.stderr
    first = (
        "no message: ready: concurrency: found"
        if mode == "bad_ready"
        else "'Welcome to my client', which is no JSON"
    )
    assert first in done.stderr


DYING = PLAYER.replace(
    "failed=print", "failed=lambda e: (print(e, flush=True), gevent.killall([asker]))"
).replace(
    "gevent.sleep(600)",
    """
from windtunnel.harness.clients.drivers.exec_pool import InHand
def ask():
    while True:
        worker, call = pool.worker(), InHand(print)
        worker.take("c", b'{"event": "call", "call_id": "c"}\\n', call)
        call.ended.wait()
asker = gevent.spawn(ask)
asker.join()
pool.close()
""",
)


def test_one_that_only_dies_ends_the_play() -> None:
    """After five deaths in a row, with one sentence."""
    done = subprocess.run(
        [sys.executable, "-c", DYING, *command("dies")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    why = "exit status 3; last on stderr: always out of luck"
    assert done.stdout.split("\n")[1] == (
        f"client tested, process 0 ended 5 times in a row without ending a call ({why})"
    )
