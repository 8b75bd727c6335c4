"""A plan and requests for tests of the engine, with answers of a known length in place of the API's."""

from __future__ import annotations

from typing import Any

from tests.mock_server.scripts import body_of, headers_of
from windtunnel.mock_server.api.endpoint import Answer, World
from windtunnel.mock_server.engine import Engine, Ticket
from windtunnel.mock_server.plan.plan import Plan
from windtunnel.mock_server.request import Request
from windtunnel.mock_server.script import End, FirstToken, Head, Script, Send, Step, Tokens


def fixed_answer(request: Request, world: World) -> Answer:
    """A streamed answer of exactly `tokens` tokens (or `max_tokens`), one byte each."""
    tokens, tokens_per_chunk = world.tokens, world.tokens_per_chunk
    count = tokens if request.max_tokens is None else min(tokens, request.max_tokens)
    steps: list[Step] = [Head(200, (("content-type", "text/event-stream"),), "chunked"), FirstToken()]
    steps.append(Send(b"t", 1, "content"))
    left = count - 1
    while left > 0:
        piece = min(left, tokens_per_chunk)
        steps += [Tokens(piece), Send(b"t" * piece, piece, "content")]
        left -= piece
    steps += [Send(b"[DONE]", 0, "terminal"), End()]
    return Answer(Script(tuple(steps)), f"truth of {count}", count, "stop")


def plan(**parts: Any) -> Plan:
    """A plan whose answers are constant unless said otherwise: 300 ms and 60 tokens at 80 a second."""
    provider = dict(parts.pop("provider", {}))
    provider["answer"] = {"first_token": "300ms", "tokens": 60, **provider.get("answer", {})}
    return Plan.model_validate({"provider": provider, **parts})


def engine_with(**parts: Any) -> Engine:
    """An engine with `plan(**parts)` and answers of a known length."""
    return Engine(plan(**parts), answer=fixed_answer)


def request(call_id: str | None = "c0", **parts: Any) -> Request:
    """A streamed chat request of 50 prompt tokens."""
    given: dict[str, Any] = {
        "api": "chat",
        "model": "gpt-4.1",
        "region": "local",
        "stream": True,
        "key_hash": "k1",
        "body_hash": "b1",
        "prompt_tokens": 50,
    }
    return Request(call_id=call_id, **(given | parts))


def arrive(engine: Engine, now: float, call_id: str | None = "c0", **parts: Any) -> Ticket:
    """Identify and admit one request; started at once if it was granted a slot."""
    ticket = engine.identify(request(call_id, **parts), now)
    engine.admit(ticket, now)
    if ticket.state == "granted":
        engine.start(ticket, now)
    return ticket


def finish(engine: Engine, ticket: Ticket, now: float) -> list[Ticket]:
    """End a running ticket's slot at a time of the test's choice; returns the tickets that may start."""
    engine._schedule.remove(ticket)
    engine._schedule.may_start(engine._finish(ticket, now))
    return engine._schedule.take().started


def leave(engine: Engine, ticket: Ticket, now: float) -> list[Ticket]:
    """Have a ticket's client leave; returns the tickets that may start."""
    engine.left(ticket, now)
    return engine._schedule.take().started


def headers(ticket: Ticket) -> dict[str, str]:
    """The headers of the ticket's answer."""
    assert ticket.script is not None
    return headers_of(ticket.script)


def body(ticket: Ticket) -> bytes:
    """The bytes of the ticket's answer."""
    assert ticket.script is not None
    return body_of(ticket.script)
