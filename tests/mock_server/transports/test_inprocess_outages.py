"""What a mocked client sees of ports that are closed, and of answers that are broken as HTTP."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import httpx
import httpx2
import pytest

from windtunnel.mock_server.errors import PlanError
from windtunnel.mock_server.plan.plan import Plan
from windtunnel.mock_server.transports.inprocess.inprocess import InProcess

URL = "https://api.openai.com/v1/chat/completions"
BODY = {"model": "gpt-4.1-mini", "messages": [{"role": "user", "content": "hello"}]}
HEADERS = {"authorization": "Bearer sk-test"}
ANSWER = {"first_token": "2s", "tokens": 21, "tokens_per_second": 10.0, "tokens_per_chunk": 1}


def in_process(*rules: dict[str, Any], **parts: Any) -> InProcess:
    """A mock whose answers take four seconds."""
    return InProcess(Plan.model_validate({"provider": {"answer": ANSWER}, "rules": list(rules), **parts}))


def client_of(library: ModuleType, mock: InProcess, timeout: float | None = 5.0) -> Any:
    """A client that talks to the mock."""
    return library.Client(transport=library.MockTransport(mock.handle), timeout=timeout, headers=HEADERS)


@pytest.fixture(params=[httpx, httpx2])
def library(request: pytest.FixtureRequest) -> ModuleType:
    """Both libraries."""
    module: ModuleType = request.param
    return module


def test_refused(library: ModuleType) -> None:
    """Connecting fails at once, and the provider has seen no request."""
    mock = in_process({"fault": "refuse"})
    with client_of(library, mock) as client, pytest.raises(library.ConnectError):
        client.post(URL, json=BODY)
    assert (mock.now, mock.tickets) == (0.0, [])


@pytest.mark.parametrize(("timeout", "after"), [(5.0, 5.0), (0.5, 0.5), (None, 127.0)])
def test_blackholed(library: ModuleType, timeout: float | None, after: float) -> None:
    """Connecting takes the client's own timeout, or without one what the kernel has patience for."""
    mock = in_process({"fault": "blackhole"})
    with client_of(library, mock, timeout) as client, pytest.raises(library.ConnectTimeout):
        client.post(URL, json=BODY)
    assert mock.now == pytest.approx(after)


def test_a_blackhole_that_ends_lets_the_next_syn_in(library: ModuleType) -> None:
    """A client that still waits is connected with the SYN after the end, here the third."""
    phases = [
        {"name": "dark", "for": "2s", "rules": [{"fault": "blackhole"}]},
        {"name": "after", "for": "1h"},
    ]
    mock = in_process(phases=phases)
    with client_of(library, mock) as client:
        assert client.post(URL, json=BODY).status_code == 200
    assert mock.now == pytest.approx(3.0 + 4.0)


def test_a_connection_that_exists_is_kept_or_reset(library: ModuleType) -> None:
    """Kept, it goes on being used; reset, it ends in mid-answer and the next request cannot connect."""
    for established, error in (("keep", None), ("reset", library.ReadError)):
        rule = {"fault": "refuse", "with": {"established": established}}
        phases = [{"name": "well", "for": "3s"}, {"name": "dark", "for": "1h", "rules": [rule]}]
        mock = in_process(phases=phases)
        with client_of(library, mock) as client:
            if error is None:
                assert [client.post(URL, json=BODY).status_code for _ in range(2)] == [200, 200]
                continue
            with pytest.raises(error):
                client.post(URL, json=BODY)
            assert mock.now == pytest.approx(3.0)
            with pytest.raises(library.ConnectError):
                client.post(URL, json=BODY)


@pytest.mark.parametrize(
    ("rule", "error", "message"),
    [
        ({"fault": "short_body"}, "RemoteProtocolError", "expected"),
        ({"fault": "incomplete_chunked"}, "RemoteProtocolError", "incomplete chunked read"),
        ({"fault": "bad_status_line"}, "RemoteProtocolError", "illegal status line"),
        ({"fault": "huge_headers"}, "RemoteProtocolError", "Receive buffer too long"),
        ({"fault": "bad_gzip"}, "DecodingError", "incorrect header check"),
        ({"fault": "slow_headers", "with": {"seconds": "6s"}}, "ReadTimeout", "timed out"),
        ({"fault": "drip", "with": {"bytes_per_second": 10, "head": True}}, "ReadTimeout", "timed out"),
    ],
)
def test_broken_answers(library: ModuleType, rule: dict[str, Any], error: str, message: str) -> None:
    """Each raises what the library raises over a real connection."""
    with (
        client_of(library, in_process(rule)) as client,
        pytest.raises(getattr(library, error), match=message),
    ):
        client.post(URL, json=BODY)


def test_a_drip_takes_its_time(library: ModuleType) -> None:
    """No pause is long enough for a read timeout, and the answer is whole after bytes ÷ rate."""
    mock = in_process({"fault": "drip", "with": {"bytes_per_second": 10}})
    with client_of(library, mock) as client:
        answer = client.post(URL, json=BODY)
    assert answer.json()["object"] == "chat.completion"
    assert mock.now == pytest.approx(4.0 + (len(answer.content) - 1) / 10)


def test_a_silent_region_needs_connections() -> None:
    """Refused, as nothing here could be silent."""
    with pytest.raises(
        PlanError, match=r"provider.regions.local.reachable: found silent, expected open or refused"
    ):
        InProcess(Plan.model_validate({"provider": {"regions": {"local": {"reachable": "silent"}}}}))
