"""Multipart forms: the fields as a body like any other, and the files beside it. Nothing is written to disk."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from windtunnel.mock_server.request import FormPart

MOST_PARTS: Final = 1_000
"""Parts of one form; one with more is refused."""

MOST_STEPS: Final = 8
"""Brackets in a field's name; a name with more is a name like any other."""

# It warns of every bad form, with what was found there. Nothing of a request is written down.
logging.getLogger("python_multipart").setLevel(logging.CRITICAL)

_NAME: Final = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")
_STEP: Final = re.compile(r"\[([^\[\]]*)\]")


class BadFormError(ValueError):
    """A body that is not the multipart form that its header announces."""


@dataclass(slots=True)
class _Part:
    headers: dict[str, bytes] = field(default_factory=dict)
    data: bytearray = field(default_factory=bytearray)
    header_name: bytearray = field(default_factory=bytearray)
    header_value: bytearray = field(default_factory=bytearray)


class _Reader:
    """Collects the parts of a form from the parser's callbacks."""

    def __init__(self) -> None:
        self.parts: list[_Part] = []
        self.ended = False

    def on_part_begin(self) -> None:
        if len(self.parts) >= MOST_PARTS:
            raise BadFormError(f"more than {MOST_PARTS} parts")
        self.parts.append(_Part())

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        self.parts[-1].data += data[start:end]

    def on_header_field(self, data: bytes, start: int, end: int) -> None:
        self.parts[-1].header_name += data[start:end]

    def on_header_value(self, data: bytes, start: int, end: int) -> None:
        self.parts[-1].header_value += data[start:end]

    def on_header_end(self) -> None:
        part = self.parts[-1]
        part.headers[part.header_name.decode("latin-1").lower()] = bytes(part.header_value)
        part.header_name.clear()
        part.header_value.clear()

    def on_end(self) -> None:
        self.ended = True


def read_form(content_type: str, body: bytes) -> tuple[dict[str, Any], Mapping[str, tuple[FormPart, ...]]]:
    """The fields and the files of a form. `name[]` makes a list and `name[key]` an object, as OpenAI's SDKs write
    them; a field given twice is a list. Raises `BadFormError`."""
    _, options = parse_options_header(content_type)
    boundary = options.get(b"boundary")
    if not boundary:
        raise BadFormError("multipart without a boundary")
    reader = _Reader()
    names = ("part_begin", "part_data", "header_field", "header_value", "header_end", "end")
    try:
        calls: Any = {f"on_{name}": getattr(reader, f"on_{name}") for name in names}
        parser = MultipartParser(boundary, calls)
        parser.write(body)
        parser.finalize()
    except FormParserError as error:
        raise BadFormError(str(error)) from error
    if not reader.ended:
        raise BadFormError("the form ends before its last boundary")
    fields: dict[str, Any] = {}
    files: dict[str, list[FormPart]] = {}
    for part in reader.parts:
        _, said = parse_options_header(part.headers.get("content-disposition", b""))
        name = said.get(b"name", b"").decode("utf-8", "replace")
        if not name:
            raise BadFormError("a part without a name")
        filename = said.get(b"filename")
        if filename is not None:
            kind = part.headers.get("content-type", b"application/octet-stream").decode("latin-1")
            entry = FormPart(filename.decode("utf-8", "replace"), kind, bytes(part.data))
            files.setdefault(name.removesuffix("[]"), []).append(entry)
        else:
            _place(fields, name, part.data.decode("utf-8", "replace"))
    return fields, {name: tuple(entries) for name, entries in files.items()}


def without_boundary(content_type: str, body: bytes) -> bytes:
    """Return the body without its boundary, which clients draw anew for every request: equal forms are equal bytes."""
    if not content_type.startswith("multipart/"):
        return body
    boundary = parse_options_header(content_type)[1].get(b"boundary")
    return body.replace(boundary, b"") if boundary else body


def _place(fields: dict[str, Any], name: str, value: str) -> None:
    """Put a field where its name says: `a`, `a[]`, `a[b]`."""
    match = _NAME.fullmatch(name)
    steps = [match[1], *_STEP.findall(match[2])] if match else [name]
    if len(steps) > MOST_STEPS:
        steps = [name]
    at: Any = fields
    for step, following in pairwise(steps):
        below = at.get(step)
        if following == "":
            at[step] = [*below, value] if isinstance(below, list) else [value]
            return
        if not isinstance(below, dict):
            below = at[step] = {}
        at = below
    last = steps[-1]
    if last in at:
        at[last] = [*at[last], value] if isinstance(at[last], list) else [at[last], value]
    else:
        at[last] = value
