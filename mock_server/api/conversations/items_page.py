"""A page of the items of a response or a conversation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from windtunnel.mock_server.api.errors import ApiError
from windtunnel.mock_server.api.objects import WholeAnswer
from windtunnel.mock_server.api.paging import paging


def items_page(items: list[dict[str, Any]], query: Mapping[str, str]) -> WholeAnswer | ApiError:
    """The page of `items` (oldest first) that a query asks for, the latest ones first unless it says otherwise.

    An `after` that is not among them gives an empty page.
    """
    page = paging(query, order="desc")
    if isinstance(page, ApiError):
        return page
    found = list(items) if page.ascending else items[::-1]
    ids = [item["id"] for item in found]
    start, end = 0, len(found)
    if page.after is not None:
        start = ids.index(page.after) + 1 if page.after in ids else end
    if page.before is not None and page.before in ids:
        end = ids.index(page.before)
    return listed(found[start:end][: page.limit], more=end - start > page.limit)


def listed(items: list[dict[str, Any]], *, more: bool = False) -> WholeAnswer:
    """A list of items; what a client must end up with are their ids. The ids of an empty page are empty."""
    body = {
        "object": "list",
        "data": items,
        "first_id": items[0]["id"] if items else "",
        "last_id": items[-1]["id"] if items else "",
        "has_more": more,
    }
    return WholeAnswer(
        orjson.dumps(body), [(at, item["id"], None, (), None) for at, item in enumerate(items)]
    )
