"""/v1/batches: create, retrieve, cancel, list. The stages of a batch are in `stages.py`; the truth is its id."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from typing import Any, Final

from windtunnel.mock_server.api.batches.input import InputFile, InputProblem, input_file_steps
from windtunnel.mock_server.api.batches.stages import BatchTimeline
from windtunnel.mock_server.api.batches.state import StoredBatch, put, settle, shown_batch, work_through
from windtunnel.mock_server.api.endpoint import Answer, Endpoint, Preparation, World, run
from windtunnel.mock_server.api.errors import ApiError, invalid_type, invalid_value, missing_parameter
from windtunnel.mock_server.api.fields import string
from windtunnel.mock_server.api.files.state import find_file, lifetime
from windtunnel.mock_server.api.headers import ORGANIZATION
from windtunnel.mock_server.api.objects import (
    answered,
    bad_metadata,
    new_id,
    shown,
    shown_page,
    unix_now,
    unknown_field,
)
from windtunnel.mock_server.api.paging import paging
from windtunnel.mock_server.request import Request

FIELDS: Final = ("completion_window", "endpoint", "input_file_id", "metadata", "output_expires_after")
BATCHED: Final = (
    "/v1/responses",
    "/v1/chat/completions",
    "/v1/embeddings",
    "/v1/completions",
    "/v1/moderations",
    "/v1/images/generations",
    "/v1/images/edits",
    "/v1/videos",
)
"""The endpoints that a batch may have. What this API does not have (videos) is a 404 in every line."""

_SETTLED: Final = ("completed", "failed", "expired")


def check_batch(body: dict[str, Any]) -> ApiError | int:
    """Check the body of a new batch; 0 if it is right. Its input file is read later, by the batch itself."""
    problem = unknown_field(body, FIELDS)
    for name in ("input_file_id", "endpoint", "completion_window"):
        if problem is None:
            value = body.get(name)
            problem = missing_parameter(name) if value is None else string(name, value)
    if problem is None and body["endpoint"] not in BATCHED:
        problem = invalid_value("endpoint", body["endpoint"], BATCHED)
    if problem is None and body["completion_window"] != "24h":
        problem = invalid_value("completion_window", body["completion_window"], ("24h",))
    if problem is None and body.get("metadata") is not None:
        problem = bad_metadata("metadata", body["metadata"])
    if problem is not None:
        return problem
    after = body.get("output_expires_after")
    if after is not None:
        if not isinstance(after, dict):
            return invalid_type("output_expires_after", "an object", after)
        seconds = lifetime("output_expires_after", after)
        return seconds if isinstance(seconds, ApiError) else 0
    return 0


def _create(request: Request, world: World) -> Answer:
    body, now, pace = request.body, unix_now(world), world.batches
    input_file = world.prepared or run(_input_file(request, world, now))
    after = body.get("output_expires_after")
    seconds = None if after is None else lifetime("output_expires_after", after)
    batch = StoredBatch(
        new_id(world, "batch_"),
        request,
        input_file,
        BatchTimeline(
            now, len(input_file.lines), not input_file.problems, pace.validating, pace.line, pace.finalizing
        ),
        seconds if isinstance(seconds, int) else None,
        body.get("metadata"),
    )
    value = shown_batch(batch, batch.timeline.at(now))
    return answered(shown(value, lambda: put(world.store, batch)), world)


def _prepare_creation(request: Request, world: World) -> Preparation | None:
    """Read the input file step by step."""
    return _input_file(request, world, unix_now(world))


def _input_file(request: Request, world: World, now: float) -> Generator[None, None, InputFile]:
    """Read the input file. A missing file fails the batch, not the request that creates it."""
    ident = request.body["input_file_id"]
    file = find_file(world.store, request.key_hash, ident, now)
    if file is None:
        message = f"Cannot find file {ident}, or organization {ORGANIZATION} does not have access to it."
        return InputFile(problems=(InputProblem("invalid_request", message, None, "file_id"),))
    if file.purpose != "batch":
        message = f"The purpose of file {ident} is '{file.purpose}', expected 'batch'."
        return InputFile(problems=(InputProblem("invalid_request", message, None, "file_id"),))
    return (yield from input_file_steps(file.data, request.body["endpoint"], world.models))


def _found(request: Request, world: World) -> StoredBatch | ApiError:
    """Return the batch that the path names."""
    batch = world.store.batches.get(request.key_hash, request.ids[0])
    if isinstance(batch, StoredBatch) and batch.timeline.created <= unix_now(world):
        return batch
    return ApiError(404, f"No batch found with id '{request.ids[0]}'.")


def _retrieve(request: Request, world: World) -> Answer:
    batch = _found(request, world)
    if isinstance(batch, ApiError):
        return answered(batch, world)
    return answered(shown(shown_batch(*settle(batch, world))), world)


def _cancel(request: Request, world: World) -> Answer:
    found = _found(request, world)
    if isinstance(found, ApiError):
        return answered(found, world)
    batch, stage = settle(found, world)
    if stage.status in _SETTLED:
        return answered(ApiError(409, f"Cannot cancel a batch with status '{stage.status}'."), world)
    if batch.timeline.cancelled is not None:
        return answered(shown(shown_batch(batch, stage)), world)
    now = unix_now(world)
    ended = replace(batch, timeline=replace(batch.timeline, cancelled=now))
    value = shown_batch(ended, ended.timeline.at(now))
    return answered(shown(value, lambda: put(world.store, ended)), world)


def _list(request: Request, world: World) -> Answer:
    wanted_page = paging(request.query, order="desc")
    if isinstance(wanted_page, ApiError):
        return answered(wanted_page, world)
    now = unix_now(world)
    page = world.store.batches.page(
        request.key_hash,
        limit=wanted_page.limit,
        after=wanted_page.after,
        ascending=wanted_page.ascending,
        where=lambda batch: batch.timeline.created <= now,
    )
    value = [shown_batch(*settle(batch, world)) for _, batch in page.entries]
    return answered(shown_page(value, page.more), world)


def _outgoing_list(request: Request, world: World) -> int:
    return _SHOWN_BYTES * sum(1 for _ in world.store.batches.of(request.key_hash))


_SHOWN_BYTES: Final = 20_000
"""Bytes of a batch in a list, with its metadata; one that failed for many lines has as many."""


ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint(
        name="batches.create",
        method="POST",
        path="/batches",
        api="batches",
        answer=_create,
        check=check_batch,
        prepare=_prepare_creation,
    ),
    Endpoint(
        name="batches.list",
        method="GET",
        path="/batches",
        api="batches",
        answer=_list,
        prepare=work_through,
        outgoing=_outgoing_list,
    ),
    Endpoint(
        name="batches.retrieve",
        method="GET",
        path="/batches/{id}",
        api="batches",
        answer=_retrieve,
        prepare=work_through,
    ),
    Endpoint(
        name="batches.cancel",
        method="POST",
        path="/batches/{id}/cancel",
        api="batches",
        answer=_cancel,
        prepare=work_through,
    ),
)
