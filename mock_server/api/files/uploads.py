"""/v1/uploads: a file that comes in parts. create, parts, complete, cancel.

An upload that is not completed within the hour has expired. The truth of an answer is the id of what it shows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import md5
from typing import Any, Final, Literal

from windtunnel.mock_server.api.endpoint import Answer, Endpoint, World
from windtunnel.mock_server.api.errors import (
    INVALID_REQUEST,
    ApiError,
    empty_array,
    invalid_type,
    missing_parameter,
)
from windtunnel.mock_server.api.fields import check_fields, integer, mapping, one_of, string
from windtunnel.mock_server.api.files.state import (
    MOST_FILE_BYTES,
    PURPOSES,
    StoredFile,
    expiry,
    keep,
    lifetime,
    no_such,
)
from windtunnel.mock_server.api.objects import answered, new_id, shown, too_large, unix_now, unknown_field
from windtunnel.mock_server.api.store import Store
from windtunnel.mock_server.request import FormPart, Request

FIELDS: Final = ("bytes", "filename", "mime_type", "purpose", "expires_after")
COMPLETE_FIELDS: Final = ("part_ids", "md5")
MOST_PART_BYTES: Final = 64 * 2**20
"""Bytes of one part, as with OpenAI. All parts of an upload together are at most `MOST_FILE_BYTES`."""

MOST_PARTS: Final = 10_000
"""Parts of one upload, whatever their size."""

LIFE_S: Final = 3_600

_CHECKS: Final = {
    "bytes": integer(1),
    "filename": string,
    "mime_type": string,
    "purpose": one_of(*PURPOSES),
    "expires_after": mapping,
}


@dataclass(frozen=True, slots=True)
class StoredUpload:
    """One upload, its parts by id. Times are Unix seconds on the adjustable clock."""

    ident: str
    filename: str
    purpose: str
    promised: int
    created: float
    seconds: int | None
    state: Literal["pending", "completed", "cancelled"] = "pending"
    parts: tuple[tuple[str, bytes], ...] = ()
    file: StoredFile | None = None

    @property
    def held(self) -> int:
        """Bytes of all its parts."""
        return sum([len(data) for _, data in self.parts])

    def status(self, now: float) -> str:
        """Its state at `now`, or `expired`."""
        return "expired" if self.state == "pending" and now >= self.created + LIFE_S else self.state

    def shown(self, now: float) -> dict[str, Any]:
        """The upload as the API shows it."""
        return {
            "id": self.ident,
            "object": "upload",
            "bytes": self.promised,
            "created_at": int(self.created),
            "filename": self.filename,
            "purpose": self.purpose,
            "status": self.status(now),
            "expires_at": int(self.created) + LIFE_S,
            "file": None if self.file is None else self.file.shown(),
        }


def check_create(body: dict[str, Any]) -> ApiError | int:
    """Check the body of a new upload; 0 if it is right."""
    problem = unknown_field(body, FIELDS)
    for name in ("bytes", "filename", "mime_type", "purpose"):
        if problem is None and body.get(name) is None:
            problem = missing_parameter(name)
    problem = problem or check_fields(body, _CHECKS)
    if problem is not None:
        return problem
    if body["bytes"] > MOST_FILE_BYTES:
        return too_large(MOST_FILE_BYTES, body["bytes"])
    if body.get("expires_after") is not None:
        seconds = lifetime("expires_after", body["expires_after"])
        return seconds if isinstance(seconds, ApiError) else 0
    return 0


def check_part(fields: dict[str, Any], parts: Mapping[str, tuple[FormPart, ...]]) -> ApiError | int:
    """Check the form of a part; 0 if it is right."""
    problem = unknown_field({**fields, **parts}, ("data",))
    if problem is None and "data" not in parts:
        problem = missing_parameter("data")
    if problem is not None:
        return problem
    found = len(parts["data"][0].data)
    return too_large(MOST_PART_BYTES, found) if found > MOST_PART_BYTES else 0


def check_complete(body: dict[str, Any]) -> ApiError | int:
    """Check the body that completes an upload; 0 if it is right."""
    problem = unknown_field(body, COMPLETE_FIELDS)
    ids = body.get("part_ids")
    if problem is None and ids is None:
        problem = missing_parameter("part_ids")
    if problem is not None:
        return problem
    if not isinstance(ids, list):
        return invalid_type("part_ids", "an array of strings", ids)
    if not ids:
        return empty_array("part_ids")
    for at, ident in enumerate(ids):
        problem = problem or string(f"part_ids[{at}]", ident)
    return problem or check_fields(body, {"md5": string}) or 0


def _put(store: Store, key: str, upload: StoredUpload) -> None:
    store.uploads.put(key, upload.ident, upload, upload.held + 512)


def _create(request: Request, world: World) -> Answer:
    body, now = request.body, unix_now(world)
    after = body.get("expires_after")
    seconds = None if after is None else lifetime("expires_after", after)
    upload = StoredUpload(
        new_id(world, "upload_"),
        body["filename"],
        body["purpose"],
        body["bytes"],
        now,
        seconds if isinstance(seconds, int) else None,
    )
    return answered(shown(upload.shown(now), lambda: _put(world.store, request.key_hash, upload)), world)


def _pending(request: Request, world: World) -> StoredUpload | ApiError:
    """The upload that the path names, as long as something can be done with it."""
    upload = world.store.uploads.get(request.key_hash, request.ids[0])
    if not isinstance(upload, StoredUpload):
        return no_such("Upload", request.ids[0])
    status = upload.status(unix_now(world))
    if status != "pending":
        return ApiError(
            400, f"Upload {upload.ident} is {status}, expected pending.", INVALID_REQUEST, "upload_id"
        )
    return upload


def _add(request: Request, world: World) -> Answer:
    upload = _pending(request, world)
    if isinstance(upload, ApiError):
        return answered(upload, world)
    data = request.parts["data"][0].data
    if upload.held + len(data) > MOST_FILE_BYTES:
        return answered(too_large(MOST_FILE_BYTES, upload.held + len(data)), world)
    if len(upload.parts) >= MOST_PARTS:
        return answered(ApiError(400, f"An upload has at most {MOST_PARTS} parts."), world)
    ident = new_id(world, "part_")
    part = {
        "id": ident,
        "object": "upload.part",
        "created_at": int(unix_now(world)),
        "upload_id": upload.ident,
    }

    def change() -> None:
        grown = replace(upload, parts=(*upload.parts, (ident, data)))
        _put(world.store, request.key_hash, grown)

    return answered(shown(part, change), world)


def _complete(request: Request, world: World) -> Answer:
    upload = _pending(request, world)
    if isinstance(upload, ApiError):
        return answered(upload, world)
    data = _joined(upload, request.body["part_ids"])
    wanted = request.body.get("md5")
    if not isinstance(data, ApiError) and wanted is not None:
        found = md5(data, usedforsecurity=False).hexdigest()
        if found != wanted.lower():
            message = f"The md5 of the uploaded bytes is {found}, expected {wanted}."
            data = ApiError(400, message, INVALID_REQUEST, "md5")
    if isinstance(data, ApiError):
        return answered(data, world)
    now, store, key = unix_now(world), world.store, request.key_hash
    expires = expiry(upload.purpose, upload.seconds, now)
    file = StoredFile(new_id(world, "file-"), upload.filename, upload.purpose, data, now, expires)
    done = replace(upload, state="completed", parts=(), file=replace(file, data=b""))
    said = {**done.shown(now), "file": file.shown()}

    def change() -> None:
        keep(store, key, file)
        _put(store, key, done)

    return answered(shown(said, change), world)


def _joined(upload: StoredUpload, ids: list[str]) -> bytes | ApiError:
    """The bytes of the named parts in that order: as many as were announced."""
    parts = dict(upload.parts)
    for ident in ids:
        if ident not in parts:
            return ApiError(400, f"No part {ident} in upload {upload.ident}.", INVALID_REQUEST, "part_ids")
    if len(set(ids)) < len(ids):
        return ApiError(400, "A part is named twice.", INVALID_REQUEST, "part_ids")
    data = b"".join([parts[ident] for ident in ids])
    if len(data) != upload.promised:
        message = f"The parts hold {len(data)} bytes, expected the {upload.promised} bytes of the upload."
        return ApiError(400, message, INVALID_REQUEST, "part_ids")
    return data


def _cancel(request: Request, world: World) -> Answer:
    upload = _pending(request, world)
    if isinstance(upload, ApiError):
        return answered(upload, world)
    gone = replace(upload, state="cancelled", parts=())
    said = gone.shown(unix_now(world))
    return answered(shown(said, lambda: _put(world.store, request.key_hash, gone)), world)


ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint(
        name="uploads.create",
        method="POST",
        path="/uploads",
        api="uploads",
        answer=_create,
        check=check_create,
    ),
    Endpoint(
        name="uploads.parts.create",
        method="POST",
        path="/uploads/{id}/parts",
        api="uploads",
        answer=_add,
        form=check_part,
    ),
    Endpoint(
        name="uploads.complete",
        method="POST",
        path="/uploads/{id}/complete",
        api="uploads",
        answer=_complete,
        check=check_complete,
    ),
    Endpoint(
        name="uploads.cancel", method="POST", path="/uploads/{id}/cancel", api="uploads", answer=_cancel
    ),
)
