"""The installed version of the OpenAI SDK, whichever of the two HTTP libraries it is on."""

from __future__ import annotations

import sys

import openai
import pytest

from tests.harness.clients.conftest import Play
from tests.harness.clients.fault_server import Exchange, completion, delta, stream_of
from windtunnel.harness.clients.drivers import openai_aiohttp
from windtunnel.harness.clients.drivers.openai_aiohttp import DriverMissingError, aiohttp_transport
from windtunnel.harness.clients.http_library import library_of, pool_libraries, sdk_http
from windtunnel.mock_server.api.truth import digest

WHOLE = digest([(0, "Hello there", None, [], "stop")])


def healthy(exchange: Exchange) -> None:
    if exchange.body.get("stream"):
        stream_of(exchange, [delta("Hello"), delta(" there"), delta(finish="stop")])
    else:
        exchange.json(completion())


def test_the_library_is_that_of_the_installed_sdk() -> None:
    """openai 2 is on httpx and openai 3 on httpx2; its own clients are of the library that is found."""
    expected = "httpx" if openai.__version__.startswith("2.") else "httpx2"
    assert sdk_http.__name__ == expected
    assert issubclass(openai.DefaultAsyncHttpxClient, sdk_http.AsyncClient)
    assert library_of(str) is None


def test_the_pools_are_those_of_the_imported_libraries() -> None:
    """Whatever has to be replaced in a pool is replaced in the SDK's."""
    pools = {library.__name__ for library in pool_libraries()}
    assert sdk_http.__name__.replace("httpx", "httpcore") in pools
    assert ("httpcore" in pools) == ("httpx" in sys.modules)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("driver", ["openai", "openai-async", "openai-aiohttp"])
def test_a_call_of_the_sdk_leaves_one_whole_attempt(play: Play, driver: str, stream: bool) -> None:
    """Blocking, async and over aiohttp, streamed or not, an attempt has its answer, its connection and its times."""
    played = play(driver, healthy, stream=stream)
    (attempt,) = played.attempts
    assert (played.call["outcome"], played.call["digest"]) == ("ok", WHOLE)
    assert (attempt["status"], attempt["served_id"], attempt["error_type"]) == (200, "s0", None)
    assert attempt["connection_id"] is not None
    assert attempt["body_bytes"] > 0
    times = [
        attempt[f"{name}_s"] for name in ("connected", "sent", "headers", "first_byte", "last_byte", "ended")
    ]
    assert times == sorted(times)


@pytest.mark.parametrize("driver", ["openai", "openai-async"])
def test_a_timeout_of_the_sdk_is_a_timeout(play: Play, driver: str) -> None:
    """An answer that does not come is a timeout of the call, with the library's own error below the SDK's."""
    played = play(driver, Exchange.until_left, timeouts={"read": "100ms"})
    assert (played.call["outcome"], played.call["error_type"]) == ("timeout", "APITimeoutError")
    assert played.call["error_cause"] == "ReadTimeout"


def test_a_missing_transport_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the package that has the transport over aiohttp, the driver says which one to install."""
    monkeypatch.setitem(openai_aiohttp.TRANSPORTS, sdk_http.__name__, "no_such_package")
    with pytest.raises(
        DriverMissingError, match=r"needs the package no_such_package with openai \d.*pip install"
    ):
        aiohttp_transport()
