"""The mock inside your own tests: see `windtunnel.harness.testing`, which this is by a shorter name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from windtunnel.harness import testing as _testing

if TYPE_CHECKING:
    from windtunnel.harness.testing import (
        AiohttpServer,
        InProcessMock,
        MockOpenAI,
        ServedCall,
        ServedRequest,
        aiohttp_server,
        router,
        transport,
    )

__all__ = [
    "AiohttpServer",
    "InProcessMock",
    "MockOpenAI",
    "ServedCall",
    "ServedRequest",
    "aiohttp_server",
    "router",
    "transport",
]


def __getattr__(name: str) -> Any:
    """Import a name when it is first used (PEP 562)."""
    return getattr(_testing, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
