"""What a request asks for itself: faults by the name of a model, and objects that do not exist."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from tests.mock_server.engines import arrive, body, engine_with
from windtunnel.mock_server.api.endpoint import World
from windtunnel.mock_server.api.errors import ApiError
from windtunnel.mock_server.provider import admission
from windtunnel.mock_server.request import Request


def test_a_model_s_name_may_be_a_fault() -> None:
    """`windtunnel/FAULT` is that fault on that request, with parameters as in the header, for any list of models."""
    engine = engine_with(provider={"models": ["gpt-4.1"]})
    assert arrive(engine, 0.0, "c0", model="windtunnel/overloaded").status == 503
    stalled = arrive(engine, 0.0, "c1", model="windtunnel/stall;after_chunks=3;seconds=5")
    assert stalled.faults == ("stall",)
    both = arrive(engine, 0.0, "c2", model="windtunnel/stall;seconds=5", fault_header="slow_first_token")
    assert sorted(both.faults) == ["slow_first_token", "stall"]
    assert arrive(engine, 0.0, "c3").faults == ()


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("windtunnel/overloded", "'overloaded' perhaps"),
        ("windtunnel/stall;seconds=soon", "model.stall.seconds"),
        ("windtunnel/stall;colour=red", "model.stall.colour"),
        ("windtunnel/refuse", "a fault of one request"),
        ("windtunnel/", "unknown fault ''"),
    ],
)
def test_a_magic_name_that_makes_no_sense_is_a_400_that_says_so(model: str, said: str) -> None:
    """The error names the nearest fault or the parameter, in the form of a model that does not exist."""
    ticket = arrive(engine_with(), 0.0, model=model)
    error = orjson.loads(body(ticket))["error"]
    assert (ticket.status, error["param"], error["code"]) == (400, "model", "model_not_found")
    assert said in error["message"]


@pytest.mark.parametrize("header", ["refuse", "blackhole"])
def test_no_request_closes_a_port(header: str) -> None:
    """Faults of a listener cannot be asked for by a request that has come in."""
    ticket = arrive(engine_with(), 0.0, fault_header=header)
    assert ticket.status == 400
    assert b"a fault of one request" in body(ticket)


def test_book_keeping_needs_no_model() -> None:
    """A list of models is about generating: files and stored objects name none."""
    engine = engine_with(provider={"models": ["gpt-4.1"]})
    assert arrive(engine, 0.0, "c0", api="files", model="", stream=False).status == 200


def test_an_endpoint_may_refuse_what_it_cannot_find(monkeypatch: pytest.MonkeyPatch) -> None:
    """A look-up that fails is answered before faults and limits, and takes neither quota nor slot."""
    seen: list[Any] = []

    def refuse(request: Request, engine: World) -> ApiError | None:
        seen.append(engine.call_key)
        return ApiError(404, "not found") if request.body.get("previous") else None

    monkeypatch.setitem(admission._REFUSING, "made.up", refuse)
    engine = engine_with(
        provider={"limits": {"rpm": 60}}, rules=[{"fault": "server_error", "match": {"attempt": 0}}]
    )
    asked: dict[str, Any] = {"endpoint": "made.up", "body": {"previous": "resp_1"}}
    assert [arrive(engine, 0.0, "c0", **asked).status for _ in range(2)] == [404, 404]
    assert arrive(engine, 0.0, "c0", endpoint="made.up").status == 200
    assert seen == ["c0"] * 3
    assert engine.snapshot(0.0)["regions"]["local"]["limits"][0]["remaining_requests"] == 59
