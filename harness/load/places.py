"""The places of an instance's workers, where the load has a `concurrency`: a call waits for one that is free."""

from __future__ import annotations

import asyncio

from windtunnel.harness.clients.base import CallSpec, Setting
from windtunnel.harness.clients.call import never_started


async def take(place: asyncio.Semaphore, setting: Setting, spec: CallSpec) -> bool:
    """Wait for a free worker, and return whether there was none at once.

    Whoever takes a place releases it. A call that is cancelled while it waits is recorded as one that never started.
    """
    waited = place.locked()
    try:
        await place.acquire()
    except asyncio.CancelledError:
        never_started(setting, spec)
        raise
    return waited
