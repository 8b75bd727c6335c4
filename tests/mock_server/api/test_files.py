"""Files and uploads: what goes up comes down, lists have pages, and everything expires on the adjustable clock."""

from __future__ import annotations

from hashlib import md5
from pathlib import Path
from typing import Any

import openai
import pytest
from openai.types import (
    FileCreateParams,
    FileDeleted,
    FileObject,
    Upload,
    UploadCompleteParams,
    UploadCreateParams,
)
from openai.types.uploads import UploadPart

from tests.mock_server.api.sdk_clients import async_sdk, form, in_process, post, refusal, sdk, strict
from windtunnel.mock_server.api.files import endpoint as files
from windtunnel.mock_server.api.files import state, uploads
from windtunnel.mock_server.api.files.state import PURPOSES

LINE = b'{"custom_id": "a"}\n'
HOUR = 3600


def test_fields_are_the_sdks() -> None:
    """The fields that are known are those of the SDK."""
    assert set(files.FIELDS) == FileCreateParams.__annotations__.keys()
    assert set(uploads.FIELDS) == UploadCreateParams.__annotations__.keys()
    assert set(uploads.COMPLETE_FIELDS) == UploadCompleteParams.__annotations__.keys()


def test_a_file_goes_up_and_comes_down() -> None:
    """What was uploaded is retrieved, downloaded and deleted, each in the SDK's strict shape."""
    with sdk(in_process()) as client:
        raw = client.files.with_raw_response.create(file=("träume.jsonl", LINE), purpose="batch")
        made = strict(FileObject, raw.content)
        assert (made.bytes, made.filename, made.status) == (len(LINE), "träume.jsonl", "processed")
        assert made.expires_at == made.created_at + 30 * 24 * HOUR
        assert client.files.wait_for_processing(made.id).id == made.id
        content = client.files.content(made.id)
        assert content.content == LINE
        assert "filename=" in content.response.headers["content-disposition"]
        gone = strict(FileDeleted, client.files.with_raw_response.delete(made.id).content)
        assert (gone.id, gone.deleted) == (made.id, True)
        for call in (client.files.retrieve, client.files.content, client.files.delete):
            with pytest.raises(openai.NotFoundError, match=f"No such File object: {made.id}"):
                call(made.id)


async def test_async_clients_upload_too() -> None:
    """The async client uploads, waits, lists and downloads."""
    async with async_sdk(in_process()) as client:
        made = await client.files.create(file=b"x", purpose="vision")
        await client.files.wait_for_processing(made.id)
        assert [file.id async for file in client.files.list()] == [made.id]
        assert (await client.files.content(made.id)).content == b"x"
        assert (await client.files.delete(made.id)).deleted


def test_a_form_is_the_same_whatever_its_boundary() -> None:
    """Two requests with the same fields and files have the same body hash, though their boundaries differ."""
    same = [form("/v1/files", {"purpose": "vision"}, file=("a", b"x")).body_hash for _ in range(2)]
    assert same[0] == same[1]
    assert form("/v1/files", {"purpose": "vision"}, file=("a", b"y")).body_hash != same[0]


def test_lists_have_pages() -> None:
    """Pages follow each other by themselves, newest first or oldest first, and a purpose filters them."""
    with sdk(in_process()) as client:
        made = [client.files.create(file=(f"{at}.png", b"x"), purpose="vision").id for at in range(5)]
        other = client.files.create(file=("o.txt", b"x"), purpose="user_data").id
        assert [file.id for file in client.files.list(limit=2, purpose="vision")] == made[::-1]
        assert [file.id for file in client.files.list(limit=2, order="asc")] == [*made, other]
        page = client.files.list(limit=2, after=made[3])
        assert ([file.id for file in page.data], page.has_more) == (made[2:0:-1], True)
        for wrong in ({"limit": 0}, {"limit": 10_001}, {"order": "up"}, {"extra_query": {"limit": "few"}}):
            with pytest.raises(openai.BadRequestError):
                client.files.list(**wrong)


def test_keys_do_not_see_each_other() -> None:
    """A file of another key does not exist."""
    mock = in_process()
    with sdk(mock) as client:
        made = client.files.create(file=b"x", purpose="vision")
    with sdk(mock, key="sk-other") as other:
        assert other.files.list().data == []
        with pytest.raises(openai.NotFoundError):
            other.files.delete(made.id)


@pytest.mark.parametrize("purpose", PURPOSES)
def test_every_purpose_is_taken(purpose: Any) -> None:
    """Every purpose of the SDK is taken; those that OpenAI keeps to itself cannot be downloaded."""
    with sdk(in_process()) as client:
        made = client.files.create(file=("a.jsonl", LINE), purpose=purpose)
        assert made.purpose == purpose
        if purpose in ("assistants", "user_data"):
            with pytest.raises(openai.BadRequestError, match=f"Not allowed to download .* {purpose}"):
                client.files.content(made.id)
        else:
            assert client.files.content(made.id).content == LINE


@pytest.mark.parametrize(
    ("fields", "file", "message"),
    [
        ({}, ("a.txt", b"x"), "'purpose' is a required property"),
        ({"purpose": "fun"}, ("a.txt", b"x"), "'fun' is not one of"),
        ({"purpose": "vision", "color": "red"}, ("a.txt", b"x"), "Unknown parameter: 'color'."),
        ({"purpose": "batch"}, ("a.txt", LINE), "Invalid file format for Batch API. Must be .jsonl"),
        ({"purpose": "batch"}, ("a.jsonl", b""), "Invalid file format for Batch API. Must be .jsonl"),
        ({"purpose": "batch"}, ("a.jsonl", b"{malformed"), "Invalid file format for Batch API"),
        ({"purpose": "fine-tune"}, ("a.csv", LINE), "Invalid file format for Fine-Tuning API"),
        (
            {"purpose": "vision", "expires_after[anchor]": "created_at", "expires_after[seconds]": "60"},
            ("a.txt", b"x"),
            "below minimum value",
        ),
        (
            {"purpose": "vision", "expires_after[anchor]": "now", "expires_after[seconds]": "3600"},
            ("a.txt", b"x"),
            "Invalid value: 'now'",
        ),
    ],
)
def test_wrong_forms_are_refused(fields: dict[str, str], file: tuple[str, bytes], message: str) -> None:
    """A 400 says what is wrong with an upload."""
    status, error = refusal(form("/v1/files", fields, file=file))
    assert status == 400
    assert message in error["message"]


def test_a_form_without_a_file_is_refused() -> None:
    """The file has to be there."""
    _, error = refusal(form("/v1/files", {"purpose": "vision"}, other=("a", b"x")))
    assert error["message"] == "Unknown parameter: 'other'."
    _, error = refusal(form("/v1/uploads/u/parts", {}, data2=("a", b"x")))
    assert error["param"] == "data2"


def test_what_is_too_large_is_a_413(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file above the cap gets OpenAI's 413, whichever way it comes."""
    monkeypatch.setattr(files, "MOST_FILE_BYTES", 10)
    monkeypatch.setattr(uploads, "MOST_FILE_BYTES", 10)
    monkeypatch.setattr(uploads, "MOST_PART_BYTES", 8)
    with sdk(in_process()) as client:
        calls: list[Any] = [lambda: client.files.create(file=b"x" * 11, purpose="vision")]
        calls.append(lambda: client.uploads.create(bytes=11, filename="a", mime_type="x/y", purpose="vision"))
        upload = client.uploads.create(bytes=10, filename="a", mime_type="x/y", purpose="vision")
        calls.append(lambda: client.uploads.parts.create(upload.id, data=b"x" * 9))
        client.uploads.parts.create(upload.id, data=b"x" * 8)
        calls.append(lambda: client.uploads.parts.create(upload.id, data=b"x" * 3))
        for call in calls:
            with pytest.raises(openai.APIStatusError, match="Maximum content size limit") as caught:
                call()
            assert caught.value.status_code == 413


def test_files_expire() -> None:
    """A file with `expires_after` is gone when its time has come on the adjustable clock, and not before."""
    mock = in_process()
    with sdk(mock) as client:
        made = client.files.create(
            file=b"x", purpose="vision", expires_after={"anchor": "created_at", "seconds": HOUR}
        )
        assert made.expires_at == made.created_at + HOUR
        mock.engine.store.skew_s = HOUR - 1
        assert client.files.retrieve(made.id).id == made.id
        mock.engine.store.skew_s = HOUR
        assert client.files.list().data == []
        with pytest.raises(openai.NotFoundError):
            client.files.retrieve(made.id)


def test_a_retry_makes_a_second_file() -> None:
    """Two attempts of one call make two files: nothing but an idempotency key makes them one."""
    with sdk(in_process()) as client:
        same = {"x-windtunnel-call": "c7"}
        made = {client.files.create(file=b"x", purpose="vision", extra_headers=same).id for _ in range(2)}
        assert {file.id for file in client.files.list()} == made
        assert len(made) == 2


@pytest.mark.parametrize("given", ["path", "bytes"])
def test_chunked_uploads(given: str, tmp_path: Path) -> None:
    """The SDK's own helper uploads in parts, from a path and from memory, and a file comes out."""
    data = bytes(range(256)) * 5
    path = tmp_path / "big.bin"
    path.write_bytes(data)
    digest = md5(data, usedforsecurity=False).hexdigest()
    same: Any = {"mime_type": "application/x", "purpose": "vision", "part_size": 500, "md5": digest}
    with sdk(in_process()) as client:
        if given == "path":
            done = client.uploads.upload_file_chunked(file=path, **same)
        else:
            done = client.uploads.upload_file_chunked(file=data, filename="big.bin", bytes=len(data), **same)
        strict(Upload, done)
        assert (done.status, done.filename) == ("completed", "big.bin")
        assert done.file is not None
        assert client.files.content(done.file.id).content == data


async def test_async_uploads_in_an_order_of_choice() -> None:
    """Parts are put together in the order in which they are named, not in that of their arrival."""
    async with async_sdk(in_process()) as client:
        upload = await client.uploads.create(
            bytes=6, filename="a.txt", mime_type="text/plain", purpose="vision"
        )
        strict(Upload, upload)
        first = await client.uploads.parts.create(upload.id, data=b"abc")
        second = strict(UploadPart, await client.uploads.parts.create(upload.id, data=b"def"))
        done = await client.uploads.complete(upload.id, part_ids=[second.id, first.id])
        assert (await client.files.content(done.file.id)).content == b"defabc"
        with pytest.raises(openai.BadRequestError, match="is completed"):
            await client.uploads.parts.create(upload.id, data=b"x")


def test_uploads_are_checked_when_they_are_completed() -> None:
    """Unknown parts, parts named twice, a wrong size and a wrong md5 leave the upload pending."""
    with sdk(in_process()) as client:
        upload = client.uploads.create(bytes=3, filename="a", mime_type="x/y", purpose="vision")
        one = client.uploads.parts.create(upload.id, data=b"abc").id
        two = client.uploads.parts.create(upload.id, data=b"defg").id
        wrong: list[dict[str, Any]] = [
            {"part_ids": ["part_x"]},
            {"part_ids": [one, one]},
            {"part_ids": [two]},
            {"part_ids": []},
            {"part_ids": [one], "md5": "0" * 32},
        ]
        for body in wrong:
            with pytest.raises(openai.BadRequestError):
                client.uploads.complete(upload.id, **body)
        assert client.files.list().data == []
        assert client.uploads.complete(upload.id, part_ids=[one]).status == "completed"


def test_uploads_end() -> None:
    """A cancelled upload takes no parts, nor does one whose hour is over; an unknown one is a 404."""
    mock = in_process()
    with sdk(mock) as client:
        upload = client.uploads.create(bytes=3, filename="a", mime_type="x/y", purpose="vision")
        assert strict(Upload, client.uploads.cancel(upload.id)).status == "cancelled"
        with pytest.raises(openai.BadRequestError, match="is cancelled"):
            client.uploads.parts.create(upload.id, data=b"abc")
        late = client.uploads.create(bytes=3, filename="a", mime_type="x/y", purpose="vision")
        assert late.expires_at == late.created_at + HOUR
        mock.engine.store.skew_s = HOUR
        calls: list[Any] = [lambda: client.uploads.cancel(late.id)]
        calls.append(lambda: client.uploads.complete(late.id, part_ids=["p"]))
        for call in calls:
            with pytest.raises(openai.BadRequestError, match="is expired"):
                call()
        with pytest.raises(openai.NotFoundError, match="No such Upload object"):
            client.uploads.cancel("upload_x")


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"filename": "a", "mime_type": "x", "purpose": "vision"}, "bytes"),
        ({"bytes": 0, "filename": "a", "mime_type": "x", "purpose": "vision"}, "bytes"),
        ({"bytes": 1, "filename": "a", "mime_type": "x", "purpose": "fun"}, "purpose"),
        ({"bytes": 1, "filename": 2, "mime_type": "x", "purpose": "vision"}, "filename"),
        ({"bytes": 1, "filename": "a", "mime_type": "x", "purpose": "vision", "size": 2}, "size"),
        (
            {
                "bytes": 1,
                "filename": "a",
                "mime_type": "x",
                "purpose": "vision",
                "expires_after": {"seconds": 9},
            },
            "expires_after.anchor",
        ),
    ],
)
def test_wrong_uploads_are_refused(body: dict[str, Any], param: str) -> None:
    """A 400 names the field that is wrong."""
    status, error = refusal(post("/v1/uploads", **body))
    assert (status, error["param"]) == (400, param)


def test_the_shelf_is_bounded() -> None:
    """What the store holds of files is capped in bytes, and a file of the largest size fits."""
    mock = in_process()
    assert mock.engine.store.files.most_bytes > state.MOST_FILE_BYTES
    assert mock.engine.store.uploads.most_bytes > uploads.MOST_PART_BYTES
