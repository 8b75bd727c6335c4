"""Drivers: how a call is made. `DRIVERS` is the table of all there are, by the name that a profile uses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from windtunnel.harness.clients.aiohttp_async import AiohttpAsync
from windtunnel.harness.clients.base import Setting
from windtunnel.harness.clients.httpx2_async import Httpx2Async
from windtunnel.harness.clients.httpx2_sync import Httpx2Sync
from windtunnel.harness.clients.openai_aiohttp import OpenAIAiohttp
from windtunnel.harness.clients.openai_async import OpenAIAsync
from windtunnel.harness.clients.openai_sync import OpenAISync
from windtunnel.harness.clients.python_async import PythonAsync


@dataclass(frozen=True, slots=True)
class Driver:
    """`build` makes an instance: a `GreenletInstance`, or a `LoopInstance` (then on the loop's own thread)."""

    kind: Literal["greenlet", "loop"]
    build: Callable[[Setting], Any]


DRIVERS: dict[str, Driver] = {
    "openai": Driver("greenlet", OpenAISync),
    "openai-async": Driver("loop", OpenAIAsync),
    "openai-aiohttp": Driver("loop", OpenAIAiohttp),
    "httpx2": Driver("greenlet", Httpx2Sync),
    "httpx2-async": Driver("loop", Httpx2Async),
    "aiohttp": Driver("loop", AiohttpAsync),
    "python": Driver("loop", PythonAsync),
}
