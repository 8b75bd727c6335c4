"""Stored files, and which of them can be seen at a given time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from windtunnel.mock_server.api.errors import (
    INVALID_REQUEST,
    ApiError,
    invalid_value,
    missing_parameter,
    out_of_range,
)
from windtunnel.mock_server.api.store import Store

PURPOSES: Final = ("assistants", "batch", "fine-tune", "vision", "user_data", "evals")
"""What a client may upload a file for."""

MOST_FILE_BYTES: Final = 100 * 2**20
"""Bytes of one file, uploaded at once or in parts; OpenAI takes 512 MB. What a transport takes may be less."""

SHORTEST_LIFE_S: Final = 3_600
LONGEST_LIFE_S: Final = 2_592_000
"""Bounds of `expires_after`; the longest is also how long a batch's files are kept."""

_OBJECT_BYTES: Final = 512


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One file. Times are Unix seconds on the adjustable clock; `expires_at` None is never."""

    ident: str
    filename: str
    purpose: str
    data: bytes
    created: float
    expires_at: int | None = None

    def shown(self) -> dict[str, Any]:
        """The file as the API shows it. There is nothing to process: it is processed at once."""
        return {
            "object": "file",
            "id": self.ident,
            "purpose": self.purpose,
            "filename": self.filename,
            "bytes": len(self.data),
            "created_at": int(self.created),
            "expires_at": self.expires_at,
            "status": "processed",
            "status_details": None,
        }

    def is_visible(self, now: float) -> bool:
        """Tell whether requests at `now` can see it: not in the future (the clock can be set back), not expired."""
        return self.created <= now and (self.expires_at is None or now < self.expires_at)


def keep(store: Store, key: str, file: StoredFile) -> None:
    """Store a file."""
    store.files.put(key, file.ident, file, len(file.data) + _OBJECT_BYTES)


def find_file(store: Store, key: str, ident: str, now: float) -> StoredFile | None:
    """Return the file of that id, or None if it cannot be seen at `now`."""
    file = store.files.get(key, ident)
    return file if isinstance(file, StoredFile) and file.is_visible(now) else None


def no_such(kind: str, ident: str) -> ApiError:
    """404 for an id that names nothing of the key's; `kind` such as "File"."""
    return ApiError(404, f"No such {kind} object: {ident}", INVALID_REQUEST, "id")


def expiry(purpose: str, seconds: int | None, created: float) -> int | None:
    """When a file expires: as asked for, or after 30 days if it is a batch's, or never."""
    if seconds is None and purpose in ("batch", "batch_output"):
        seconds = LONGEST_LIFE_S
    return None if seconds is None else int(created) + seconds


def lifetime(name: str, value: Any) -> int | ApiError:
    """The seconds of an `expires_after`; in a form they are digits."""
    if not isinstance(value, dict):
        return ApiError(
            400, f"Invalid type for '{name}': expected an object.", INVALID_REQUEST, name, "invalid_type"
        )
    anchor, given = value.get("anchor"), value.get("seconds")
    if anchor is None:
        return missing_parameter(f"{name}.anchor")
    if anchor != "created_at":
        return invalid_value(f"{name}.anchor", anchor, ("created_at",))
    if given is None:
        return missing_parameter(f"{name}.seconds")
    try:
        seconds = int(given) if isinstance(given, (int, str)) else None
    except ValueError:
        seconds = None
    if seconds is None:
        message = f"Invalid type for '{name}.seconds': expected an integer."
        return ApiError(400, message, INVALID_REQUEST, f"{name}.seconds", "invalid_type")
    if seconds < SHORTEST_LIFE_S:
        return out_of_range(f"{name}.seconds", seconds, minimum=SHORTEST_LIFE_S)
    if seconds > LONGEST_LIFE_S:
        return out_of_range(f"{name}.seconds", seconds, maximum=LONGEST_LIFE_S)
    return seconds
