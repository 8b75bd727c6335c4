"""What a process that plays a cell does without, and what it imports before it is forked for each cell."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.abc import MetaPathFinder

import pyarrow as pa

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
"""What the SDK imports only at the first call of a client."""


def import_ahead() -> None:
    """Import it now, so that forks share it. A version of the SDK that lacks one of them imports its own later."""
    for name in LOADED_LATE:
        try:
            import_module(name)
        except ImportError:
            continue


class _NoPandas(MetaPathFinder):
    """Finds nothing, and pandas least of all."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name == "pandas":
            raise ModuleNotFoundError("pandas is left out")


def leave_pandas_out() -> None:
    """Let Arrow believe that there is no pandas, unless somebody has imported it.

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
