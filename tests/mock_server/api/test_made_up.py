"""Ids that name nothing: a 404 as for OpenAI, or an object that is made up."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from tests.mock_server.engines import plan
from tests.mock_server.scripts import body_of
from windtunnel.mock_server.api.parse import parse
from windtunnel.mock_server.engine import Engine, Ticket

HEADERS = {"authorization": "Bearer sk-x", "content-type": "application/json"}


def ask(engine: Engine, method: str, path: str, body: Any = None, *, accept: bool = True) -> tuple[int, Any]:
    """Status and JSON of an answer."""
    data = b"" if body is None else orjson.dumps(body)
    request = parse(method, f"/v1{path}", HEADERS, data, region="local", unknown_ids=accept)
    assert request.problem is None, body_of(request.problem)
    ticket: Ticket = engine.identify(request, 0.0)
    engine.admit(ticket, 0.0)
    script = engine.start(ticket, 0.0) if ticket.state == "granted" else ticket.script
    assert script is not None
    assert script.status is not None
    text = body_of(script)
    try:
        return script.status, orjson.loads(text)
    except orjson.JSONDecodeError:
        return script.status, text


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/responses/resp_123", None),
        ("GET", "/responses/resp_123/input_items", None),
        ("POST", "/responses/resp_123/cancel", {}),
        ("DELETE", "/responses/resp_123", None),
        ("GET", "/chat/completions/chatcmpl_123", None),
        ("GET", "/chat/completions/chatcmpl_123/messages", None),
        ("POST", "/chat/completions/chatcmpl_123", {"metadata": {"a": "b"}}),
        ("DELETE", "/chat/completions/chatcmpl_123", None),
        ("GET", "/conversations/conv_123", None),
        ("POST", "/conversations/conv_123", {"metadata": {}}),
        ("GET", "/conversations/conv_123/items", None),
        ("GET", "/conversations/conv_123/items/msg_abc", None),
        ("DELETE", "/conversations/conv_123/items/msg_abc", None),
        ("DELETE", "/conversations/conv_123", None),
        ("GET", "/files/file_123", None),
        ("GET", "/files/file_123/content", None),
        ("DELETE", "/files/file_123", None),
        ("POST", "/uploads/upload_123/cancel", {}),
        ("GET", "/batches/batch_123", None),
        ("POST", "/batches/batch_123/cancel", {}),
        ("POST", "/responses", {"model": "m", "input": "x", "previous_response_id": "resp_9"}),
        ("POST", "/responses", {"model": "m", "input": "x", "conversation": "conv_9"}),
    ],
)
def test_an_id_that_names_nothing_is_made_up_or_refused(method: str, path: str, body: Any) -> None:
    """Where ids are accepted the answer is about the object of that id; otherwise it is the error that OpenAI has."""
    status, error = ask(Engine(plan()), method, path, body, accept=False)
    assert status in (400, 404), error
    status, found = ask(Engine(plan()), method, path, body)
    assert status == 200, found
    if (
        isinstance(found, dict)
        and found.get("object") != "list"
        and method != "DELETE"
        and path.count("/") == 2
    ):
        assert found["id"] == path.split("/")[2 if "chat" not in path else 3]


def test_what_was_made_up_stays() -> None:
    """Further requests see the same object, and a change of it."""
    engine = Engine(plan())
    first, again = [ask(engine, "GET", "/responses/resp_123") for _ in range(2)]
    assert first == again
    ask(engine, "POST", "/conversations/conv_1", {"metadata": {"topic": "tea"}})
    assert ask(engine, "GET", "/conversations/conv_1")[1]["metadata"] == {"topic": "tea"}
