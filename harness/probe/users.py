"""One call of a user to a service, as Locust makes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def call_service(client: Any, asked: Mapping[str, Any], number: int) -> tuple[int | None, Exception | None]:
    """Call the service by Locust's `client` (a FastHttpSession); the status, None for no answer, and what went wrong.

    `asked` has url, method, body and headers; `{{n}}` in URL and body is the number of the call.
    """
    body = asked["body"]
    with client.request(
        asked["method"],
        _filled(asked["url"], number),
        data=None if body is None else _filled(body, number),
        headers=asked["headers"],
        name=asked["url"],
        catch_response=True,
        allow_redirects=True,
    ) as answer:
        status: int | None = answer.status_code or None
        wrong: Exception | None = getattr(answer, "error", None)
        answer.success() if status and status < 400 else answer.failure(f"status {status}")
    return status, wrong


def _filled(text: str, number: int) -> str:
    """`text` with the number of the call in place of `{{n}}`."""
    return text.replace("{{n}}", str(number))
