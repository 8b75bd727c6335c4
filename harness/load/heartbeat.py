"""How late this process is for its own clock: a beat every 20 ms on the hub, and on the loop if there is one.

A client process that drowns shows here, also when its calls all started in time.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable

import gevent

from windtunnel.harness.load.recorder import Lag

BEAT_S = 0.020


def hub_beat(now: Callable[[], float], note: Callable[[Lag], object]) -> None:
    """Beat on the hub until killed."""
    process = os.getpid()
    due = now() + BEAT_S
    while True:
        gevent.sleep(max(0.0, due - now()))
        at = now()
        note(("hub", process, due, at - due, time.process_time()))
        due = max(due + BEAT_S, at)


async def loop_beat(now: Callable[[], float], note: Callable[[Lag], object]) -> None:
    """Beat on the running loop until cancelled."""
    process = os.getpid()
    due = now() + BEAT_S
    while True:
        await asyncio.sleep(max(0.0, due - now()))
        at = now()
        note(("loop", process, due, at - due, time.process_time()))
        due = max(due + BEAT_S, at)
