"""/v1/files: upload, list, retrieve, content, delete.

The truth of an answer is the file's id; of a list, its ids; of a content, its SHA-256 in hex.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final

import orjson

from windtunnel.mock_server.api.batches.state import bring_up_to_date, work_through
from windtunnel.mock_server.api.endpoint import Answer, Endpoint, World
from windtunnel.mock_server.api.errors import ApiError
from windtunnel.mock_server.api.files.state import (
    MOST_FILE_BYTES,
    PURPOSES,
    StoredFile,
    expiry,
    find_file,
    keep,
    lifetime,
    no_such,
)
from windtunnel.mock_server.api.objects import (
    WholeAnswer,
    answered,
    new_id,
    shown,
    shown_page,
    too_large,
    unix_now,
    unknown_field,
)
from windtunnel.mock_server.api.paging import paging
from windtunnel.mock_server.request import FormPart, Request

FIELDS: Final = ("file", "purpose", "expires_after")
LONGEST_PAGE: Final = 10_000

_SHOWN_BYTES: Final = 700
"""Bytes of a file in a list; the longest names are longer."""

KEPT_TO_THEMSELVES: Final = ("assistants", "user_data")
"""Purposes whose files cannot be downloaded again (seen for both)."""

_LINES: Final = {"batch": "Batch", "fine-tune": "Fine-Tuning"}


def check_upload(fields: dict[str, Any], parts: Mapping[str, tuple[FormPart, ...]]) -> ApiError | int:
    """Check the form of a new file; 0 if it is right."""
    problem = unknown_field({**fields, **parts}, FIELDS)
    if problem is not None:
        return problem
    purpose = fields.get("purpose")
    if purpose is None:
        return ApiError(400, "'purpose' is a required property")
    if purpose not in PURPOSES:
        return ApiError(400, f"{purpose!r} is not one of {list(PURPOSES)!r} - 'purpose'")
    if "file" not in parts:
        return ApiError(400, "'file' is a required property")
    file = parts["file"][0]
    if len(file.data) > MOST_FILE_BYTES:
        return too_large(MOST_FILE_BYTES, len(file.data))
    if purpose in _LINES and not _holds_lines(file):
        return ApiError(400, f"Invalid file format for {_LINES[purpose]} API. Must be .jsonl")
    if fields.get("expires_after") is not None:
        seconds = lifetime("expires_after", fields["expires_after"])
        if isinstance(seconds, ApiError):
            return seconds
    return 0


def _holds_lines(file: FormPart) -> bool:
    """JSON lines by name and by the first line: further ones are looked at when the file is used."""
    stem, dot, ending = file.filename.rpartition(".")
    if not file.data or (dot and stem and ending.lower() != "jsonl"):
        return False
    first = file.data.split(b"\n", 1)[0].strip()
    try:
        return not first or isinstance(orjson.loads(first), dict)
    except orjson.JSONDecodeError:
        return False


def _create(request: Request, world: World) -> Answer:
    part, purpose, now = request.parts["file"][0], request.body["purpose"], unix_now(world)
    asked = request.body.get("expires_after")
    seconds = None if asked is None else lifetime("expires_after", asked)
    if isinstance(seconds, ApiError):
        return answered(seconds, world)
    file = StoredFile(
        new_id(world, "file-"), part.filename, purpose, part.data, now, expiry(purpose, seconds, now)
    )
    return answered(shown(file.shown(), lambda: keep(world.store, request.key_hash, file)), world)


def _list(request: Request, world: World) -> Answer:
    query, now = request.query, unix_now(world)
    asked = paging(query, order="desc", usual=LONGEST_PAGE, most=LONGEST_PAGE)
    if isinstance(asked, ApiError):
        return answered(asked, world)
    bring_up_to_date(request.key_hash, world)
    purpose = query.get("purpose")
    page = world.store.files.page(
        request.key_hash,
        limit=asked.limit,
        after=asked.after,
        ascending=asked.ascending,
        where=lambda file: file.is_visible(now) and purpose in (None, file.purpose),
    )
    return answered(shown_page([file.shown() for _, file in page.entries], page.more), world)


def _found(request: Request, world: World) -> StoredFile | ApiError:
    """Return the file that the path names."""
    bring_up_to_date(request.key_hash, world)
    file = find_file(world.store, request.key_hash, request.ids[0], unix_now(world))
    return no_such("File", request.ids[0]) if file is None else file


def _retrieve(request: Request, world: World) -> Answer:
    file = _found(request, world)
    return answered(file if isinstance(file, ApiError) else shown(file.shown()), world)


def _content(request: Request, world: World) -> Answer:
    file = _found(request, world)
    if isinstance(file, ApiError):
        return answered(file, world)
    if file.purpose in KEPT_TO_THEMSELVES:
        message = f"Not allowed to download files of purpose: {file.purpose}"
        return answered(ApiError(400, message), world)
    name = file.filename.encode("ascii", "replace").decode().replace('"', "'")
    name = "".join(sign if sign.isprintable() else "_" for sign in name)
    made = WholeAnswer(
        file.data,
        [(0, sha256(file.data).hexdigest(), None, (), None)],
        content_type="application/octet-stream",
        headers=(("content-disposition", f'attachment; filename="{name}"'),),
    )
    return answered(made, world)


def _delete(request: Request, world: World) -> Answer:
    file = _found(request, world)
    if isinstance(file, ApiError):
        return answered(file, world)
    store, key = world.store, request.key_hash
    gone = {"object": "file", "deleted": True, "id": file.ident}
    return answered(shown(gone, lambda: store.files.delete(key, file.ident)), world)


def _outgoing_content(request: Request, world: World) -> int:
    return world.store.files.size_of(request.key_hash, request.ids[0])


def _outgoing_list(request: Request, world: World) -> int:
    return _SHOWN_BYTES * sum(1 for _ in world.store.files.of(request.key_hash))


ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint(
        name="files.create", method="POST", path="/files", api="files", answer=_create, form=check_upload
    ),
    Endpoint(
        name="files.list",
        method="GET",
        path="/files",
        api="files",
        answer=_list,
        prepare=work_through,
        outgoing=_outgoing_list,
    ),
    Endpoint(
        name="files.retrieve",
        method="GET",
        path="/files/{id}",
        api="files",
        answer=_retrieve,
        prepare=work_through,
    ),
    Endpoint(
        name="files.content",
        method="GET",
        path="/files/{id}/content",
        api="files",
        answer=_content,
        prepare=work_through,
        outgoing=_outgoing_content,
    ),
    Endpoint(
        name="files.delete",
        method="DELETE",
        path="/files/{id}",
        api="files",
        answer=_delete,
        prepare=work_through,
    ),
)
