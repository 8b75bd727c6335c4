"""Raw records of the last hours, steps of ten seconds for ever: what keeps the disk of a soak bounded.

    calls-*, attempts-*, served-*, connections-*, lags-*.arrows ──(older than --keep-raw)──► steps.jsonl, then deleted

A soak's writers begin new segments every `BLOCK_S`. A segment is known to be complete when it is seen for the third
time, as its writer may be a little behind; all its rows had ended by then. A call that ends later than `patience_s`
after it was due is missing in its step.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from windtunnel.harness.contract.steps import STEP_S, append_steps, read_steps
from windtunnel.harness.load.kept_calls import SeenCall, calls_of_served, steps_of
from windtunnel.mock_server.journal.segments import read_batches

BLOCK_S: Final = 300.0
"""Seconds after which the writers of a soak begin new segments."""
COMPLETE_AT_LOOK: Final = 3
"""At so many looks, a block apart, a segment is complete: whoever wrote it has gone on in another."""
MARGIN_S: Final = (COMPLETE_AT_LOOK + 1) * BLOCK_S
"""Seconds after which the segment that has a row is known to be complete, blocks that come late included."""
LATEST_S: Final = 120.0
"""Seconds after which a call that is due has ended at the latest, if its own patience is not longer."""

OF_CALLS: Final = (
    *("call_id", "region", "warmup", "intended_s", "started_s", "ended_s"),
    *("outcome", "served_id", "digest"),
)
OF_SERVED: Final = ("served_id", "call_id", "truth_digest", "last_byte_s", "abandoned", "status")


class RawRecords:
    """The segments in the folder of a cell, of which those that are older than `keep_s` become steps.

    `driven`: calls have a table of their own; else they are inferred. `patience_s`: a call that is due has ended
    after so long. What is there already was left by who began the soak.
    """

    def __init__(
        self,
        folder: Path,
        client: str,
        *,
        keep_s: float,
        deadline_s: float,
        driven: bool,
        patience_s: float = LATEST_S,
    ) -> None:
        self.folder, self.client = folder, client
        self.keep_s, self.deadline_s, self.patience_s = keep_s, deadline_s, patience_s
        self.driven = driven
        self._looks: dict[Path, int] = {}
        self._complete_at: dict[Path, float] = {}
        steps = read_steps(self.folder)
        self.kept_from_s = steps[-1].end_s if steps else 0.0
        """Up to here there are steps; from here on the raw records are whole."""
        oldest_s = keep_s + patience_s + 2 * MARGIN_S
        self._connections: deque[tuple[float, int]] = deque(maxlen=math.ceil(oldest_s / STEP_S))

    def saw(self, at_s: float, connections: int) -> None:
        """Note how many connections were open."""
        self._connections.append((at_s, connections))

    def block(self, now_s: float) -> int:
        """A block is over, and all writers go on in new segments: delete what is too old; how many files that were."""
        for path in self.folder.glob("*.arrows"):
            self._looks[path] = self._looks.get(path, 0) + 1
            if self._looks[path] == COMPLETE_AT_LOOK:
                self._complete_at[path] = now_s
        oldest = now_s - self.keep_s
        edge = math.floor((oldest - self.patience_s - MARGIN_S) / STEP_S) * STEP_S
        if edge <= self.kept_from_s:
            return 0
        calls = self._calls(self._older_than(oldest))
        append_steps(
            self.folder, steps_of(calls, self.kept_from_s, edge, self.deadline_s, tuple(self._connections))
        )
        self.kept_from_s = edge
        over = self._older_than(edge)
        for path in over:
            path.unlink(missing_ok=True)
            del self._complete_at[path], self._looks[path]
        return len(over)

    def _older_than(self, at_s: float) -> list[Path]:
        return [path for path, complete_s in self._complete_at.items() if complete_s <= at_s]

    def _calls(self, paths: list[Path]) -> list[SeenCall]:
        """The calls in these segments."""
        if self.driven:
            truths = truths_of(rows_in(paths, "served", OF_SERVED))
            return [_seen(row, truths) for row in rows_in(paths, "calls", OF_CALLS) if not row["warmup"]]
        return [
            SeenCall(one.intended_s, one.started_s, one.ended_s, one.outcome == "ok")
            for one in calls_of_served(rows_in(paths, "served"), self.client)
        ]


def rows_in(paths: list[Path], table: str, columns: Sequence[str] | None = None) -> Iterator[dict[str, Any]]:
    """The rows of those segments that are of a table, with all columns or those that are named."""
    for path in sorted(paths):
        if path.name.startswith(f"{table}-"):
            for batch in read_batches(path):
                yield from (batch if columns is None else batch.select(list(columns))).to_pylist()


def truths_of(served: Iterable[Mapping[str, Any]]) -> dict[str, str | None]:
    """The digest of the true answer, by the id of the answer, and by the id of the call (of its last answer)."""
    found: dict[str, str | None] = {}
    for row in served:
        found[row["served_id"]] = row["truth_digest"]
        if row["last_byte_s"] is not None and not row["abandoned"] and 200 <= (row["status"] or 0) < 300:
            found[f"call {row['call_id']}"] = row["truth_digest"]
    return found


def _seen(row: Mapping[str, Any], truths: Mapping[str, str | None]) -> SeenCall:
    """A call; one that its client took for a success is compared with the truth, unless no provider knows it."""
    ok = row["outcome"] == "ok"
    if ok and row["region"]:
        truth = truths.get(row["served_id"] or f"call {row['call_id']}")
        ok = truth is not None and truth == row["digest"]
    return SeenCall(row["intended_s"], row["started_s"], row["ended_s"], ok)
