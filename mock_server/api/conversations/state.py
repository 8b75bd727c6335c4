"""Stored conversations: items in order, to which each response adds its input and output when it is over."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import orjson

from windtunnel.mock_server.api.responses.checks import items_tokens

MOST_ITEMS: Final = 2_000
"""Items of one conversation; the oldest ones are forgotten."""

MOST_BYTES: Final = 4 * 2**20
"""Bytes of one conversation's items as JSON."""

USUAL_BYTES: Final = 512
"""What an item or a conversation weighs besides its JSON."""


class Turn(Protocol):
    """A response that is to be part of a conversation."""

    def state(self, now: float) -> str:
        """`ended` or `cancelled` when it is over."""

    def inputs(self) -> list[dict[str, Any]]:
        """Return the items of its input."""

    def outputs(self) -> list[dict[str, Any]]:
        """Return the items of its output."""


@dataclass(frozen=True, slots=True)
class Item:
    """One item: its JSON value, its tokens, and what it weighs."""

    value: dict[str, Any]
    tokens: int
    size: int


@dataclass(slots=True)
class Conversation:
    """One conversation. `created` is Unix seconds; `pending` are its responses that are not over."""

    ident: str
    created: int
    metadata: dict[str, str]
    items: OrderedDict[str, Item] = field(default_factory=OrderedDict)
    pending: list[Turn] = field(default_factory=list)
    tokens: int = 0
    size: int = USUAL_BYTES

    def settle(self, now: float) -> None:
        """Take in the responses that are over by now, questions and answers at once. Cancelled ones leave nothing."""
        over = [one for one in self.pending if one.state(now) in ("ended", "cancelled")]
        if not over:
            return
        self.pending = [one for one in self.pending if one not in over]
        for one in over:
            if one.state(now) == "ended":
                self.add([*one.inputs(), *one.outputs()])

    def add(self, values: Iterable[dict[str, Any]]) -> None:
        """Add items at the end; one that is there already keeps its place."""
        for value in values:
            ident = value["id"]
            if ident in self.items:
                continue
            tokens = items_tokens("items", [value])
            size = USUAL_BYTES + len(orjson.dumps(value))
            self.items[ident] = Item(value, tokens if isinstance(tokens, int) else 0, size)
            self.tokens += self.items[ident].tokens
            self.size += size
        while len(self.items) > MOST_ITEMS or (self.size > MOST_BYTES and len(self.items) > 1):
            self.remove(next(iter(self.items)))

    def remove(self, ident: str) -> None:
        """Forget an item."""
        item = self.items.pop(ident)
        self.tokens -= item.tokens
        self.size -= item.size

    def shown(self) -> dict[str, Any]:
        """The conversation as an object of the API."""
        return {
            "id": self.ident,
            "object": "conversation",
            "created_at": self.created,
            "metadata": self.metadata,
        }
