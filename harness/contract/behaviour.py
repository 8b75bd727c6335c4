"""Which behaviour of windtunnel made a run: two runs with other numbers may differ, though nothing of theirs does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

BEHAVIOURS: Final[Mapping[int, str]] = {
    1: "The first one: runs before behaviours had a number count as this.",
    2: "Timers are rounded up to the tick, warm-ups meet no fault, and what the end of a run cuts off is unfinished.",
    3: "The digest of a cell is of what the client did; what only names the client is left out.",
    4: "Timers count from t0, and a request that the server's end cuts off is recorded once.",
    5: "The digest of a cell leaves out its warm-up, whose bodies libraries write in other bytes.",
}
"""What each behaviour changed, a sentence each; .github/CHANGELOG.md has the same sentences.

A new number is one more line, here and there, whenever the digests of the gallery's virtual runs change.
"""

BEHAVIOUR: Final = max(BEHAVIOURS)
"""The number of this version. A run's plan.json records it."""
