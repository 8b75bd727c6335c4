"""The authorities that a client trusts, parsed when its first handshake needs them.

An HTTP client parses the whole list when it is made, which takes tens of milliseconds of CPU. Code that makes a client
for every call would spend most of a cell on it, and hardly ever look at the list: most cells speak plain HTTP.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias
from weakref import WeakKeyDictionary

from windtunnel.harness.virtual.replacing import Replacements

File: TypeAlias = tuple[str, int, int]
"""A path, and its size and time of change in nanoseconds: what has been parsed once can be parsed again."""

READ_THE_LIST = ("wrap_bio", "wrap_socket", "get_ca_certs", "cert_store_stats")
"""The methods of a context for which its authorities must be there."""


def parse_when_needed(replacements: Replacements) -> None:
    """Let contexts of this process parse a file that another one has parsed when a handshake needs it, not before."""
    parse: Callable[..., None] = ssl.SSLContext.load_verify_locations
    parsed: set[File] = set()
    waiting: WeakKeyDictionary[ssl.SSLContext, list[tuple[Any, Any]]] = WeakKeyDictionary()

    def parse_waiting(context: ssl.SSLContext) -> None:
        for cafile, capath in waiting.pop(context, ()):
            parse(context, cafile, capath)

    def parse_all_waiting() -> None:
        for context in list(waiting):
            parse_waiting(context)

    def load_verify_locations(
        self: ssl.SSLContext, cafile: Any = None, capath: Any = None, cadata: Any = None
    ) -> None:
        file = _file(cafile)
        if file in parsed and cadata is None:
            waiting.setdefault(self, []).append((cafile, capath))
            return
        parse_waiting(self)
        parse(self, cafile, capath, cadata)
        if file is not None:
            parsed.add(file)

    def with_the_list(method: Callable[..., Any]) -> Callable[..., Any]:
        def called(self: ssl.SSLContext, *args: Any, **how: Any) -> Any:
            parse_waiting(self)
            return method(self, *args, **how)

        return called

    replacements.put_there(ssl.SSLContext, "load_verify_locations", load_verify_locations)
    for name in READ_THE_LIST:
        replacements.put_there(ssl.SSLContext, name, with_the_list(getattr(ssl.SSLContext, name)))
    replacements.when_restored(parse_all_waiting)


def _file(cafile: Any) -> File | None:
    """What a file is known by; None for what is none, or cannot be read."""
    if not isinstance(cafile, str | os.PathLike):
        return None
    path = Path(cafile)
    try:
        state = path.stat()
    except OSError:
        return None
    return str(path.absolute()), state.st_size, state.st_mtime_ns
