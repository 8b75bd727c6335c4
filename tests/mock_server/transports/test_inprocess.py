"""The mock without sockets, under respx and under httpx2's own mock transport."""

from __future__ import annotations

import json
from types import ModuleType
from typing import Any

import httpx
import httpx2
import pytest
import respx

from windtunnel.mock_server.plan.plan import Plan
from windtunnel.mock_server.script import FOREVER, Abort, Close, End, Head, Raw, Script, Send, Step, Wait
from windtunnel.mock_server.transports.inprocess.inprocess import HangsForeverError, InProcess

URL = "https://api.openai.com/v1/chat/completions"
BODY = {"model": "gpt-4.1-mini", "messages": [{"role": "user", "content": "hello"}]}
HEADERS = {"authorization": "Bearer sk-test"}
ANSWER = {"first_token": "2s", "tokens": 21, "tokens_per_second": 10.0, "tokens_per_chunk": 1}

LIBRARIES = [httpx, httpx2]


def _tunnel(*rules: dict[str, Any], **provider: Any) -> InProcess:
    return InProcess(Plan.model_validate({"provider": {"answer": ANSWER, **provider}, "rules": list(rules)}))


def _client(library: ModuleType, mock: InProcess, timeout: float | None = 30.0) -> Any:
    return library.Client(transport=library.MockTransport(mock.handle), timeout=timeout, headers=HEADERS)


def _scripted(monkeypatch: pytest.MonkeyPatch, *steps: Step) -> InProcess:
    mock = _tunnel()
    healthy = mock.engine.start

    def start(ticket: Any, now: float) -> Script:
        healthy(ticket, now)
        return Script(steps)

    monkeypatch.setattr(mock.engine, "start", start)
    return mock


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_healthy_answer(library: ModuleType) -> None:
    """A request gets its answer, at once in real time and when it is due in virtual time."""
    mock = _tunnel()
    with _client(library, mock) as client:
        answer = client.post(URL, json=BODY)
    assert answer.status_code == 200
    assert answer.json()["usage"]["completion_tokens"] == 21
    assert mock.now == pytest.approx(4.0)
    assert mock.tickets[0].tokens_billed == 21


def test_under_respx() -> None:
    """A respx route answers with the mock as its side effect."""
    mock = _tunnel({"fault": "overloaded", "match": {"attempt": 0}})
    with respx.mock, httpx.Client(headers={**HEADERS, "x-windtunnel-call": "c0"}) as client:
        route = respx.post(URL).mock(side_effect=mock.handle)
        assert [client.post(URL, json=BODY).status_code for _ in range(2)] == [503, 200]
        assert route.call_count == 2
    assert [ticket.attempt for ticket in mock.tickets] == [0, 1]


async def test_async_clients_under_respx() -> None:
    """Async clients read streams as well, event by event."""
    mock = _tunnel()
    async with httpx.AsyncClient(headers=HEADERS) as client:
        with respx.mock:
            respx.post(URL).mock(side_effect=mock.handle)
            async with client.stream("POST", URL, json={**BODY, "stream": True}, timeout=30) as answer:
                lines = [line async for line in answer.aiter_lines() if line]
    assert lines[-1] == "data: [DONE]"
    assert json.loads(lines[1].removeprefix("data: "))["object"] == "chat.completion.chunk"


@pytest.mark.parametrize("library", LIBRARIES)
def test_the_read_timeout_is_kept(library: ModuleType) -> None:
    """A read timeout that the answer exceeds is raised, at its virtual time, and the provider sees the client go."""
    mock = _tunnel()
    with _client(library, mock, 1.5) as client, pytest.raises(library.ReadTimeout) as caught:
        client.post(URL, json=BODY)
    assert caught.value.request.method == "POST"
    assert mock.now == pytest.approx(1.5)
    assert mock.tickets[0].abandoned_at_s == pytest.approx(1.5)


@pytest.mark.parametrize("library", LIBRARIES)
def test_the_read_timeout_is_per_read(library: ModuleType) -> None:
    """A stream whose pieces each come in time is read to its end, however long it takes together."""
    mock = _tunnel()
    with _client(library, mock, 2.5) as client:
        assert client.post(URL, json={**BODY, "stream": True}).text.endswith("data: [DONE]\n\n")
    assert mock.now == pytest.approx(4.0)


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_stall_in_mid_stream(library: ModuleType) -> None:
    """What goes wrong in mid-stream is raised while the body is read, after what came before it."""
    mock = _tunnel({"fault": "stall", "with": {"after_chunks": 3, "seconds": "60s"}})
    got = []
    with (
        _client(library, mock, 5.0) as client,
        client.stream("POST", URL, json={**BODY, "stream": True}) as answer,
        pytest.raises(library.ReadTimeout),
    ):
        got += [line for line in answer.iter_lines() if line]
    assert answer.status_code == 200
    assert mock.tickets[0].abandoned is True


HEAD = Head(200, (("content-type", "text/plain"),), framing="chunked")
SHORT = Head(200, (), content_length=10)


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize(
    ("steps", "error", "message"),
    [
        ((Abort(),), "ReadError", "reset by peer"),
        ((Close(),), "RemoteProtocolError", "without sending a response"),
        ((Raw(b"nonsense"), Close()), "RemoteProtocolError", "illegal status line"),
        ((HEAD, Send(b"x"), Close()), "RemoteProtocolError", "incomplete chunked read"),
        ((HEAD, Send(b"x"), Abort()), "ReadError", "reset by peer"),
        ((SHORT, Send(b"four"), Close()), "RemoteProtocolError", "received 4 bytes, expected 10"),
        ((SHORT, Send(b"four"), End()), "RemoteProtocolError", "received 4 bytes, expected 10"),
    ],
)
def test_every_bad_ending(
    library: ModuleType, monkeypatch: pytest.MonkeyPatch, steps: tuple[Step, ...], error: str, message: str
) -> None:
    """A connection that ends badly raises the exception, with the words, that real sockets lead to."""
    mock = _scripted(monkeypatch, *steps)
    with _client(library, mock) as client, pytest.raises(getattr(library, error), match=message):
        client.post(URL, json=BODY)


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_body_that_ends_with_the_connection(library: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """A body without framing is complete when the connection ends."""
    for end in (End(), Close()):
        mock = _scripted(monkeypatch, Head(200, framing="none"), Send(b"all"), end)
        with _client(library, mock) as client:
            assert client.post(URL, json=BODY).content == b"all"


def test_hanging_without_a_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that never comes, to a client without a timeout, is an error instead of a test that hangs."""
    mock = _scripted(monkeypatch, HEAD, Wait(FOREVER))
    with _client(httpx, mock, None) as client, pytest.raises(HangsForeverError):
        client.post(URL, json=BODY)
    assert mock.tickets[0].abandoned is True


def test_connecting_takes_a_round_trip() -> None:
    """A region's round trip counts against the connect timeout, once per host, and on the way there and back."""
    mock = _tunnel(regions={"far": {"rtt": "1s"}})
    impatient = httpx.Timeout(30.0, connect=0.5)
    with httpx.Client(transport=httpx.MockTransport(mock.handle), headers=HEADERS) as client:
        with pytest.raises(httpx.ConnectTimeout):
            client.post(URL, json=BODY, timeout=impatient)
        assert mock.now == pytest.approx(0.5)
        client.post(URL, json=BODY, timeout=30.0)
        assert mock.now == pytest.approx(0.5 + 1.0 + 1.0 + 4.0)
        client.post(URL, json=BODY, timeout=30.0)
        assert mock.now == pytest.approx(6.5 + 1.0 + 4.0)


def test_abandoned_work_holds_its_slot() -> None:
    """The closed loop holds without sockets: a slot whose client gave up is busy until its work is done."""
    mock = _tunnel(capacity={"slots": 1})
    with _client(httpx, mock) as client:
        with pytest.raises(httpx.ReadTimeout):
            client.post(URL, json=BODY, timeout=1.0)
        client.post(URL, json=BODY)
    assert mock.tickets[1].started_s == pytest.approx(4.0)
    assert mock.now == pytest.approx(8.0)


def test_phases_pass_in_virtual_time() -> None:
    """Phases change while virtual time passes."""
    plan = {
        "provider": {"answer": ANSWER},
        "phases": [
            {"name": "dark", "for": "1h", "provider": {"capacity": {"slots": 0}}},
            {"name": "light", "for": "1h"},
        ],
    }
    mock = InProcess(Plan.model_validate(plan))
    with _client(httpx, mock, None) as client:
        assert client.post(URL, json=BODY).status_code == 200
    assert mock.now == pytest.approx(3604.0)


def test_errors_of_the_api() -> None:
    """A request without a key gets the API's own error."""
    mock = _tunnel()
    with httpx.Client(transport=httpx.MockTransport(mock.handle)) as client:
        assert client.get("https://api.openai.com/v1/models").status_code == 401
        assert client.get("https://api.openai.com/v1/models", headers=HEADERS).status_code == 200


def test_closing_a_stream_early_is_leaving() -> None:
    """A client that closes a response before its end has left; one that has all of it has not."""
    mock = _tunnel()
    with _client(httpx, mock) as client:
        with client.stream("POST", URL, json={**BODY, "stream": True}) as answer:
            next(answer.iter_lines())
        with client.stream("POST", URL, json={**BODY, "stream": True}) as answer:
            answer.read()
    assert [ticket.abandoned for ticket in mock.tickets] == [True, False]


@pytest.mark.parametrize(("fault", "attempt"), [("server_error", 1), ("overloaded", 1), (None, 0)])
def test_a_like_request_after_a_failure_is_its_retry(fault: str | None, attempt: int) -> None:
    """The engine hears when an answer is over: what follows a failed one is the same call, after a good one it is
    another."""
    rules = [] if fault is None else [{"fault": fault, "match": {"attempt": 0}}]
    mock = _tunnel(*rules)
    with _client(httpx2, mock) as client:
        client.post(URL, json=BODY)
        client.post(URL, json=BODY)
    first, second = mock.tickets
    assert second.attempt == attempt
    assert (second.call is first.call) == (attempt == 1)


def test_a_like_request_after_a_timeout_is_its_retry() -> None:
    """So it is where the client left before the answer was over."""
    mock = _tunnel()
    with _client(httpx2, mock, timeout=1.0) as client:
        for _ in range(2):
            with pytest.raises(httpx2.ReadTimeout):
                client.post(URL, json=BODY)
    assert [ticket.attempt for ticket in mock.tickets] == [0, 1]
