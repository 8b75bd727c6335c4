"""HTTP/2's field lists: a request's as the server wants it, an answer's from a script's head. Pure functions."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from email.utils import formatdate
from functools import lru_cache
from typing import NamedTuple, TypeAlias

from windtunnel.mock_server.script import Head
from windtunnel.mock_server.transports.wire import Headers

FieldList: TypeAlias = list[tuple[str, str]]

CONNECTION_FIELDS = frozenset(
    {"connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"}
)
"""Fields that say how HTTP/1.1 uses its connection: malformed in HTTP/2 (RFC 9113, section 8.2.2)."""

FIELD_OVERHEAD = 32
"""Bytes that a field counts for beyond its name and value, in the size of a field list (RFC 9113, section 6.5.2)."""


class Fields(Mapping[str, str]):
    """A request's fields. Names are found in any case; of a repeated field the first is taken, as in HTTP/1.1."""

    __slots__ = ("_values",)

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        self._values: dict[str, str] = {}
        values = self._values
        for name, value in pairs:
            if name not in values:
                values[name] = value
            elif name == "cookie":  # split by clients for the sake of compression: RFC 9113, section 8.2.3
                values[name] += f"; {value}"

    def __getitem__(self, name: str) -> str:
        return self._values[name.lower()]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


class RequestHead(NamedTuple):
    """A request without its body. Its field list has so many `entries`, and a `size` in bytes; `longest` is the size of
    its longest field."""

    method: str
    path: str
    fields: Fields
    entries: int
    size: int
    longest: int


def request_head(received: Iterable[tuple[bytes, bytes]]) -> RequestHead:
    """Read a field list as h2 gives it. A `host` that is missing is what `:authority` says."""
    method = path = authority = ""
    size = longest = entries = 0
    fields: FieldList = []
    for raw_name, raw_value in received:
        name, value = (
            raw_name.decode("utf-8", "surrogateescape"),
            raw_value.decode("utf-8", "surrogateescape"),
        )
        length = len(raw_name) + len(raw_value)
        entries += 1
        size += length + FIELD_OVERHEAD
        longest = max(longest, length)
        if name == ":method":
            method = value
        elif name == ":path":
            path = value
        elif name == ":authority":
            authority = value
        elif name[:1] != ":":
            fields.append((name, value))
    if authority:
        fields.append(("host", authority))
    return RequestHead(method, path, Fields(fields), entries, size, longest)


@lru_cache(maxsize=8)
def _date(second: int) -> str:
    return formatdate(second, usegmt=True)


def answer_fields(head: Head, length: int, more: Headers = ()) -> FieldList:
    """Return the field list of an answer: `more` fields too, and `length` as its content-length if its framing has one.

    The script's own fields win over those that would be added here, so that a fault may lie about any of them. What
    HTTP/2 forbids is left out: a client would take it for a broken connection.
    """
    fields = [(":status", f"{head.status:03d}")]
    own: set[str] = set()
    for name, value in (*head.headers, *more):
        name = name.lower()
        if name not in CONNECTION_FIELDS:
            own.add(name)
            fields.append((name, value))
    if "date" not in own:
        fields.append(("date", _date(int(time.time()))))
    if head.framing == "length" and "content-length" not in own:
        fields.append(("content-length", str(length)))
    return fields


def size_of(fields: FieldList) -> int:
    """Return the bytes of the names and values of a field list, as if they were not compressed."""
    return sum([len(name) + len(value) for name, value in fields])
