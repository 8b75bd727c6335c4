"""Import the SDK's late modules before a process is forked for each cell; keep pandas out of it."""

from __future__ import annotations

import gc
import sys
from importlib import import_module
from importlib.abc import MetaPathFinder

import pyarrow as pa

from windtunnel.harness.clients.http_library import sdk_http

LOADED_LATE = (
    "openai.lib._chat_completion_resources",
    "openai.lib._parsing._embeddings",
    "openai.lib._response_resources",
    "openai.lib.streaming.chat",
    "openai.lib.streaming.responses",
    "openai.pagination",
    "openai.resources.chat.completions.completions",
    "openai.resources.embeddings",
    "openai.resources.responses.responses",
)
"""Modules that the SDK imports only at the first call of a client. openai 2 lacks three of them."""

LOADED_LATE_BY_HTTPX = (
    "httpcore",
    "httpcore._backends.anyio",
    "httpcore._backends.sync",
    "anyio._backends._asyncio",
)
"""Modules that httpx imports with its first transport and its first connection; httpx2 has its own by then."""


def import_ahead() -> None:
    """Import these modules now, so that forks share them; one that the installed SDK lacks is left out.

    An import in the middle of a cell would also take its time from the first call of each fork.
    """
    below = LOADED_LATE_BY_HTTPX if sdk_http.__name__ == "httpx" else ()
    for name in (*LOADED_LATE, *below):
        try:
            import_module(name)
        except ImportError:
            continue


def let_arrow_find_pandas() -> None:
    """Let Arrow import pandas now, if it is installed, for code that may use both; forks share it.

    Arrow does so at its first conversion, which would be in each fork: half a second each time.
    """
    if "pandas" not in sys.modules:
        pa.array([0])
        gc.collect()
        gc.freeze()


class _NoPandas(MetaPathFinder):
    """A finder that finds no module and refuses pandas."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name == "pandas":
            raise ModuleNotFoundError("pandas is left out")


def leave_pandas_out() -> None:
    """Let Arrow believe that there is no pandas, unless it has been imported already.

    Arrow imports it to look whether a list is one of its series: half a second and 40 MB, for nothing.
    """
    if "pandas" in sys.modules:
        return
    finder = _NoPandas()
    sys.meta_path.insert(0, finder)
    try:
        pa.array([0])
    finally:
        sys.meta_path.remove(finder)
