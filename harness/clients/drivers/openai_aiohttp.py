"""The official SDK's async client over aiohttp, as `AsyncOpenAI(http_client=DefaultAioHttpClient())` has it."""

from __future__ import annotations

import aiohttp
import httpx2
import openai
from openai._vendor.httpx_aiohttp import AiohttpTransport

from windtunnel.harness.clients.base import Setting
from windtunnel.harness.clients.drivers.openai_async import OpenAIAsync
from windtunnel.harness.clients.drivers.openai_common import limits
from windtunnel.harness.clients.gevent_patches import undo_gevents_sockets
from windtunnel.harness.clients.recording.aiohttp import recording_session
from windtunnel.harness.clients.recording.httpx2 import AsyncRecordingTransport, Book


class OpenAIAiohttp(OpenAIAsync):
    """One copy of an application that uses `AsyncOpenAI(http_client=DefaultAioHttpClient(...), ...)`."""

    def _http_client(self, setting: Setting, book: Book) -> httpx2.AsyncClient:
        undo_gevents_sockets()
        inner = _Transport(book, limits(setting.profile.pool))
        return openai.DefaultAioHttpClient(transport=AsyncRecordingTransport(inner, book))


class _Transport(AiohttpTransport):
    """The SDK's transport with its own connector, in a session that tells what a wrapping transport cannot see."""

    def __init__(self, book: Book, limits: httpx2.Limits) -> None:
        super().__init__(limits=limits)
        self._book = book

    def get_client(self) -> aiohttp.ClientSession:
        made = super().get_client()
        connector = made.connector
        assert connector is not None  # a session has one until it is closed
        made.detach()
        return recording_session(self._book, connector, wrapped=True)
