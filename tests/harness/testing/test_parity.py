"""The mock in process is the mock behind sockets: the same outcome, text and attempts, for every fault."""

from __future__ import annotations

import re
from collections.abc import Iterator
from types import ModuleType
from typing import Any, NamedTuple

import httpx2
import openai
import openai._base_client
import pytest

from windtunnel.harness.testing.inprocess import InProcessMock
from windtunnel.harness.testing.process_view import MockProcess, ProcessView
from windtunnel.harness.testing.view import MockOpenAI
from windtunnel.mock_server.faults import FAULTS

LONG = "30s"
PATIENCE_S = 1.5
"""Seconds that a client waits for a read; faults that take time take longer, and everything else is at once."""

PARAMETERS: dict[str, dict[str, Any]] = {
    "cut": {"after_chunks": 5},
    "drip": {"bytes_per_second": 0.01},
    "eof_without_done": {"after_chunks": 3},
    "fragment": {"bytes": 40, "pause": "1ms"},
    "gateway_timeout": {"after": "100ms"},
    "hang": {"seconds": LONG},
    "open_after_done": {"seconds": LONG},
    "slow_first_token": {"seconds": LONG},
    "slow_headers": {"seconds": LONG},
    "stall": {"after_chunks": 3, "seconds": LONG},
    "stall_with_heartbeats": {"after_chunks": 3, "seconds": "500ms", "every": "100ms"},
    "status": {"status": 418},
}
"""What a fault is asked for with, where its defaults take long or say nothing."""

PROVIDERS: dict[str, dict[str, Any]] = {"gateway_timeout": {"answer": {"first_token": "1s"}}}
"""What the provider is like, so that a fault finds what it acts on."""

TOOLS = {
    "tools": [
        {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}
    ],
    "tool_choice": "required",
}
FORMAT = {
    "type": "json_schema",
    "json_schema": {
        "name": "kind",
        "strict": True,
        "schema": {
            "type": "object",
            "properties": {"kind": {"type": "string"}},
            "required": ["kind"],
            "additionalProperties": False,
        },
    },
}
ASKED: dict[str, dict[str, Any]] = {
    "bad_tool_arguments": TOOLS,
    "unknown_tool": TOOLS,
    "schema_violation": {"response_format": FORMAT},
    "non_json_content": {"response_format": FORMAT},
}
"""What the application asks for besides, so that a fault finds what it acts on."""

CASES = [
    pytest.param(name, api, stream, id=f"{name}-{api}-{'stream' if stream else 'whole'}")
    for name, kind in FAULTS.items()
    for api in (("chat",) if "chat" in kind.apis or kind.stage == "listener" else ("responses",))
    for stream in (False, True)
    if kind.acts_on(api, stream, http2=False) or kind.stage == "listener"
]


class Seen(NamedTuple):
    """What an application has of one call."""

    outcome: str
    answer: str
    """Everything of it that reached the application, as JSON."""
    attempts: int
    statuses: list[int | None]


@pytest.fixture(scope="module")
def process() -> Iterator[MockProcess]:
    """The mock behind sockets."""
    with MockProcess() as one:
        yield one


@pytest.fixture(autouse=True)
def _no_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK's pauses between attempts say nothing here."""
    base: Any = openai._base_client
    quick = ModuleType("time")
    vars(quick).update(vars(base.time), sleep=lambda _: None)
    monkeypatch.setattr(base, "time", quick)


def ask(mock: MockOpenAI, http_client: httpx2.Client, api: str, stream: bool, **asked: Any) -> Seen:
    """Make one call, with one retry, and say what became of it."""
    timeout = httpx2.Timeout(PATIENCE_S, connect=1.2 * PATIENCE_S)
    client = openai.OpenAI(
        api_key=mock.api_key, base_url=mock.base_url, http_client=http_client, max_retries=1, timeout=timeout
    )
    pieces: list[str] = []
    outcome = "ok"
    if stream and api == "chat":
        asked["stream_options"] = {"include_usage": True}
    try:
        made = make(client, api, stream, asked)
        for event in made if stream else [made]:
            text = event if isinstance(event, str) else event.to_json(indent=None, warnings=False)
            pieces.append(text)  # one by one: what came before an error counts
    except Exception as error:  # noqa: BLE001 - whatever it is, is what is compared
        outcome = f"{type(error).__name__} of {type(error.__cause__).__name__}"
    calls = mock.calls
    statuses = [one.status for call in calls for one in call.requests]
    return Seen(outcome, _without_what_differs("\n".join(pieces)), len(statuses), statuses)


def make(client: openai.OpenAI, api: str, stream: bool, asked: dict[str, Any]) -> Any:
    """Make the call."""
    if api == "responses":
        return client.responses.create(model="gpt-4.1-mini", input="Hello", stream=stream, **asked)
    hello: Any = [{"role": "user", "content": "Hello"}]
    return client.chat.completions.create(model="gpt-4.1-mini", messages=hello, stream=stream, **asked)


def _without_what_differs(text: str) -> str:
    """The text without moments and ids of objects, of which each server has its own."""
    return re.sub(r'"(created|created_at|completed_at)":[0-9.]+|[a-z]+_[0-9a-f]{16,}', "…", text)


@pytest.mark.parametrize(("name", "api", "stream"), CASES)
def test_in_process_is_as_sockets(process: MockProcess, name: str, api: str, stream: bool) -> None:
    """Outcome, partial answer and attempts do not depend on whether there are sockets; and the fault has acted."""
    asked = ASKED.get(name, {})
    real = (
        ProcessView(process).fault(name, with_=PARAMETERS.get(name, {})).provider(**PROVIDERS.get(name, {}))
    )
    with httpx2.Client() as client:
        over_sockets = ask(real, client, api, stream, **asked)
    mock = InProcessMock().fault(name, with_=PARAMETERS.get(name, {})).provider(**PROVIDERS.get(name, {}))
    with httpx2.Client(transport=mock) as client:
        in_process = ask(mock, client, api, stream, **asked)
    assert in_process == over_sockets
    if FAULTS[name].stage != "listener":
        assert [one.faults for one in mock.served] == [one.faults for one in real.served]
        assert all(name in one.faults for one in mock.served)


def test_what_is_compared_tells_faults_apart() -> None:
    """The comparison would see another outcome, another answer, and another number of attempts."""
    seen = {}
    for name in ("overloaded", "eof_without_done", "malformed_json", "crlf_events", "model_not_found"):
        mock = InProcessMock().fault(name, with_=PARAMETERS.get(name, {}))
        with httpx2.Client(transport=mock) as client:
            seen[name] = ask(mock, client, "chat", stream=True)
    assert seen["overloaded"] == Seen("InternalServerError of NoneType", "", 2, [503, 503])
    assert seen["model_not_found"][::2] == ("NotFoundError of NoneType", 1)
    assert seen["crlf_events"][::2] == ("ok", 1)
    assert 0 < len(seen["eof_without_done"].answer) < len(seen["crlf_events"].answer)
    assert seen["malformed_json"].outcome not in ("ok", seen["overloaded"].outcome)
