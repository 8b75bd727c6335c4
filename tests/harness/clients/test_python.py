"""A user's own callable: what it may give back, what of it is recorded, and how one is refused that cannot run."""

from __future__ import annotations

import http.client
import urllib.error
from email.message import Message
from pathlib import Path

import httpx
import pytest
import requests
import urllib3

from tests.harness.clients.conftest import Play
from tests.harness.clients.fault_server import Exchange, completion, delta, stream_of
from windtunnel.harness.clients.http_library import sdk_http
from windtunnel.harness.clients.outcome import failure_of
from windtunnel.harness.errors import InputError
from windtunnel.harness.inputs.profile import load_profile_file
from windtunnel.mock_server.api.truth import digest

WHOLE = digest([(0, "Hello there", None, [], "stop")])
PROFILE = """\
name: mine
about: Mine.
driver: python
target: {target}
timeouts: {{read: 5s}}
pool: {{connections: 10}}
"""
FINE = """\
NUMBER = 7
async def ask(call): ...
async def pieces(call): yield ""
async def two(call, other): ...
def blocks(call): ...
"""


def healthy(exchange: Exchange) -> None:
    if exchange.body.get("stream"):
        stream_of(exchange, [delta("Hello"), delta(" there"), delta(finish="stop")])
    else:
        exchange.json(completion())


WAYS = [(target, stream) for target in ("ask", "text", "by_session") for stream in (False, True)]


@pytest.mark.parametrize(("target", "stream"), [*WAYS, ("pieces", True)])
def test_every_way_of_answering_has_the_same_digest(play: Play, target: str, stream: bool) -> None:
    """An object, a stream, text and pieces of text are the same answer, and leave one recorded attempt."""
    played = play("python", healthy, stream=stream, target=f"targets:{target}")
    assert (played.call["outcome"], played.call["digest"]) == ("ok", WHOLE)
    (attempt,) = played.attempts
    assert (attempt["status"], attempt["served_id"]) == (200, "s0")
    # openai 2 closes a stream at `[DONE]`; openai 3 and the others read what little comes after it.
    closes_early = stream and target != "by_session" and sdk_http.__name__ == "httpx"
    assert attempt["body_complete"] is not closes_early
    assert attempt["connection_id"] is not None


OWN = ("own_sdk", "own_httpx2", "own_httpx", "own_aiohttp")


@pytest.mark.parametrize("target", OWN)
def test_a_client_of_ones_own_is_recorded_without_the_calls_headers(play: Play, target: str) -> None:
    """A callable that builds its own client and passes on nothing has its attempts, and the server sees whose."""
    played = play("python", healthy, target=f"targets:{target}", calls=3)
    assert {call["outcome"] for call in played.calls} == {"ok"}
    assert [row["call_id"] for row in played.attempts] == ["c0", "c1", "c2"]
    assert all(
        row["status"] == 200 and row["connection_id"] and row["body_complete"] for row in played.attempts
    )
    seen = [request[1] for request in played.server.requests]
    assert sorted(headers["x-windtunnel-call"] for headers in seen) == ["c0", "c1", "c2"]
    assert {headers["x-windtunnel-attempt"] for headers in seen} == {"0"}


@pytest.mark.parametrize("target", OWN)
def test_the_retries_of_a_client_of_ones_own_are_attempts_of_the_call(play: Play, target: str) -> None:
    """What its own SDK tries again, or a policy around it does, is counted up."""

    def fails_once(exchange: Exchange) -> None:
        if exchange.number:
            healthy(exchange)
        else:
            exchange.json({"error": {"message": "no"}}, status=503)

    retries = {"kind": "fixed", "tries": 2, "base": "1ms"}
    played = play("python", fails_once, target=f"targets:{target}", retries=retries)
    assert [(row["attempt"], row["status"]) for row in played.attempts] == [(0, 503), (1, 200)]
    assert (played.call["outcome"], played.call["attempts_seen"]) == ("ok", 2)


@pytest.mark.parametrize("target", ["summarise", "by_keywords", "from_environment", "by_module"])
def test_a_function_of_an_application_needs_no_adapter(play: Play, target: str) -> None:
    """What it asks for by name it is given; base URL and key are in the environment, already when it is imported."""
    played = play("python", healthy, target=f"apps:{target}")
    assert played.call["outcome"] == "ok"
    (request,) = played.server.requests
    assert request[1]["authorization"] == "Bearer sk-windtunnel"
    assert request[2]["messages"][-1]["content"].endswith("Hello")


def test_blocking_clients_in_a_thread_are_recorded(play: Play) -> None:
    """What stands on http.client passes the call's header on, and leaves its attempt."""
    played = play("python", healthy, target="targets:own_urllib")
    assert (played.call["outcome"], played.call["digest"]) == ("ok", WHOLE)
    assert [(row["status"], row["body_complete"]) for row in played.attempts] == [(200, True)]
    assert played.server.requests[0][1]["x-windtunnel-call"] == "c0"


def test_what_nobody_records_is_still_a_call(play: Play) -> None:
    """A callable with a client of its own leaves a call with its digest, and no attempt; the server sees whose."""
    played = play("python", healthy, target="targets:unseen")
    assert (played.call["outcome"], played.call["digest"]) == ("ok", WHOLE)
    assert (played.call["attempts_seen"], played.attempts) == (0, [])
    assert played.server.requests[0][1]["x-windtunnel-call"] == "c0"


def test_first_content_is_awaited_of_requests_that_nobody_sees(play: Play) -> None:
    """The watchdog for the first content counts from the callable's start where there is no attempt to count from."""
    timeouts = {"first_content": "150ms"}
    call = play("python", Exchange.until_left, target="targets:unseen", timeouts=timeouts).call
    assert (call["outcome"], call["error_type"]) == ("timeout", "FirstContentTimeout")


def test_an_exception_of_own_code_is_heard(play: Play) -> None:
    """What a callable raises is in the call's row: type, message, and the place in its own file."""
    call = play("python", healthy, target="targets:lacks").call
    assert (call["outcome"], call["error_type"], call["error_message"]) == ("error", "KeyError", "'model'")
    file, _, line = call["error_place"].partition(":")
    assert file == "targets.py"
    assert 'settings["model"]' in Path(__file__).with_name(file).read_text().splitlines()[int(line) - 1]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("target", ["stored", "summary", "parsed", "text"])
def test_what_the_client_was_handed_is_compared(play: Play, target: str, stream: bool) -> None:
    """Whatever a callable returns, what it was handed is compared; nobody knows when it had its first content."""
    call = play("python", healthy, stream=stream, target=f"targets:{target}").call
    assert (call["outcome"], call["digest"], call["served_id"]) == ("ok", WHOLE, "s0")
    assert (call["first_token_s"], call["finish_reason"]) == (None, "stop")


@pytest.mark.parametrize("target", ["stored", "summary"])
def test_half_an_answer_is_half_an_answer_whatever_is_returned(play: Play, target: str) -> None:
    """A stream that ends without its end is known by what was handed over, and a profile may look for the end."""

    def half(exchange: Exchange) -> None:
        exchange.stream()
        exchange.event(delta("Hello"))
        exchange.end()

    call = play("python", half, stream=True, target=f"targets:{target}").call
    assert (call["outcome"], call["digest"]) == ("ok", digest([(0, "Hello", None, [], None)]))
    call = play("python", half, stream=True, target=f"targets:{target}", checks=["end"]).call
    assert (call["outcome"], call["error_type"]) == ("error", "UnfinishedAnswerError")


@pytest.mark.parametrize(
    ("target", "returns", "kept"),
    [
        ("text", "text", "Hello there"),
        ("pieces", "text", "Hello there"),
        ("summary", "text", "Hel"),
        ("unseen_text", "text", "Hello there"),
        ("ask", "message", "Hello there"),
        ("unseen", "message", "Hello there"),
        ("unseen", None, "Hello there"),
    ],
)
def test_what_is_returned_is_compared_where_the_profile_says_so(
    play: Play, target: str, returns: str | None, kept: str
) -> None:
    """With `returns`, text or an object of the API is the answer; without it an object that no transport saw is."""
    stream = target == "pieces"
    call = play("python", healthy, stream=stream, target=f"targets:{target}", returns=returns).call
    assert (call["outcome"], call["digest"]) == ("ok", digest([(0, kept, None, [], "stop")]))


@pytest.mark.parametrize("target", ["nothing", "unseen_text"])
def test_what_nobody_saw_is_not_compared(play: Play, target: str) -> None:
    """A text of requests that no transport saw, or nothing, is neither right nor wrong: there is no digest."""
    call = play("python", healthy, target=f"targets:{target}").call
    assert (call["outcome"], call["digest"]) == ("ok", None)


@pytest.mark.parametrize(("target", "returns"), [("stored", "text"), ("ask", "text"), ("text", "message")])
def test_what_is_not_what_the_profile_says_is_an_error(play: Play, target: str, returns: str) -> None:
    """The message names what was returned and what the profile says."""
    call = play("python", healthy, target=f"targets:{target}", returns=returns).call
    assert (call["outcome"], call["error_type"]) == ("error", "AnswerTypeError")
    assert f"as its profile says (returns: {returns})" in call["error_message"]


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("nosuch:ask", "found no module 'nosuch', expected it in "),
        ("fine:nope", "expected one of its functions: ask, pieces, two, blocks"),
        ("fine:two", "found two(call, other), expected parameters among call, prompt, messages, model, "),
        ("fine:NUMBER", "found 'NUMBER', which is of type int, expected a function"),
        ("lacking:ask", "found the module 'lacking', which imports 'nosuchlib', expected that to be installed"),
        ("failing:ask", "found the module 'failing', which fails: ZeroDivisionError"),
        ("leaving:ask", "found a module that ends its process"),
        ("fine", "found 'fine', expected package.module:function, such as my_client:ask"),
    ],
)  # fmt: skip
def test_a_target_that_cannot_run_is_refused(tmp_path: Path, target: str, said: str) -> None:
    """A mistake in a target is found when the profile is read: where, what was found and what was expected."""
    (tmp_path / "lacking.py").write_text("import nosuchlib")
    (tmp_path / "failing.py").write_text("1 / 0")
    (tmp_path / "leaving.py").write_text("import os; os._exit(0)")
    (tmp_path / "fine.py").write_text(FINE)
    file = tmp_path / "mine.yaml"
    file.write_text(PROFILE.format(target=target))
    with pytest.raises(InputError) as caught:
        load_profile_file(file)
    assert str(caught.value).startswith(f"{file}:4: target: ")
    assert said in str(caught.value)
    assert caught.value.exit_code == 2


def test_a_target_is_found_beside_its_profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module is looked for in the profile's directory, then in the one where the command was started."""
    beside, elsewhere = tmp_path / "beside", tmp_path / "elsewhere"
    for folder in (beside, elsewhere):
        folder.mkdir()
    monkeypatch.chdir(elsewhere)
    file = beside / "mine.yaml"
    file.write_text(PROFILE.format(target="here:Client.ask"))
    (beside / "here.py").write_text("class Client:\n    @staticmethod\n    async def ask(call): ...\n")
    profile = load_profile_file(file)
    assert profile.target_folders == (str(beside), str(elsewhere))


def test_errors_of_requests_and_urllib_are_known() -> None:
    """A status with its headers, a timeout also where it is wrapped, a connection."""
    answer = requests.Response()
    answer.status_code, answer.headers = 429, requests.structures.CaseInsensitiveDict({"Retry-After": "3"})
    headers = Message()
    headers["Retry-After"] = "3"
    for refused in (
        requests.HTTPError("no", response=answer),
        urllib.error.HTTPError("http://localhost/", 429, "no", headers, None),
    ):
        status = failure_of(refused, opened=False)
        assert (status.kind, status.status, status.headers.get("retry-after")) == ("status", 429, "3")
    late = urllib3.exceptions.ReadTimeoutError(urllib3.HTTPConnectionPool("localhost"), "/", "late")
    for error in (
        late,
        requests.ReadTimeout("late"),
        requests.ConnectionError(late),
        urllib.error.URLError(TimeoutError("late")),
        urllib3.exceptions.MaxRetryError(urllib3.HTTPConnectionPool("localhost"), "/", late),
    ):
        assert failure_of(error, opened=False).kind == "timeout"
    for error in (
        requests.ConnectionError("gone"),
        urllib3.exceptions.ProtocolError("gone"),
        urllib.error.URLError(ConnectionRefusedError()),
        http.client.RemoteDisconnected(),
    ):
        assert failure_of(error, opened=False).kind == "connection"


def test_errors_of_the_older_httpx_are_known() -> None:
    """What a client over httpx raises counts as what it is: a status with its headers, a timeout, a connection."""
    request = httpx.Request("POST", "http://localhost/")
    refused = httpx.HTTPStatusError(
        "no", request=request, response=httpx.Response(429, headers={"retry-after": "3"}, request=request)
    )
    status = failure_of(refused, opened=False)
    assert (status.kind, status.status, status.headers["retry-after"]) == ("status", 429, "3")
    assert failure_of(httpx.ReadTimeout("late"), opened=False).kind == "timeout"
    assert failure_of(httpx.ConnectError("gone"), opened=False).kind == "connection"
