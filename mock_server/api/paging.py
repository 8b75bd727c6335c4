"""Lists in pages: `limit`, `order`, `after` and `before` of a query, and the list object that answers it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from windtunnel.mock_server.api.errors import INVALID_REQUEST, ApiError, invalid_value, out_of_range

MOST: Final = 100
USUAL: Final = 20
_WHOLE: Final = re.compile(r"-?[0-9]{1,9}")


@dataclass(frozen=True, slots=True)
class Paging:
    """Which part of a list is asked for; `after` and `before` are ids, exclusive."""

    limit: int
    ascending: bool
    after: str | None = None
    before: str | None = None


def paging(
    query: Mapping[str, str], *, order: str, usual: int = USUAL, most: int = MOST
) -> Paging | ApiError:
    """The page that a query asks for, `order` where it says none; or the API's complaint about the query."""
    limit, given = usual, query.get("limit")
    if given is not None:
        if not _WHOLE.fullmatch(given):
            message = f"Invalid type for 'limit': expected an integer, but got '{given[:64]}' instead."
            return ApiError(400, message, INVALID_REQUEST, "limit", "invalid_type")
        limit = int(given)
        if limit < 1:
            return out_of_range("limit", limit, minimum=1)
        if limit > most:
            return out_of_range("limit", limit, maximum=most)
    order = query.get("order", order)
    if order not in ("asc", "desc"):
        return invalid_value("order", order, ("asc", "desc"))
    return Paging(limit, order == "asc", query.get("after"), query.get("before"))


def listed(data: list[dict[str, Any]], *, more: bool) -> dict[str, Any]:
    """The list object around the objects of one page, each of which has an `id`."""
    return {
        "object": "list",
        "data": data,
        "first_id": data[0]["id"] if data else None,
        "last_id": data[-1]["id"] if data else None,
        "has_more": more,
    }
