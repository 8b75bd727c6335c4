"""What is wrong with an answer as HTTP: late or huge headers, framing and encoding that lie."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from tests.mock_server.scripts import head_of
from windtunnel.mock_server.faults import FAULTS
from windtunnel.mock_server.script import (
    Close,
    End,
    FirstToken,
    Head,
    Raw,
    Script,
    Send,
    Step,
    Tokens,
    Torn,
    Wait,
)

Play = Callable[..., Script]
EMPTY = Script((Head(200), End()))


def bytes_of(script: Script) -> bytes:
    """Everything that a script sends of its body, torn pieces included."""
    return b"".join(step.data for step in script.steps if isinstance(step, Send | Torn))


@pytest.mark.parametrize("stream", [True, False])
def test_slow_headers_wait_and_change_nothing(play: Play, chat: Script, whole: Script, stream: bool) -> None:
    """The whole answer comes as it was, after a wait in front of its head."""
    healthy = chat if stream else whole
    assert play("slow_headers", healthy, stream=stream, seconds="8s") == Script((Wait(8.0), *healthy.steps))


@pytest.mark.parametrize("missing", [1, 100, 2**40])
def test_short_body_promises_more_than_it_sends(play: Play, whole: Script, missing: int) -> None:
    """The body is whole, its length is not, and no byte of it lets a client believe that it has everything."""
    script = play("short_body", whole, stream=False, missing=missing)
    assert bytes_of(script) == bytes_of(whole)
    assert head_of(script).content_length == len(bytes_of(whole)) + missing
    assert head_of(script).framing == "length"
    assert script.steps[-1] == Close()
    assert not any(isinstance(step, Send) and step.role == "terminal" for step in script.steps)


@pytest.mark.parametrize("n", [None, 0, 1, 79, 5000])
@pytest.mark.parametrize("stream", [True, False])
def test_incomplete_chunked_ends_inside_a_chunk(
    play: Play, chat: Script, whole: Script, stream: bool, n: int | None
) -> None:
    """That many bytes come, never the last one; the last chunk promises more than there is, then FIN."""
    healthy = chat if stream else whole
    total = len(bytes_of(healthy))
    script = play("incomplete_chunked", healthy, stream=stream, after_bytes=n)
    assert head_of(script).framing == "chunked"
    assert bytes_of(script) == bytes_of(healthy)[: min(total // 2 if n is None else n, total - 1)]
    torn, last = script.steps[-2:]
    assert isinstance(torn, Torn)
    assert torn.size > len(torn.data)
    assert last == Close()


def test_incomplete_chunked_without_a_body(play: Play) -> None:
    """An answer without a body has a first chunk that never comes."""
    script = play("incomplete_chunked", EMPTY)
    assert script.steps == (Head(200, framing="chunked"), Torn(b"", 1), Close())


@pytest.mark.parametrize("line", ["HTTP/1.1 OK", "SSH-2.0-OpenSSH_9.6"])
def test_bad_status_line_is_no_http(play: Play, line: str) -> None:
    """The line stands where a status should, headers follow as if it were one, then FIN."""
    script = play("bad_status_line", Script(()), line=line)
    raw, last = script.steps
    assert isinstance(raw, Raw)
    assert raw.data.startswith(f"{line}\r\ncontent-type: application/json\r\n".encode())
    assert raw.data.endswith(b"\r\n\r\n")
    assert (script.status, last) == (None, Close())


@pytest.mark.parametrize("line", ["", "HTTP/1.1 200 OK\r\nx: y", "HTTP/1.1 200 Schön"])
def test_a_status_line_is_one_line(line: str) -> None:
    """Nothing in it may begin another line, or be more than ASCII."""
    with pytest.raises(ValidationError, match="one line of printable ASCII"):
        FAULTS["bad_status_line"].params.model_validate({"line": line})


@pytest.mark.parametrize(("size", "count"), [(262_144, 1), (20_000, 4), (100_001, 100), (1, 1), (10_000, 3)])
def test_huge_headers_have_the_size_that_was_asked_for(
    play: Play, whole: Script, size: int, count: int
) -> None:
    """The added header lines together have that many bytes, each has its share, and the answer is the same."""
    script = play("huge_headers", whole, stream=False, bytes=size, count=count)
    added = head_of(script).headers[len(head_of(whole).headers) :]
    lines = [len(f"{name}: {value}\r\n") for name, value in added]
    least = len("x-filling-0: w\r\n")
    assert len(lines) == len({name for name, _ in added}) == count
    assert sum(lines) == max(size, least)
    assert max(lines) - min(lines) <= 1
    assert script.steps[1:] == whole.steps[1:]


@pytest.mark.parametrize("stream", [True, False])
def test_bad_gzip_is_no_gzip(play: Play, chat: Script, whole: Script, stream: bool) -> None:
    """The header says gzip, and the body is the plain one."""
    healthy = chat if stream else whole
    script = play("bad_gzip", healthy, stream=stream)
    assert ("content-encoding", "gzip") in head_of(script).headers
    assert script.steps[1:] == healthy.steps[1:]
    with pytest.raises(gzip.BadGzipFile):
        gzip.decompress(bytes_of(script))


@pytest.mark.parametrize("stream", [True, False])
def test_truncated_gzip_begins_well(play: Play, chat: Script, whole: Script, stream: bool) -> None:
    """What is there unpacks to the beginning of the answer, its end is missing, and HTTP notices nothing."""
    healthy = chat if stream else whole
    script = play("bad_gzip", healthy, stream=stream, how="truncated")
    unpack = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    unpacked = unpack.decompress(bytes_of(script))
    assert bytes_of(healthy).startswith(unpacked)
    assert len(unpacked) < len(bytes_of(healthy))
    assert not unpack.eof
    assert script.steps[-1] == End()
    assert head_of(script).content_length is None
    assert [step for step in script.steps if isinstance(step, Send)][-1].role == "terminal"


def test_a_gzipped_stream_still_arrives_event_by_event(play: Play) -> None:
    """Work and sends keep their order, and each send unpacks as soon as it has come."""
    events = [hashlib.sha256(bytes([i])).hexdigest().encode() for i in range(6)]
    steps: list[Step] = [step for event in events for step in (Tokens(1), Send(event, 1, "content"))]
    script = play("bad_gzip", Script((Head(200, framing="chunked"), *steps, End())), how="truncated")
    unpack = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    unpacked = [unpack.decompress(step.data) for step in script.steps if isinstance(step, Send)]
    assert unpacked[:2] == events[:2]
    assert [type(step) for step in script.steps[1:5]] == [Tokens, Send, Tokens, Send]


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("short_body", {"missing": 0}),
        ("incomplete_chunked", {"after_bytes": -1}),
        ("huge_headers", {"bytes": 0}),
        ("huge_headers", {"bytes": 2**30}),
        ("huge_headers", {"count": 10_001}),
        ("bad_gzip", {"how": "zip"}),
        ("slow_headers", {"seconds": 5}),
    ],
)
def test_parameters_have_bounds(name: str, params: dict[str, Any]) -> None:
    """What cannot be sent is refused."""
    with pytest.raises(ValidationError):
        FAULTS[name].params.model_validate(params)


def test_only_whole_answers_have_a_length() -> None:
    """`short_body` acts on answers that are not streamed; the others act on both forms."""
    forms = {name: FAULTS[name].forms for name in ("short_body", "incomplete_chunked", "bad_gzip")}
    assert forms.pop("short_body") == ("whole",)
    assert set(forms.values()) == {("streamed", "whole")}


@pytest.mark.parametrize(
    "names",
    [
        ("short_body", "bad_gzip", "slow_headers", "drip"),
        ("bad_gzip", "incomplete_chunked", "huge_headers", "drip"),
        ("close", "incomplete_chunked", "bad_gzip", "drip"),
    ],
)
def test_they_compose(play: Play, whole: Script, names: tuple[str, ...]) -> None:
    """One head, one end, which is last, and no work is lost in front of the bytes that are sent."""
    params = {"close": {"at": "after_bytes 40"}, "bad_gzip": {"how": "truncated"}}
    script = whole
    for name in names:
        script = play(name, script, stream=False, **params.get(name, {}))
    assert [isinstance(step, Head) for step in script.steps].count(True) == 1
    assert [isinstance(step, Close | End) for step in script.steps].count(True) == 1
    assert isinstance(script.steps[-1], Close | End)
    work: list[Step] = [step for step in script.steps if isinstance(step, FirstToken | Tokens)]
    assert work == [FirstToken(), Tokens(8)]
