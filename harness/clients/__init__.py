"""Drivers: how a call is made. `DRIVERS` is the table of all there are, by the name that a profile uses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from harness.clients.base import Setting
from harness.clients.httpx2_sync import Httpx2Sync
from harness.clients.openai_async import OpenAIAsync
from harness.clients.openai_sync import OpenAISync


@dataclass(frozen=True, slots=True)
class Driver:
    """`build` makes an instance: a `GreenletInstance`, or a `LoopInstance` (then on the loop's own thread)."""

    kind: Literal["greenlet", "loop"]
    build: Callable[[Setting], Any]


DRIVERS: dict[str, Driver] = {
    "openai": Driver("greenlet", OpenAISync),
    "openai-async": Driver("loop", OpenAIAsync),
    "httpx2": Driver("greenlet", Httpx2Sync),
}
