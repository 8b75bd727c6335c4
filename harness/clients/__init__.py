"""Drivers: how a call is made. `DRIVERS` is the table of all there are, by the name that a profile uses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from windtunnel.harness.clients.base import Setting
from windtunnel.harness.clients.drivers.aiohttp_async import AiohttpAsync
from windtunnel.harness.clients.drivers.exec_client import ExecClient
from windtunnel.harness.clients.drivers.httpx2_async import Httpx2Async
from windtunnel.harness.clients.drivers.httpx2_sync import Httpx2Sync
from windtunnel.harness.clients.drivers.openai_aiohttp import OpenAIAiohttp
from windtunnel.harness.clients.drivers.openai_async import OpenAIAsync
from windtunnel.harness.clients.drivers.openai_sync import OpenAISync
from windtunnel.harness.clients.drivers.python_async import PythonAsync
from windtunnel.harness.clients.drivers.python_sync import PythonSync
from windtunnel.harness.inputs.profile import Profile


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
    "exec": Driver("greenlet", ExecClient),
}

PLAIN_PYTHON = Driver("greenlet", PythonSync)
"""`python` of a target that is a plain function."""


def driver_of(profile: Profile) -> Driver:
    """The driver of a profile."""
    return PLAIN_PYTHON if profile.target_kind == "plain" else DRIVERS[profile.driver]
