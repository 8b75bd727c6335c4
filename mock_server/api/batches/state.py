"""Stored batches, and bringing them up to date: run the lines that are due, make the files that are due.

Nothing runs by itself: a request for batches or files of a key first does what is due by now. The result depends on
the seed, the lines and the plan, not on which request came when.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from windtunnel.mock_server.api.batches.input import InputFile
from windtunnel.mock_server.api.batches.lines import LineResult, Usage, left_out, run_line, unfinished
from windtunnel.mock_server.api.batches.stages import BatchStage, BatchTimeline
from windtunnel.mock_server.api.endpoint import Preparation, World, run
from windtunnel.mock_server.api.files.state import MOST_FILE_BYTES, StoredFile, expiry, keep
from windtunnel.mock_server.api.objects import unix_now
from windtunnel.mock_server.api.store import Store
from windtunnel.mock_server.request import Request

LINE_BYTES: Final = 2_048
"""What the answer to one line is taken to need, until it is in a file."""


@dataclass(frozen=True, slots=True)
class StoredBatch:
    """One batch. `results` are its lines answered so far, in order; `filed` says that its files have been made.

    `output_seconds` is how long those are kept (None: 30 days).
    """

    ident: str
    creation: Request
    input_file: InputFile
    timeline: BatchTimeline
    output_seconds: int | None = None
    metadata: Mapping[str, str] | None = None
    results: list[LineResult] = field(default_factory=list)
    filed: bool = False

    @property
    def size(self) -> int:
        """The bytes that it takes in the store."""
        if self.filed or not self.timeline.valid:
            return 1_024 + 64 * len(self.results)
        lines = self.input_file.lines
        left = LINE_BYTES * (len(lines) - len(self.results))
        return sum(map(len, lines)) + sum([len(result.data) for result in self.results]) + left

    @property
    def file_ids(self) -> tuple[str, str]:
        """The ids of the output and the error file, should they be made."""
        digits = self.ident.removeprefix("batch_")
        return f"file-{digits[:22]}01", f"file-{digits[:22]}02"


def put(store: Store, batch: StoredBatch) -> None:
    """Store a batch, or replace it by its newer version."""
    store.batches.put(batch.creation.key_hash, batch.ident, batch, batch.size)


def bring_up_to_date(key: str, world: World) -> None:
    """Make the files of all batches of a key that are over."""
    now = unix_now(world)
    due = [
        batch for _, batch in world.store.batches.of(key) if not batch.filed and batch.timeline.at(now).over
    ]
    for batch in due:
        settle(batch, world)


def work_through(request: Request, world: World) -> Preparation | None:
    """Run the lines that are due of all batches of a key in steps; None where there are none."""
    now = unix_now(world)
    batches = [batch for _, batch in world.store.batches.of(request.key_hash) if not batch.filed]
    due = sum([batch.timeline.at(now).done - len(batch.results) for batch in batches])
    return _lines_due(batches, world) if due > 0 else None


def _lines_due(batches: Sequence[StoredBatch], world: World) -> Preparation:
    now = unix_now(world)
    for batch in batches:
        done = batch.timeline.at(now).done
        size = sum([len(result.data) for result in batch.results])
        # Requests that come meanwhile work on the same results, so their number is read anew each time.
        while (at := len(batch.results)) < min(done, len(batch.input_file.lines)):
            line = batch.input_file.lines[at]
            if size < MOST_FILE_BYTES:
                room = MOST_FILE_BYTES - size
                result = yield from run_line(line, batch.ident, batch.creation, world, room)
            else:
                result = left_out(line, batch.ident)
            if len(batch.results) == at:
                batch.results.append(result)
                size += len(result.data)
            else:
                size = sum([len(one.data) for one in batch.results])
            yield


def settle(batch: StoredBatch, world: World) -> tuple[StoredBatch, BatchStage]:
    """Run the lines of a batch that are due, and return it with its stage."""
    now = unix_now(world)
    stage = batch.timeline.at(now)
    if not batch.filed:
        size = sum([len(result.data) for result in batch.results])
        for line in batch.input_file.lines[len(batch.results) : stage.done]:
            room = MOST_FILE_BYTES - size
            result = (
                run(run_line(line, batch.ident, batch.creation, world, room))
                if room > 0
                else left_out(line, batch.ident)
            )
            size += len(result.data)
            batch.results.append(result)
        if stage.over:
            batch = _file(batch, stage, world.store)
        elif world.store.batches.get(batch.creation.key_hash, batch.ident) is batch:
            put(world.store, batch)  # its results have grown, and count
    return batch, stage


def _file(batch: StoredBatch, stage: BatchStage, store: Store) -> StoredBatch:
    """Make the output and the error file, each if it has lines; the batch drops their contents."""
    results = batch.results[: stage.done]
    if stage.status == "expired":
        results += [unfinished(line, batch.ident) for line in batch.input_file.lines[stage.done :]]
    made = float(max(stage.times.values()))
    for good, ident, kind in zip((True, False), batch.file_ids, ("output", "error"), strict=True):
        data = b"".join([result.data for result in results if result.good is good])
        if data:
            expires = expiry("batch_output", batch.output_seconds, made)
            name = f"{batch.ident}_{kind}.jsonl"
            file = StoredFile(ident, name, "batch_output", data, made, expires)
            keep(store, batch.creation.key_hash, file)
    # The counts and the usage stay; the text is in the files now, and so are the lines.
    bare = [result._replace(data=b"") for result in results]
    batch = replace(batch, filed=True, results=bare, input_file=replace(batch.input_file, lines=()))
    put(store, batch)
    return batch


def shown_batch(batch: StoredBatch, stage: BatchStage) -> dict[str, Any]:
    """Return a batch that is up to date as the API shows it."""
    body, timeline, problems = batch.creation.body, batch.timeline, batch.input_file.problems
    results = batch.results if stage.status == "expired" else batch.results[: stage.done]
    good = sum([result.good for result in results])
    output, errored = batch.file_ids if stage.over else (None, None)
    errors = {"object": "list", "data": [problem.shown() for problem in problems]}
    times = ("in_progress", "finalizing", "completed", "failed", "expired", "cancelling", "cancelled")
    return {
        "id": batch.ident,
        "object": "batch",
        "endpoint": body["endpoint"],
        "model": batch.input_file.model,
        "errors": errors if stage.status == "failed" else None,
        "input_file_id": body["input_file_id"],
        "completion_window": body["completion_window"],
        "status": stage.status,
        "output_file_id": output if good else None,
        "error_file_id": errored if good < len(results) else None,
        "created_at": int(timeline.created),
        "expires_at": int(timeline.expires),
        **{f"{name}_at": stage.times.get(f"{name}_at") for name in times},
        "request_counts": {
            "total": timeline.lines if "in_progress_at" in stage.times else 0,
            "completed": good,
            "failed": len(results) - good,
        },
        "usage": _usage([result.usage for result in results]),
        "metadata": batch.metadata,
    }


def _usage(used: Sequence[Usage]) -> dict[str, Any]:
    read, cached, wrote, reasoned = (sum(column) for column in zip(*used, (0, 0, 0, 0), strict=True))
    return {
        "input_tokens": read,
        "input_tokens_details": {"cached_tokens": cached},
        "output_tokens": wrote,
        "output_tokens_details": {"reasoning_tokens": reasoned},
        "total_tokens": read + wrote,
    }
