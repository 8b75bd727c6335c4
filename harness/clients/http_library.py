"""The HTTP library that the installed OpenAI SDK stands on: httpx for openai 2, httpx2 for openai 3.

The two have the same classes by the same names, but they are not each other's: an SDK refuses the other's client, and
a client refuses the other's streams. What is built for the SDK is therefore built from `sdk_http`.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import Any

import openai

LIBRARIES = {"httpx": "httpcore", "httpx2": "httpcore2"}
"""Each library, and the library of connection pools below it."""


def library_of(kind: type) -> str | None:
    """Return the name of the library that a class is of or derives from; None if it is of neither."""
    roots = (base.__module__.partition(".")[0] for base in kind.__mro__)
    return next((root for root in roots if root in LIBRARIES), None)


def _sdk_http() -> Any:
    name = library_of(openai.DefaultHttpxClient)
    if name is None:
        found = f"openai {openai.__version__}"
        raise ImportError(
            f"{found} is on an HTTP library that is not known, expected {' or '.join(LIBRARIES)}"
        )
    return import_module(name)


sdk_http: Any = _sdk_http()
"""The module `httpx` or `httpx2`. It has no one type: which of the two it is turns out when the SDK is imported."""


def pool_libraries() -> list[ModuleType]:
    """Return `httpcore` and `httpcore2`, as far as this process uses the client library above them.

    They are imported here if need be: httpx does so only when it makes its first transport, which is too late for
    what has to be replaced in them.
    """
    return [import_module(pool) for library, pool in LIBRARIES.items() if library in sys.modules]
