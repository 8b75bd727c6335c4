"""The mock without sockets: as a transport, under respx, and as a test server of aiohttp."""

from __future__ import annotations

import asyncio
import time
from types import ModuleType
from typing import Any

import aiohttp
import httpx
import httpx2
import openai
import pytest
from aiohttp.test_utils import TestClient

import windtunnel.testing
from windtunnel.harness.errors import InputError
from windtunnel.harness.testing.inprocess import OPENAI, InProcessMock

URL = f"{OPENAI}/chat/completions"
HELLO: dict[str, Any] = {"model": "gpt-4.1-mini", "messages": [{"role": "user", "content": "Hello"}]}
KEY = {"authorization": "Bearer sk-mine"}


@pytest.fixture(params=[httpx, httpx2], ids=lambda module: module.__name__)
def library(request: pytest.FixtureRequest) -> ModuleType:
    """One of the two libraries."""
    module: ModuleType = request.param
    return module


def test_a_stall_of_ten_minutes_takes_none(library: Any) -> None:
    """Waits are virtual, and the request's own timeout ends them."""
    mock = windtunnel.testing.transport().fault("stall", seconds=600)
    began = time.monotonic()
    with library.Client(transport=mock) as client:
        with pytest.raises(library.ReadTimeout):
            client.post(URL, json=HELLO, headers=KEY, timeout=300)
        assert client.post(URL, json=HELLO, headers=KEY, timeout=700).status_code == 200
    assert time.monotonic() - began < 60
    first, second = mock.served
    assert first.abandoned
    assert first.client_over_s == pytest.approx(300, abs=30)
    assert second.client_over_s is not None
    assert second.client_over_s >= 900
    with pytest.raises(AssertionError, match=r"was over [39]\d\d"):
        mock.assert_gave_up_within(60)


async def test_async_clients(library: Any) -> None:
    """The same object serves async clients, also those that stream, and what is not closed is seen."""
    mock = windtunnel.testing.transport()
    async with library.AsyncClient(transport=mock) as client:
        async with client.stream("POST", URL, json={**HELLO, "stream": True}, headers=KEY) as answer:
            async for _ in answer.aiter_lines():
                break
            with pytest.raises(AssertionError, match="1 request still under way"):
                mock.assert_all_streams_closed()
        mock.assert_all_streams_closed()
        assert (await client.post(URL, json=HELLO, headers=KEY)).status_code == 200
    mock.assert_attempts(exactly=1)


def test_the_sdk_over_a_transport() -> None:
    """The SDK's retries are attempts of one call, its pauses count, and an answer is compared with the truth."""
    mock = windtunnel.testing.transport()
    with openai.OpenAI(api_key="k", http_client=httpx2.Client(transport=mock)) as client:
        mock.fault("rate_limit_requests", retry_after_ms=50, first=1)
        answer = client.chat.completions.create(**HELLO)
        mock.assert_honours_retry_after()
        mock.assert_no_silent_corruption(answer)
        assert mock.calls[0].statuses == [429, 200]
        mock.begin().limits(rpm=1)
        client.chat.completions.create(**HELLO)
        with pytest.raises(openai.RateLimitError):
            client.with_options(max_retries=0).chat.completions.create(**HELLO)
        mock.begin()
        assert mock.served == []
        client.models.list()


def test_the_router_under_respx() -> None:
    """A router of respx has the mock behind OpenAI's address, and further routes of one's own."""
    with windtunnel.testing.router() as router:
        mock: InProcessMock = router.mock_openai
        router.get("https://example.com/").respond(204)
        mock.fault("overloaded", first=1, per="rule")
        client = openai.OpenAI(api_key="k", http_client=httpx.Client(), max_retries=0)
        with pytest.raises(openai.InternalServerError):
            client.chat.completions.create(**HELLO)
        assert httpx.get("https://example.com/").status_code == 204
        assert httpx.post(URL, json=HELLO, headers=KEY).status_code == 200
        assert [one.status for one in mock.served] == [503, 200]


async def test_the_router_with_an_async_client() -> None:
    """An async client under respx meets the same mock."""
    async with windtunnel.testing.router(base_url="https://gateway.example/v1") as router:
        router.mock_openai.fault("stall", seconds=600)
        async with httpx.AsyncClient() as client:
            with pytest.raises(httpx.ReadTimeout):
                await client.get("https://gateway.example/v1/models", headers=KEY, timeout=60)


async def test_the_test_server_of_aiohttp() -> None:
    """It serves aiohttp's own test client and any other by its address, and closes its port where that is asked for."""
    async with windtunnel.testing.aiohttp_server() as server, TestClient(server) as client:
        server.fault("overloaded", first=1)
        assert (await client.post("/v1/chat/completions", json=HELLO, headers=KEY)).status == 503
        answer = await client.post("/v1/chat/completions", json=HELLO, headers=KEY)
        server.assert_no_silent_corruption(await answer.json())
        server.clear().fault("stall", after_chunks=2, seconds="forever")
        streamed = await client.post("/v1/chat/completions", json={**HELLO, "stream": True}, headers=KEY)
        await streamed.content.readany()
        with pytest.raises(AssertionError, match="1 request still under way"):
            server.assert_all_streams_closed()
        streamed.close()
        await server.settle()
        server.assert_all_streams_closed()
        server.scenario("retry_storm")
        async with aiohttp.ClientSession() as session:
            assert (await session.get(f"{server.base_url}/models", headers=KEY)).status == 200
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientConnectorError):
            await session.get(f"{server.base_url}/models", headers=KEY)


@windtunnel.virtual(seed=1)
async def _an_hour_of_aiohttp() -> float | None:
    async with windtunnel.testing.aiohttp_server() as server, aiohttp.ClientSession() as session:
        server.fault("stall", seconds=3600)
        async with asyncio.timeout(7200):
            url = f"{server.base_url}/models"
            answer = await session.get(url, headers=KEY, timeout=aiohttp.ClientTimeout(total=None))
            await answer.read()
        return server.served[0].client_over_s


def test_the_test_server_on_the_virtual_clock() -> None:
    """On the virtual clock the waits of aiohttp's server and client take no time."""
    over_s = _an_hour_of_aiohttp()
    assert over_s is not None
    assert over_s >= 3600


def test_without_respx_the_line_that_installs_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asks for a router without respx is told what to install."""
    monkeypatch.setitem(__import__("sys").modules, "respx", None)
    with pytest.raises(InputError, match="pip install respx"):
        windtunnel.testing.router()
