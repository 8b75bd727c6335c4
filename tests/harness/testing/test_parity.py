"""The mock in process is the mock behind sockets: the same outcome, text and attempts, for every fault."""

from __future__ import annotations

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

CASES = [
    pytest.param(name, stream, id=f"{name}-{'stream' if stream else 'whole'}")
    for name, kind in FAULTS.items()
    for stream in (False, True)
    if kind.acts_on("chat", stream) or kind.stage == "listener"
]


class Seen(NamedTuple):
    """What an application has of one call."""

    outcome: str
    text: str
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


def ask(mock: MockOpenAI, http_client: httpx2.Client, stream: bool) -> Seen:
    """Make one call, with one retry, and say what became of it."""
    timeout = httpx2.Timeout(PATIENCE_S, connect=1.2 * PATIENCE_S)
    client = openai.OpenAI(
        api_key=mock.api_key, base_url=mock.base_url, http_client=http_client, max_retries=1, timeout=timeout
    )
    pieces: list[str] = []
    outcome = "ok"
    try:
        made: Any = client.chat.completions.create(
            model="gpt-4.1-mini", messages=[{"role": "user", "content": "Hello"}], stream=stream
        )
        if stream:
            for event in made:
                pieces += [one.delta.content or "" for one in event.choices]
        else:
            pieces.append(made if isinstance(made, str) else made.choices[0].message.content or "")
    except Exception as error:  # noqa: BLE001 - whatever it is, is what is compared
        outcome = f"{type(error).__name__} of {type(error.__cause__).__name__}"
    calls = mock.calls
    statuses = [one.status for call in calls for one in call.requests]
    return Seen(outcome, "".join(pieces), len(statuses), statuses)


@pytest.mark.parametrize(("name", "stream"), CASES)
def test_in_process_is_as_sockets(process: MockProcess, name: str, stream: bool) -> None:
    """Outcome, partial text and attempts do not depend on whether there are sockets."""
    real = ProcessView(process).fault(name, with_=PARAMETERS.get(name, {}))
    with httpx2.Client() as client:
        over_sockets = ask(real, client, stream)
    mock = InProcessMock().fault(name, with_=PARAMETERS.get(name, {}))
    with httpx2.Client(transport=mock) as client:
        in_process = ask(mock, client, stream)
    assert in_process == over_sockets


def test_what_is_compared_tells_faults_apart(process: MockProcess) -> None:
    """The comparison would see another outcome, another text, and another number of attempts."""
    seen = {}
    for name in ("overloaded", "eof_without_done", "malformed_json", "missing_usage", "model_not_found"):
        mock = InProcessMock().fault(name, with_=PARAMETERS.get(name, {}))
        with httpx2.Client(transport=mock) as client:
            seen[name] = ask(mock, client, stream=True)
    assert seen["overloaded"] == Seen("InternalServerError of NoneType", "", 2, [503, 503])
    assert seen["model_not_found"][::2] == ("NotFoundError of NoneType", 1)
    assert seen["missing_usage"][::2] == ("ok", 1)
    assert 0 < len(seen["eof_without_done"].text) < len(seen["missing_usage"].text)
    assert seen["malformed_json"].outcome not in ("ok", seen["overloaded"].outcome)
