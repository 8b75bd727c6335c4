"""What a shard is asked to do: a line of JSON on its stdin for each cell."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field


@dataclass(frozen=True, slots=True)
class Order:
    """Play the cell in `folder`. Its records go to `records`, a path from there.

    With `observed` they say also what each call did. The client is a user's `own_code`, or one of the gallery.
    `environment` is put into the environment of the cell's process: what only own code shall find there.
    """

    folder: str
    observed: bool = False
    own_code: bool = False
    records: str = "."
    environment: Mapping[str, str] = field(default_factory=dict)

    def line(self) -> str:
        """The order as a line of JSON."""
        return json.dumps(asdict(self)) + "\n"

    @classmethod
    def of(cls, line: str) -> Order:
        """Read a line."""
        return cls(**json.loads(line))
