"""The official SDK's async client over aiohttp, as `AsyncOpenAI(http_client=DefaultAioHttpClient())` has it.

openai 3 brings the transport along. openai 2 takes it from the package `httpx_aiohttp`, which may be absent: then this
driver alone is missing.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import aiohttp
import openai

from windtunnel.harness.clients.base import Setting
from windtunnel.harness.clients.drivers.openai_async import OpenAIAsync
from windtunnel.harness.clients.drivers.openai_common import limits
from windtunnel.harness.clients.gevent_patches import undo_gevents_sockets
from windtunnel.harness.clients.http_library import sdk_http
from windtunnel.harness.clients.recording.aiohttp import recording_session
from windtunnel.harness.clients.recording.httpx2 import AsyncRecordingTransport, Book

TRANSPORTS = {"httpx2": "openai._vendor.httpx_aiohttp", "httpx": "httpx_aiohttp"}
"""Where the transport is, by the HTTP library that the SDK is on."""


class DriverMissingError(ImportError):
    """The installed packages cannot make calls in this way."""


class OpenAIAiohttp(OpenAIAsync):
    """One copy of an application that uses `AsyncOpenAI(http_client=DefaultAioHttpClient(...), ...)`."""

    def _http_client(self, setting: Setting, book: Book) -> Any:
        undo_gevents_sockets()
        inner = _recording_transport(book, limits(setting.profile.pool))
        return openai.DefaultAioHttpClient(transport=AsyncRecordingTransport(inner, book))


def aiohttp_transport() -> Any:
    """Return the class of the SDK's transport over aiohttp. Raises DriverMissingError, with what to install."""
    name = TRANSPORTS[sdk_http.__name__]
    try:
        return import_module(name).AiohttpTransport
    except ImportError as error:
        raise DriverMissingError(
            f"the driver openai-aiohttp needs the package {name.partition('.')[0]} with openai "
            f"{openai.__version__}, and it is not installed: pip install 'openai[aiohttp]'"
        ) from error


def _recording_transport(book: Book, limits: Any) -> Any:
    # The base class differs between versions of the SDK, so the class is made here and not when this is imported.
    base: Any = aiohttp_transport()

    class Transport(base):  # type: ignore[misc]  # which class it is turns out when the SDK is imported
        """The SDK's transport and connector, in a session that tells what a wrapping transport cannot see."""

        def get_client(self) -> aiohttp.ClientSession:
            made: aiohttp.ClientSession = super().get_client()
            connector = made.connector
            assert connector is not None  # a session has one until it is closed
            made.detach()
            return recording_session(book, connector, wrapped=True)

    return Transport(limits=limits)
