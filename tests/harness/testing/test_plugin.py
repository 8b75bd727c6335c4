"""The pytest plugin, in projects as users have them."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.harness.testing.projects import play, pytest_command

HEAD = """
import os, threading
import httpx2, openai, pytest

def ask(stream=False, **arguments):
    client = openai.OpenAI(**{"max_retries": 0, **arguments})
    return client.chat.completions.create(
        model="gpt-4.1-mini", messages=[{"role": "user", "content": "Hello"}], stream=stream)

def text_of(events):
    return "".join(one.choices[0].delta.content or "" for one in events if one.choices)
"""


def test_the_fixture_serves_and_judges(tmp_path: Path) -> None:
    """Faults, sequences, limits and scenarios act; what was served is known; good clients pass every assertion."""
    code, said = play(
        tmp_path,
        HEAD
        + """
def test_healthy(mock_openai):
    answer = ask()
    stream = list(ask(stream=True))
    mock_openai.assert_attempts(exactly=1)
    mock_openai.assert_no_silent_corruption(answer, answer.choices[0].message.content, stream, text_of(stream), None)
    mock_openai.assert_all_streams_closed()
    mock_openai.assert_gave_up_within(10)
    assert [one.status for one in mock_openai.served] == [200, 200]
    assert len(mock_openai.calls) == 2

def test_responses_and_embeddings(mock_openai):
    client = openai.OpenAI()
    whole = client.responses.create(model="gpt-4.1-mini", input="Hello")
    events = list(client.responses.create(model="gpt-4.1-mini", input="Hello", stream=True))
    vectors = client.embeddings.create(model="text-embedding-3-small", input=["a", "b"])
    mock_openai.assert_no_silent_corruption(whole, events, vectors, whole.output_text)

def test_sequence(mock_openai):
    mock_openai.sequence(["overloaded", ("rate_limit_requests", {"retry_after_ms": 20}), "ok"])
    ask(max_retries=2)
    assert mock_openai.calls[0].statuses == [503, 429, 200]
    mock_openai.assert_attempts(at_most=3, at_least=3)
    mock_openai.assert_honours_retry_after()

def test_fault_with_numbers_as_seconds(mock_openai):
    mock_openai.fault("stall", after_chunks=3, seconds=0.05).fault("slow_first_token", seconds=0.05)
    assert len(text_of(ask(stream=True))) > 100

def test_limits(mock_openai):
    mock_openai.limits(rpm=3)
    for _ in range(3):
        ask()
    with pytest.raises(openai.RateLimitError):
        ask()
    assert mock_openai.served[-1].retry_after_promised_s == pytest.approx(20, abs=1)

def test_nothing_of_the_limits_is_left(mock_openai):
    for _ in range(4):
        ask()

def test_scenario(mock_openai):
    mock_openai.scenario("retry_storm")
    ask()
    assert mock_openai.served[0].row["phase_index"] == 0

@pytest.mark.windtunnel("overloaded", faults=[{"fault": "server_error", "first": 1}])
def test_marker_without_the_fixture():
    with pytest.raises(openai.InternalServerError):
        ask()

@pytest.mark.windtunnel(limits={"rpm": 1}, sequence=["ok", "overloaded"])
class TestMarked:
    @pytest.mark.windtunnel(provider={"answer": {"tokens": 8}})
    def test_all_of_them(self, mock_openai):
        assert ask().usage.completion_tokens == 8
        with pytest.raises(openai.RateLimitError):
            ask()

@pytest.mark.parametrize("number", range(5))
def test_a_port_is_closed_and_open_at_once(mock_openai, number):
    ask()
    mock_openai.fault("refuse")
    with pytest.raises(openai.APIConnectionError):
        ask()
    mock_openai.clear()
    ask()
    mock_openai.fault("blackhole")
    with pytest.raises(openai.APITimeoutError):
        ask(timeout=0.3)

def test_vision_of_other_faults(mock_openai):
    mock_openai.fault("length_cutoff")
    mock_openai.assert_no_silent_corruption(ask()) if ask().choices[0].finish_reason == "length" else 1 / 0
""",
        "-q",
    )
    assert code == 0, said
    assert "15 passed" in said


MISTAKES = {
    'mock_openai.fault("stal")': "mock_openai.fault('stal'): found the unknown fault 'stal', expected 'stall' perhaps",
    'mock_openai.fault("stall", after_chunk=3)': "found the unknown parameter 'after_chunk', expected 'after_chunks'",
    'mock_openai.fault("stall", ratte=1)': "found the unknown parameter 'ratte', expected 'rate' perhaps",
    'mock_openai.fault("stall", after_chunks="x")': "mock_openai.fault('stall'): after_chunks: found",
    'mock_openai.fault("stall", rate=2)': "mock_openai.fault('stall'): rate: found 2",
    "mock_openai.limits(rpn=3)": "mock_openai.limits: provider.limits.rpn: found the unknown key 'rpn', expected 'rpm'",
    'mock_openai.sequence(["overloded", "ok"])': "found the unknown fault 'overloded', expected 'overloaded' perhaps",
    'mock_openai.sequence("overloaded")': "mock_openai.sequence: found 'overloaded', expected a list of faults",
    'mock_openai.sequence(["ok"])': "expected at least one fault in it",
    'mock_openai.scenario("retry_strom")': "did you mean 'retry_storm'?",
    "mock_openai.provider(capacty={})": "found the unknown part 'capacty', expected 'capacity' perhaps",
}


def test_mistakes_are_named(tmp_path: Path) -> None:
    """An unknown fault, parameter, limit or scenario fails the test with one message that has the nearest name."""
    tests = [f"def test_{i}(mock_openai):\n    {line}\n" for i, line in enumerate(MISTAKES)]
    marked = "@pytest.mark.windtunnel_virtual\ndef test_sync():\n    pass\n"
    code, said = play(tmp_path, HEAD + "\n".join([*tests, marked]), "-q")
    assert code == 1
    assert f"{len(MISTAKES)} failed, 1 error" in said
    assert [message for message in MISTAKES.values() if message not in said] == []
    assert "@pytest.mark.windtunnel_virtual: found a sync test, expected an async one" in said


MARKED = {
    '@pytest.mark.windtunnel(faults=["overlaoded"])\ndef test_it(): pass': "test_it: @pytest.mark.windtunnel: "
    "found the unknown fault 'overlaoded', expected 'overloaded' perhaps",
    "@pytest.mark.windtunnel(fault='overloaded')\nclass TestIt:\n    def test_it(self): pass": "TestIt: "
    "@pytest.mark.windtunnel: found the unknown keyword 'fault', expected 'faults' perhaps",
    "pytestmark = pytest.mark.windtunnel(limits={'rpn': 1})\ndef test_it(): pass": "found the unknown key 'rpn'",
}


@pytest.mark.parametrize("text", MARKED)
def test_a_mistake_in_a_marker_is_an_error_of_collection(tmp_path: Path, text: str) -> None:
    """A marker that asks for what does not exist ends the session before it plays, with 2; a module's is seen later."""
    code, said = play(tmp_path, HEAD + text, "-q")
    assert code == (1 if text.startswith("pytestmark") else 2), said
    assert MARKED[text] in said


FAILURES = {
    "mock_openai.fault('overloaded'); pytest.raises(Exception, ask, max_retries=2); "
    "mock_openai.assert_attempts(at_most=2)": "call 1 took 3 requests, expected at most 2",
    "ask(); mock_openai.assert_attempts(at_least=2)": "call 1 took 1 request, expected at least 2",
    "mock_openai.assert_attempts(at_most=3)": "no request has reached the mock",
    "mock_openai.fault('rate_limit_requests', retry_after=2, first=1)\n"
    "    for _ in range(2):\n"
    "        httpx2.post(mock_openai.base_url + '/chat/completions', headers={'authorization': 'Bearer mine'},\n"
    "            json={'model': 'gpt-4.1-mini', 'messages': [{'role': 'user', 'content': 'Hello'}]})\n"
    "    mock_openai.assert_honours_retry_after()": "said 'come back in 2 s', and the next request came after 0.",
    "ask(); mock_openai.assert_honours_retry_after()": "so nothing was tested",
    "mock_openai.fault('eof_without_done', after_chunks=3)\n"
    "    mock_openai.assert_no_silent_corruption(text_of(ask(stream=True)))": "characters and no exception",
    "stream = ask(stream=True); next(iter(stream)); mock_openai.assert_all_streams_closed()": (
        "1 connection lost to the client's pool"
    ),
    "mock_openai.fault('stall', seconds='forever'); pytest.raises(Exception, ask, timeout=0.3)\n"
    "    mock_openai.assert_gave_up_within(0.1)": "call 1 was over 0.",
}


def test_assertions_teach(tmp_path: Path) -> None:
    """Each assertion fails with a message that says what the client did, and the report has the timeline."""
    tests = [f"def test_{i}(mock_openai):\n    {lines}\n" for i, lines in enumerate(FAILURES)]
    code, said = play(tmp_path, HEAD + "\n".join(tests), "-q")
    assert code == 1
    assert f"{len(FAILURES)} failed in" in said
    assert [message for message in FAILURES.values() if message not in said] == []
    assert "requests that the mock has served" in said
    assert re.search(r"call 1: chat gpt-4.1-mini\n +0\.\d+  attempt 0  503 overloaded +answered at", said)
    assert re.search(
        r"attempt 0  429 rate_limit_requests +answered.*; said: come back in 2 s\n.*CAME BACK EARLY", said
    )
    assert "the client left at 0." in said


def test_a_late_request_does_not_show_in_the_next_test(tmp_path: Path) -> None:
    """What an earlier test's client still sends is refused and told apart; what it still reads is cut off."""
    code, said = play(
        tmp_path,
        HEAD
        + """
kept = {}

def test_first(mock_openai):
    kept["client"] = openai.OpenAI(max_retries=0)
    mock_openai.fault("stall", after_chunks=1, seconds="forever")
    kept["stream"] = ask(stream=True)
    next(iter(kept["stream"]))

def test_second(mock_openai):
    mock_openai.limits(rpm=1)
    with pytest.raises(openai.AuthenticationError, match="belongs to a test that is over"):
        kept["client"].models.list()
    with pytest.raises(Exception):
        list(kept["stream"])
    assert mock_openai.served == []
    assert len(mock_openai.late) == 1
    with pytest.raises(AssertionError, match="key of an earlier test"):
        mock_openai.assert_attempts(at_most=1)
    ask()  # the late request has taken nothing from the limit
    mock_openai.assert_attempts(exactly=1)

shared = None

@pytest.mark.parametrize("number", range(3))
def test_a_shared_client_with_a_key_of_its_own(mock_openai, number):
    global shared
    shared = shared or openai.OpenAI(api_key="shared", max_retries=0)
    mock_openai.fault("overloaded", first=1)
    with pytest.raises(openai.InternalServerError):
        shared.models.list()
    shared.models.list()
    assert [one.status for one in mock_openai.served] == [503, 200]

def test_the_environment_during_a_test(mock_openai):
    assert os.environ["OPENAI_BASE_URL"] == mock_openai.base_url
    assert os.environ["OPENAI_API_KEY"] == mock_openai.api_key
    assert "127.0.0.1" in os.environ["NO_PROXY"]

def test_the_environment_after_it():
    assert os.environ["OPENAI_BASE_URL"] == "theirs"
    assert "OPENAI_API_KEY" not in os.environ
""",
        "-q",
        environment={"OPENAI_BASE_URL": "theirs"},
    )
    assert code == 0, said


def test_each_worker_of_xdist_has_its_own(tmp_path: Path) -> None:
    """Under xdist tests side by side do not see each other, and there is a process for each worker."""
    text = """
@pytest.mark.parametrize("number", range(8))
def test_mine(mock_openai, number):
    mock_openai.fault("overloaded", first=1, per="rule")
    with pytest.raises(openai.InternalServerError):
        ask()
    for _ in range(number):
        ask()
    print("served by", mock_openai.base_url)
    assert len(mock_openai.served) == number + 1
"""
    code, said = play(tmp_path, HEAD + text, "-n", "2", "-rP")
    assert code == 0, said
    assert len(set(re.findall(r"served by (\S+)", said))) == 2


def test_it_is_inert_until_it_is_used(tmp_path: Path) -> None:
    """A project that does not use the plugin pays for no import of ours but the plugin itself."""
    text = """
import sys
def test_nothing():
    ours = sorted(name for name in sys.modules if name.startswith("windtunnel"))
    room = "windtunnel.harness.testing"
    assert ours == ["windtunnel", "windtunnel.harness", room, f"{room}.plugin"]
    assert not {"aiohttp", "asyncio", "pydantic"} & set(sys.modules)
"""
    options = ("-q", "-p", "no:hypothesispytest", "-p", "no:respx", "-p", "no:anyio")
    code, said = play(tmp_path, text, *options)
    assert code == 0, said


def test_the_mock_ends_when_the_session_is_killed(tmp_path: Path) -> None:
    """A session that is killed with -9 leaves no process behind."""
    (tmp_path / "test_long.py").write_text(
        "import time\nfrom pathlib import Path\n"
        "def test_long(mock_openai):\n"
        "    Path('pid').write_text(str(mock_openai._process.pid))\n"
        "    time.sleep(100)\n"
    )
    session = subprocess.Popen(pytest_command(), cwd=tmp_path, stdout=subprocess.DEVNULL)
    try:
        pid = _wait_for_text(tmp_path / "pid")
    finally:
        session.send_signal(signal.SIGKILL)
        session.wait()
    until = time.monotonic() + 60
    while _runs(int(pid)):
        assert time.monotonic() < until, "the mock still runs"
        time.sleep(0.05)


def _wait_for_text(path: Path) -> str:
    until = time.monotonic() + 60
    while not (path.exists() and path.read_text()):
        assert time.monotonic() < until, "the test has not begun"
        time.sleep(0.05)
    return path.read_text()


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # One that has ended and that nobody has waited for does not run either.
    return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()


@pytest.mark.parametrize("name", ["MockOpenAI", "ServedCall", "ServedRequest"])
def test_the_front_door(name: str) -> None:
    """`windtunnel.testing` has the names of the room."""
    import windtunnel.testing

    assert name in dir(windtunnel.testing)
    assert getattr(windtunnel.testing, name).__name__ == name
