"""The mock inside other people's tests: what they import as `windtunnel.testing`.

    plugin.py (pytest) ─► fixture mock_openai ─┬─ process_view.py    a process a session, real sockets
                                               └─ virtual_test.py   on the loop of a test on the virtual clock
                          view.py: faults, what was served, assertions: the same for all of them

Nothing is imported before it is used, and the core dependencies are enough for all but the virtual clock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from windtunnel.harness.testing.inprocess import InProcessMock, router, transport
    from windtunnel.harness.testing.on_aiohttp import AiohttpServer, aiohttp_server
    from windtunnel.harness.testing.served import ServedCall, ServedRequest
    from windtunnel.harness.testing.view import MockOpenAI

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

_MODULES = {
    "AiohttpServer": "windtunnel.harness.testing.on_aiohttp",
    "InProcessMock": "windtunnel.harness.testing.inprocess",
    "MockOpenAI": "windtunnel.harness.testing.view",
    "ServedCall": "windtunnel.harness.testing.served",
    "ServedRequest": "windtunnel.harness.testing.served",
    "aiohttp_server": "windtunnel.harness.testing.on_aiohttp",
    "router": "windtunnel.harness.testing.inprocess",
    "transport": "windtunnel.harness.testing.inprocess",
}


def __getattr__(name: str) -> Any:
    """Import a name when it is first used (PEP 562)."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(_MODULES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
