"""Batches through the real SDK, in virtual time: from the upload of the input to the lines of the output."""

from __future__ import annotations

from typing import Any

import openai
import orjson
import pytest
from openai.types import Batch, BatchCreateParams, CreateEmbeddingResponse
from openai.types.chat import ChatCompletion

from tests.mock_server.api.sdk_clients import async_sdk, in_process, post, refusal, sdk, strict
from tests.mock_server.api.test_batch_stages import file, line
from windtunnel.mock_server.api.batches import endpoint as batches
from windtunnel.mock_server.transports.inprocess.inprocess import InProcess

CHAT = "/v1/chat/completions"
BODY: Any = {"model": "gpt-4.1", "messages": [{"role": "user", "content": "Hello."}]}
PACE = {"validating": "2s", "line": "500ms", "finalizing": "1s"}


def lines(count: int, **changes: Any) -> bytes:
    """A valid input file of so many lines."""
    return file(*[line(**{"custom_id": f"r{at}", "body": BODY, **changes}) for at in range(count)])


def begin(client: openai.OpenAI, data: bytes, endpoint: Any = CHAT, **more: Any) -> Batch:
    """Upload an input file and make a batch of it."""
    given = client.files.create(file=("in.jsonl", data), purpose="batch")
    return client.batches.create(input_file_id=given.id, endpoint=endpoint, completion_window="24h", **more)


def poll(mock: InProcess, client: openai.OpenAI, ident: str) -> list[Batch]:
    """Retrieve a batch every second of virtual time until it is over."""
    seen = [client.batches.retrieve(ident)]
    while seen[-1].status not in ("completed", "failed", "expired", "cancelled"):
        mock.advance(mock.now + 1.0)
        seen.append(client.batches.retrieve(ident))
    return seen


def read(client: openai.OpenAI, ident: str | None) -> dict[str, Any]:
    """The lines of an output or error file by custom id."""
    assert ident is not None
    rows = [orjson.loads(row) for row in client.files.content(ident).content.splitlines()]
    return {row["custom_id"]: row for row in rows}


def test_fields_and_endpoints_are_the_sdks() -> None:
    """The fields that are known are those of the SDK."""
    assert set(batches.FIELDS) == BatchCreateParams.__annotations__.keys()
    assert all(name in str(BatchCreateParams.__annotations__["endpoint"]) for name in batches.BATCHED)


def test_polled_to_the_end() -> None:
    """Polling sees every stage, counts that grow, and an output file with one answer for each line."""
    mock = in_process(batches=PACE)
    with sdk(mock) as client:
        made = begin(client, lines(8), metadata={"run": "7"})
        seen = [strict(Batch, batch) for batch in poll(mock, client, made.id)]
        assert list(dict.fromkeys(batch.status for batch in seen)) == [
            "validating",
            "in_progress",
            "finalizing",
            "completed",
        ]
        counts = [batch.request_counts.completed for batch in seen if batch.request_counts]
        assert counts == sorted(counts)
        assert len(set(counts)) > 3
        done = seen[-1]
        assert (done.model, done.metadata, done.error_file_id) == ("gpt-4.1", {"run": "7"}, None)
        assert done.request_counts is not None
        assert (done.request_counts.total, done.request_counts.completed) == (8, 8)
        rows = read(client, done.output_file_id)
        assert list(rows) == [f"r{at}" for at in range(8)]
        for row in rows.values():
            assert (row["error"], row["response"]["status_code"]) == (None, 200)
            strict(ChatCompletion, orjson.dumps(row["response"]["body"]))
        assert done.usage is not None
        wrote = [row["response"]["body"]["usage"]["completion_tokens"] for row in rows.values()]
        assert done.usage.output_tokens == sum(wrote)
        assert done.completed_at == done.created_at + 2 + 4 + 1


async def test_async_clients_poll_too() -> None:
    """The async client makes a batch, polls it to the end, and finds it in the list."""
    mock = in_process(batches=PACE)
    async with async_sdk(mock) as client:
        given = await client.files.create(
            file=("in.jsonl", lines(3, url="/v1/embeddings", body={"model": "e", "input": "x"})),
            purpose="batch",
        )
        batch = await client.batches.create(
            input_file_id=given.id, endpoint="/v1/embeddings", completion_window="24h"
        )
        while batch.status != "completed":
            mock.advance(mock.now + 2.0)
            batch = await client.batches.retrieve(batch.id)
        assert [one.id async for one in client.batches.list()] == [batch.id]
        rows = (await client.files.content(batch.output_file_id)).content.splitlines()
        for row in rows:
            strict(CreateEmbeddingResponse, orjson.dumps(orjson.loads(row)["response"]["body"]))
        assert len(rows) == 3


def test_faults_hit_single_lines() -> None:
    """A rule with a rate sends its share of the lines to the error file, the same ones whoever asks when."""
    hit = []
    for step in (1.0, 100.0):
        mock = in_process({"fault": "server_error", "rate": 0.3, "match": {"api": "chat"}}, batches=PACE)
        with sdk(mock) as client:
            made = begin(client, lines(40))
            mock.advance(mock.now + step)
            done = poll(mock, client, made.id)[-1]
            failed = read(client, done.error_file_id)
            good = read(client, done.output_file_id)
            assert 4 <= len(failed) <= 20
            assert done.request_counts is not None
            assert (done.request_counts.completed, done.request_counts.failed) == (len(good), len(failed))
            assert {row["response"]["status_code"] for row in failed.values()} == {500}
            assert failed.keys().isdisjoint(good)
        hit.append(failed.keys())
    assert hit[0] == hit[1]


@pytest.mark.parametrize("fault", ["reset", "hang", "malformed_json", "short_body", "truncated_json"])
def test_what_breaks_a_connection_breaks_a_line(fault: str) -> None:
    """A line whose answer nobody could have read is an internal error in the error file; the batch goes on."""
    mock = in_process({"fault": fault, "match": {"api": "chat"}}, batches=PACE)
    with sdk(mock) as client:
        done = poll(mock, client, begin(client, lines(2)).id)[-1]
        rows = read(client, done.error_file_id)
        assert {row["response"]["body"]["error"]["type"] for row in rows.values()} == {"server_error"}
        assert (done.status, done.output_file_id) == ("completed", None)


def test_refused_lines_keep_their_error() -> None:
    """A line that the endpoint refuses is in the error file with the status and body of the refusal."""
    mock = in_process(batches=PACE)
    with sdk(mock) as client:
        data = file(line(body={**BODY, "temperature": 9}), line(custom_id="b", body=BODY))
        done = poll(mock, client, begin(client, data).id)[-1]
        row = read(client, done.error_file_id)["a"]
        assert row["response"]["status_code"] == 400
        assert row["response"]["body"]["error"]["param"] == "temperature"
        assert list(read(client, done.output_file_id)) == ["b"]


@pytest.mark.parametrize(
    ("data", "code"),
    [(b"\n", "empty_file"), (lines(1) + b"{x\n", "invalid_json_line"), (lines(1) * 2, "duplicate_custom_id")],
)
def test_wrong_files_fail_the_batch(data: bytes, code: str) -> None:
    """A wrong input file fails the batch after validation, with its errors, and it cannot be cancelled then."""
    mock = in_process(batches=PACE)
    with sdk(mock) as client:
        made = begin(client, data)
        assert (made.status, made.errors) == ("validating", None)
        failed = strict(Batch, poll(mock, client, made.id)[-1])
        assert failed.status == "failed"
        assert failed.errors is not None
        assert failed.errors.data is not None
        assert [error.code for error in failed.errors.data] == [code]
        with pytest.raises(openai.ConflictError, match="Cannot cancel a batch with status 'failed'"):
            client.batches.cancel(made.id)


def test_a_file_that_is_not_there_fails_the_batch() -> None:
    """An unknown input file, or one for another purpose, is found out by the batch."""
    mock = in_process(batches=PACE)
    with sdk(mock) as client:
        other = client.files.create(file=b"x", purpose="vision").id
        for ident, words in (("file-x", "Cannot find file"), (other, "purpose")):
            made = client.batches.create(
                input_file_id=ident, endpoint="/v1/chat/completions", completion_window="24h"
            )
            failed = poll(mock, client, made.id)[-1]
            assert failed.errors is not None
            assert words in str(failed.errors.data)


def test_cancelled_batches_keep_what_is_done() -> None:
    """A cancelled batch goes through cancelling, and its output file holds the lines that were done."""
    mock = in_process(batches=PACE)
    with sdk(mock) as client:
        made = begin(client, lines(8))
        mock.advance(mock.now + 4.1)
        asked = strict(Batch, client.batches.cancel(made.id))
        assert asked.status == "cancelling"
        assert client.batches.cancel(made.id).cancelling_at == asked.cancelling_at
        over = strict(Batch, poll(mock, client, made.id)[-1])
        assert over.status == "cancelled"
        assert list(read(client, over.output_file_id)) == ["r0", "r1", "r2", "r3"]


def test_slow_batches_expire() -> None:
    """At the end of the window a batch expires: done lines are in the output file, the others in the error file."""
    mock = in_process(batches={**PACE, "line": "10h"})
    with sdk(mock) as client:
        made = begin(client, lines(3))
        mock.engine.store.skew_s = 25 * 3600
        over = strict(Batch, client.batches.retrieve(made.id))
        assert (over.status, over.expired_at) == ("expired", over.expires_at)
        assert list(read(client, over.output_file_id)) == ["r0", "r1"]
        row = read(client, over.error_file_id)["r2"]
        assert (row["response"], row["error"]["code"]) == (None, "batch_expired")
        with pytest.raises(openai.ConflictError):
            client.batches.cancel(made.id)


def test_output_files_are_there_without_polling() -> None:
    """Files of a batch are listed after its end though nobody polled, expire as was asked, and stay deleted."""
    mock = in_process(batches=PACE)
    with sdk(mock) as client:
        keep: Any = {"anchor": "created_at", "seconds": 3600}
        made = begin(client, lines(2), output_expires_after=keep)
        mock.engine.store.skew_s = 600.0
        found = list(client.files.list(purpose="batch_output"))
        assert [file.filename for file in found] == [f"{made.id}_output.jsonl"]
        assert found[0].expires_at == found[0].created_at + 3600
        client.files.delete(found[0].id)
        assert client.batches.retrieve(made.id).output_file_id == found[0].id
        assert list(client.files.list(purpose="batch_output")) == []


def test_the_clock_can_go_back() -> None:
    """Where the adjustable clock is set back, a batch is where it was, and its output is not there yet."""
    mock = in_process(batches=PACE)
    with sdk(mock) as client:
        made = begin(client, lines(4))
        mock.engine.store.skew_s = 600.0
        done = client.batches.retrieve(made.id)
        mock.engine.store.skew_s = 3.1
        early = client.batches.retrieve(made.id)
        assert (done.status, early.status) == ("completed", "in_progress")
        assert early.request_counts is not None
        assert (early.request_counts.completed, early.output_file_id) == (2, None)
        with pytest.raises(openai.NotFoundError):
            client.files.retrieve(done.output_file_id or "")


def test_lists_have_pages() -> None:
    """Pages of batches follow each other by themselves, newest first."""
    with sdk(in_process()) as client:
        made = [begin(client, lines(1)).id for _ in range(5)]
        assert [batch.id for batch in client.batches.list(limit=2)] == made[::-1]
        with pytest.raises(openai.BadRequestError):
            client.batches.list(limit=101)
        with pytest.raises(openai.NotFoundError, match="No batch found with id 'batch_x'"):
            client.batches.retrieve("batch_x")


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"endpoint": CHAT, "completion_window": "24h"}, "input_file_id"),
        ({"endpoint": "/v1/x", "completion_window": "24h", "input_file_id": "f"}, "endpoint"),
        ({"endpoint": CHAT, "completion_window": "1h", "input_file_id": "f"}, "completion_window"),
        ({"endpoint": CHAT, "completion_window": "24h", "input_file_id": "f", "speed": 1}, "speed"),
        (
            {"endpoint": CHAT, "completion_window": "24h", "input_file_id": "f", "metadata": {"tags": ["a"]}},
            "metadata.tags",
        ),
        (
            {
                "endpoint": CHAT,
                "completion_window": "24h",
                "input_file_id": "f",
                "metadata": {"a": "x" * 513},
            },
            "metadata.a",
        ),
        (
            {
                "endpoint": CHAT,
                "completion_window": "24h",
                "input_file_id": "f",
                "metadata": {str(at): "" for at in range(17)},
            },
            "metadata",
        ),
        (
            {
                "endpoint": CHAT,
                "completion_window": "24h",
                "input_file_id": "f",
                "output_expires_after": {"anchor": "created_at", "seconds": 1},
            },
            "output_expires_after.seconds",
        ),
    ],
)
def test_wrong_bodies_are_refused(body: dict[str, Any], param: str) -> None:
    """A 400 names the field that is wrong."""
    status, error = refusal(post("/v1/batches", **body))
    assert (status, error["param"]) == (400, param)


@pytest.mark.parametrize(
    ("endpoint", "body", "status"),
    [
        ("/v1/moderations", {"input": "x"}, 200),
        ("/v1/images/generations", {"prompt": "x"}, 200),
        ("/v1/images/edits", {"prompt": "x", "images": [{"file_id": "file-1"}]}, 200),
        ("/v1/videos", {"model": "sora-2", "prompt": "x"}, 404),
    ],
)
def test_other_endpoints_in_batches(endpoint: str, body: dict[str, Any], status: int) -> None:
    """Batches of pictures and moderations are answered; what this API does not have is a 404 in every line."""
    mock = in_process(batches=PACE)
    with sdk(mock) as client:
        done = poll(mock, client, begin(client, file(line(url=endpoint, body=body)), endpoint).id)[-1]
        row = read(client, done.output_file_id or done.error_file_id)["a"]
        assert row["response"]["status_code"] == status
