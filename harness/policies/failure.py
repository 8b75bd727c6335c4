"""Why a try failed, as a policy sees it: whatever library raised it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["status", "timeout", "connection", "broken_answer"]
TOO_MANY_REQUESTS = 429


@dataclass(frozen=True, slots=True)
class Failure:
    """A failed try.

    `kind` is `status` (an answer above 399), `timeout` or `connection` (before an answer), or
    `broken_answer` (anything after a 2xx began). `headers` (lower-case names) are those of a `status`.
    """

    kind: Kind
    error: BaseException
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def throttled(self) -> bool:
        """Whether the provider said that it was too much."""
        return self.status == TOO_MANY_REQUESTS

    def is_one_of(self, causes: Collection[int | str]) -> bool:
        """Whether it is among causes as a profile writes them: statuses, 4xx, 5xx, kinds, everything."""
        if "everything" in causes:
            return True
        if self.kind != "status":
            return self.kind in causes
        status = self.status or 0
        return status in causes or ("5xx" if status >= 500 else "4xx") in causes
