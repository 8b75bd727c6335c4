"""Background work and cancels without sockets, in virtual time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from windtunnel.mock_server.api.endpoint import Answer, World
from windtunnel.mock_server.api.routes import healthy_answer
from windtunnel.mock_server.plan.plan import Plan
from windtunnel.mock_server.request import Request
from windtunnel.mock_server.script import End, FirstToken, Head, Script, Send
from windtunnel.mock_server.transports.inprocess.inprocess import InProcess

URL = "https://api.openai.com/v1/chat/completions"
EARLY = Script((Head(200), FirstToken(), Send(b"early", 1, "terminal"), End()))
ANSWER = {"first_token": "2s", "tokens": 21, "tokens_per_second": 10.0, "tokens_per_chunk": 1}


@pytest.fixture
def mock(monkeypatch: pytest.MonkeyPatch) -> InProcess:
    """One slot. Requests with metadata are background work, `{"metadata": {"cancel": CALL}}` ends that of others."""
    made = InProcess(Plan.model_validate({"provider": {"answer": ANSWER, "capacity": {"slots": 1}}}))
    lives: dict[str, Any] = {}

    def answer(request: Request, world: World) -> Answer:
        healthy, metadata = healthy_answer(request, world), request.body.get("metadata", {})

        def effect(life: Any) -> None:
            lives[world.call_key] = life
            if "cancel" in metadata:
                lives[metadata["cancel"]].cancel(world.now)

        early = EARLY if metadata and not request.stream else None
        return Answer(healthy.script, "", healthy.tokens, "stop", effect, early, bool(metadata))

    monkeypatch.setattr(made.engine._admission, "answer", answer)
    return made


@pytest.fixture
def client(mock: InProcess) -> Iterator[httpx2.Client]:
    """A client that is mocked at its transport."""
    headers = {"authorization": "Bearer sk-test"}
    with httpx2.Client(transport=httpx2.MockTransport(mock.handle), headers=headers) as made:
        yield made


def ask(call: str, stream: bool = False, **metadata: str) -> dict[str, Any]:
    messages = [{"role": "user", "content": "hello"}]
    body = {"model": "gpt-4.1-mini", "messages": messages, "stream": stream, "metadata": metadata}
    return {"json": body, "headers": {"x-windtunnel-call": call}}


def test_background_work_takes_no_time_of_its_client(mock: InProcess, client: httpx2.Client) -> None:
    """Two pieces of work are created at once; a plain request then waits for both."""
    assert [client.post(URL, **ask(call, background="yes")).text for call in ("c0", "c1")] == ["early"] * 2
    assert mock.now == 0.0
    assert [ticket.state for ticket in mock.tickets] == ["running", "queued"]
    client.post(URL, **ask("c2"), timeout=60)
    assert mock.now == pytest.approx(12.0)
    assert [ticket.tokens_billed for ticket in mock.tickets] == [21, 21, 21]


def test_a_cancel_ends_a_stream_that_is_being_read(mock: InProcess, client: httpx2.Client) -> None:
    """The stream ends properly where it is, and the next request has the slot at once."""
    with client.stream("POST", URL, **ask("c0", stream=True, background="yes"), timeout=60) as answer:
        lines = answer.iter_lines()
        assert next(lines).startswith("data: ")
        client.post(URL, **ask("c1", cancel="c0"))
        rest = [line for line in lines if line]
    assert "data: [DONE]" not in rest
    assert [ticket.state for ticket in mock.tickets] == ["ended", "running"]
    assert mock.tickets[0].tokens_billed < 21


def test_a_cancel_in_the_queue_ends_the_wait(mock: InProcess, client: httpx2.Client) -> None:
    """What was cancelled while it waited for its slot never begins."""
    client.post(URL, **ask("c0", background="yes"))
    client.post(URL, **ask("c1", background="yes"))
    client.post(URL, **ask("c2", cancel="c1"))
    mock.advance(60.0)
    assert [ticket.state for ticket in mock.tickets] == ["ended", "gone", "ended"]


def test_a_replay_follows_its_first_request_out_of_the_queue(mock: InProcess, client: httpx2.Client) -> None:
    """A repeated request waits for the slot of the one that it repeats, and has the same answer at the same time."""
    client.post(URL, **ask("c0", background="yes"))
    key = {"idempotency-key": "i1"}
    impatient, patient = ask("c1"), ask("c1")
    for one in (impatient, patient):
        one["headers"] |= key
    with pytest.raises(httpx2.ReadTimeout):
        client.post(URL, **impatient, timeout=1)
    assert client.post(URL, **patient, timeout=60).status_code == 200
    assert mock.now == pytest.approx(8.0)
    assert [ticket.executed for ticket in mock.tickets] == [True, True, False]
