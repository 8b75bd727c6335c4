"""What a policy counts as a failed try: statuses and kinds of failures."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, Field

from windtunnel.harness.inputs.validation import complaint

RETRY_CAUSES = ("timeout", "connection", "broken_answer", "4xx", "5xx", "everything")


def _retry_cause(value: Any) -> Any:
    known = value in RETRY_CAUSES if isinstance(value, str) else False
    status = isinstance(value, int) and not isinstance(value, bool) and 400 <= value <= 599
    if not (known or status):
        raise complaint("", repr(value), f"a status from 400 to 599 or one of {', '.join(RETRY_CAUSES)}")
    return value


RetryCause: TypeAlias = Annotated[
    Annotated[int, Field(le=599)]
    | Literal["timeout", "connection", "broken_answer", "4xx", "5xx", "everything"],
    BeforeValidator(_retry_cause),
]
SDK_RETRIES: tuple[RetryCause, ...] = ("timeout", "connection", 408, 409, 429, "5xx")
"""What the SDK itself retries, and `retries.retry_on` if a profile does not say."""
BREAKER_CAUSES: tuple[RetryCause, ...] = ("timeout", "connection", 429, "5xx", "broken_answer")
"""What opens a breaker, and is a reason for a fallback, if a profile does not say."""
