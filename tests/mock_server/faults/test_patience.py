"""Faults that take time: a gateway that waits, a connection that is cut after a time or a silence."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest
from pydantic import ValidationError

from windtunnel.mock_server.faults import FAULTS
from windtunnel.mock_server.plan.plan import Plan
from windtunnel.mock_server.transports.inprocess.inprocess import InProcess

URL = "https://api.openai.com/v1/chat/completions"
AZURE = "https://me.openai.azure.com/openai/deployments/d/chat/completions?api-version=2024-10-21"
BODY = {"model": "gpt-4.1-mini", "messages": [{"role": "user", "content": "hello"}]}
ANSWER = {"first_token": "2s", "tokens": 21, "tokens_per_second": 10.0, "tokens_per_chunk": 1}
"""The first token after 2 s, the last one after 4."""


def mock_with(*rules: dict[str, Any], **capacity: Any) -> InProcess:
    provider = {"answer": ANSWER, **({"capacity": capacity} if capacity else {})}
    return InProcess(Plan.model_validate({"provider": provider, "rules": list(rules)}))


def call(mock: InProcess, *, stream: bool = False, url: str = URL, timeout: float = 100.0) -> Any:
    """The status, or the exception's name, and the content of one call."""
    headers = {"authorization": "Bearer sk-test"}
    with httpx2.Client(
        transport=httpx2.MockTransport(mock.handle), timeout=timeout, headers=headers
    ) as client:
        try:
            answer = client.post(url, json={**BODY, "stream": stream})
        except httpx2.HTTPError as error:
            return type(error).__name__
        return answer


@pytest.mark.parametrize("stream", [False, True])
def test_a_gateway_answers_for_a_provider_that_is_slower_than_its_patience(stream: bool) -> None:
    """After the time, and not before, comes the 504, and the fault has acted."""
    mock = mock_with({"fault": "gateway_timeout", "with": {"after": "1s"}})
    answer = call(mock, stream=stream)
    assert (answer.status_code, mock.now) == (504, 1.0)
    assert answer.json()["error"]["message"] == "Gateway timeout."
    assert (mock.tickets[0].faults, mock.tickets[0].status) == (("gateway_timeout",), 504)


@pytest.mark.parametrize(("stream", "after", "end"), [(False, "4s", 4.0), (True, "2s", 4.0)])
def test_an_answer_in_time_is_passed_on_and_no_fault_has_acted(stream: bool, after: str, end: float) -> None:
    """What begins within the patience of the gateway is what it was without it: the first byte is what counts."""
    mock = mock_with({"fault": "gateway_timeout", "with": {"after": after}})
    answer = call(mock, stream=stream)
    assert (answer.status_code, mock.now) == (200, pytest.approx(end))
    assert mock.tickets[0].faults == ()
    assert mock.engine.snapshot(mock.now)["rules"][0]["acted"] == 0


def test_without_a_time_the_timeout_comes_at_once() -> None:
    """A plan of before means what it did."""
    mock = mock_with({"fault": "gateway_timeout"})
    assert (call(mock).status_code, mock.now) == (504, 0.0)


@pytest.mark.parametrize(("slot", "billed", "busy_until"), [("held", 21, 4.0), ("freed", 0, 1.0)])
def test_the_slot_is_held_or_freed_as_the_rule_says(slot: str, billed: int, busy_until: float) -> None:
    """With `held` the provider does the work for nobody and bills it; with `freed` the next request starts at once."""
    mock = mock_with({"fault": "gateway_timeout", "with": {"after": "1s", "slot": slot}}, slots=1)
    assert call(mock).status_code == 504
    mock.advance(busy_until - 0.01)
    assert mock.engine.load()[0] == (1 if slot == "held" else 0)
    mock.advance(busy_until)
    assert mock.engine.load()[0] == 0
    assert mock.tickets[0].tokens_billed == billed


@pytest.mark.parametrize(("abandoned", "busy"), [("keep_working", 1), ("stop", 0)])
def test_without_a_word_the_slot_is_as_for_abandoned_requests(abandoned: str, busy: int) -> None:
    """Left out, `slot` is what the provider does when a client leaves; the request itself is not abandoned."""
    mock = mock_with({"fault": "gateway_timeout", "with": {"after": "1s"}}, slots=1, abandoned=abandoned)
    assert call(mock).status_code == 504
    assert mock.engine.load()[0] == busy
    assert not mock.tickets[0].abandoned


@pytest.mark.parametrize(("slot", "billed"), [("held", [21, 21]), ("freed", [21, 0])])
def test_the_gateway_does_not_know_of_the_queue(slot: str, billed: list[int]) -> None:
    """Time in the queue counts: a request that is still queued gets its 504, and keeps its place or loses it."""
    rule = {"fault": "gateway_timeout", "with": {"after": "1s", "slot": slot}, "match": {"model": "gpt-4.1"}}
    mock = mock_with(rule, slots=1, queue=5)
    headers = {"authorization": "Bearer sk-test"}
    with (
        httpx2.Client(transport=httpx2.MockTransport(mock.handle), timeout=100.0, headers=headers) as client,
        client.stream("POST", URL, json={**BODY, "stream": True}),
    ):
        answer = client.post(URL, json={**BODY, "model": "gpt-4.1"})
        assert (answer.status_code, mock.now) == (504, 1.0)
        mock.advance(20.0)
    assert [ticket.tokens_billed for ticket in mock.tickets] == billed
    assert mock.tickets[1].faults == ("gateway_timeout",)


def test_a_timeout_of_azure_has_azures_form() -> None:
    """The 504 of a limit is dressed like any answer of Azure."""
    mock = mock_with({"fault": "gateway_timeout", "with": {"after": "1s"}})
    answer = call(mock, url=AZURE)
    assert answer.status_code == 504
    assert "apim-request-id" in answer.headers
    assert "openai-version" not in answer.headers


def test_slow_headers_make_an_error_late_too() -> None:
    """An error of the gateway behind slow headers takes their time: the two compose."""
    rules: list[dict[str, Any]] = [
        {"fault": "gateway_timeout", "charge": True},
        {"fault": "slow_headers", "with": {"seconds": "3s"}},
    ]
    mock = mock_with(*rules)
    assert (call(mock).status_code, mock.now) == (504, 3.0)
    assert mock.tickets[0].faults == ("gateway_timeout", "slow_headers")


def test_slow_headers_count_for_the_gateway_behind_them() -> None:
    """Headers that come after 6 s are too late for a gateway that waits 5, whatever the order of the rules."""
    slow = {"fault": "slow_headers", "with": {"seconds": "6s"}}
    limit = {"fault": "gateway_timeout", "with": {"after": "5s"}}
    for rules in ((slow, limit), (limit, slow)):
        mock = mock_with(*rules)
        assert (call(mock, stream=True).status_code, mock.now) == (504, 5.0)


@pytest.mark.parametrize(
    ("rule", "stream", "at"),
    [
        ({"fault": "cut", "with": {"after": "3s"}}, True, 3.0),
        ({"fault": "close", "with": {"at": "after 3s"}}, True, 3.0),
        ({"fault": "close", "with": {"at": "after 3s"}}, False, 3.0),
        ({"fault": "close", "with": {"at": {"after": "3s"}}}, False, 3.0),
        ({"fault": "reset", "with": {"at": "after 3s"}}, False, 3.0),
        ({"fault": "cut", "with": {"silence": "1500ms"}}, True, 1.5),
        ({"fault": "reset", "with": {"at": "after_silence 1500ms"}}, False, 1.5),
    ],
)
def test_what_takes_too_long_is_cut_at_that_time(rule: dict[str, Any], stream: bool, at: float) -> None:
    """The connection ends when the time is over, streamed or whole, and the client sees a broken answer."""
    mock = mock_with(rule)
    assert call(mock, stream=stream) in ("RemoteProtocolError", "ReadError")
    assert mock.now == pytest.approx(at)
    assert mock.tickets[0].faults == (rule["fault"],)


@pytest.mark.parametrize(
    "rule",
    [
        {"fault": "cut", "with": {"after": "4s"}},
        {"fault": "cut", "with": {"silence": "2s"}},
        {"fault": "close", "with": {"at": "after_silence 2500ms"}},
        {"fault": "reset", "with": {"at": "after 5s"}},
    ],
)
def test_what_is_quick_enough_is_whole(rule: dict[str, Any]) -> None:
    """An answer that ends in time, and is never silent for that long, is not touched."""
    mock = mock_with(rule)
    assert call(mock, stream=True).text.endswith("data: [DONE]\n\n")
    assert mock.tickets[0].faults == ()


def test_heartbeats_are_no_silence() -> None:
    """Comments keep a connection alive for whoever counts bytes; without them the stall is cut."""
    limit = {"fault": "cut", "with": {"silence": "5s"}}
    beats = {"fault": "stall_with_heartbeats", "with": {"seconds": "20s", "every": "1s"}}
    stall = {"fault": "stall", "with": {"seconds": "20s"}}
    assert call(mock_with(limit, beats), stream=True).status_code == 200
    mock = mock_with(limit, stall)
    assert call(mock, stream=True) == "RemoteProtocolError"
    assert mock.now == pytest.approx(7.0)


def test_a_slow_drip_is_cut_in_the_middle() -> None:
    """A limit on the whole answer holds for bytes that trickle, too, those of the head among them."""
    drip = {"fault": "drip", "with": {"bytes_per_second": 50, "head": True}}
    mock = mock_with(drip, {"fault": "close", "with": {"at": "after 3s"}})
    assert call(mock, stream=True) == "RemoteProtocolError"
    assert mock.now == pytest.approx(3.0, abs=0.05)


def test_of_two_limits_the_first_to_come_counts() -> None:
    """A gateway of 3 s before a firewall that forgets silent connections after 1 s."""
    rules: list[dict[str, Any]] = [
        {"fault": "gateway_timeout", "with": {"after": "3s"}},
        {"fault": "reset", "with": {"at": "after_silence 1s"}},
    ]
    mock = mock_with(*rules)
    assert call(mock) == "ReadError"
    assert (mock.now, mock.tickets[0].faults) == (1.0, ("reset",))


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("cut", {"after": "3s", "silence": "1s"}),
        ("cut", {"after_chunks": 3, "silence": "1s"}),
        ("cut", {"after": 3}),
        ("close", {"at": "after soon"}),
        ("close", {"at": {"after": 3}}),
        ("gateway_timeout", {"after": "1s", "slot": "kept"}),
    ],
)
def test_wrong_times_are_refused(name: str, params: dict[str, Any]) -> None:
    """Two places at once, and times that are none, are errors at load."""
    with pytest.raises(ValidationError):
        FAULTS[name].params.model_validate(params)
