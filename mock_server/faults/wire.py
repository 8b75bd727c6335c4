"""What is wrong with an answer as HTTP: late or huge headers, no status line, framing and encoding that lie.

The answer behind it is the healthy one. Only `bad_status_line` stands in for it: what speaks there speaks
no HTTP at all.
"""

from __future__ import annotations

import zlib
from dataclasses import replace
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from windtunnel.mock_server.errors import PlanError
from windtunnel.mock_server.faults.base import FaultContext, FaultKind, Form, Params
from windtunnel.mock_server.faults.script_edits import Steps, after_bytes, body_of
from windtunnel.mock_server.plan.units import Seconds, as_pydantic_error
from windtunnel.mock_server.script import Close, End, Head, Raw, Script, Send, Step, Torn, Wait

MOST_FILLING = 16 * 1024 * 1024
"""Bytes of headers that `huge_headers` adds at most."""

_FILLING = "windtunnel-"


def _one_line(text: str) -> str:
    if not text or not text.isascii() or not text.isprintable():
        raise as_pydantic_error(PlanError("", repr(text), "one line of printable ASCII characters"))
    return text


class SlowHeadersParams(Params):
    """How late the headers come."""

    seconds: Seconds = Field(default=5.0, description="How much later than usual status and headers come.")


class ShortBodyParams(Params):
    """How much is missing."""

    missing: int = Field(
        default=100,
        ge=1,
        le=2**40,
        description="How many bytes Content-Length promises beyond those sent."
        " At most 1,099,511,627,776: no client waits for more.",
    )


class IncompleteChunkedParams(Params):
    """Where the chunk is torn."""

    after_bytes: int | None = Field(
        default=None,
        ge=0,
        le=1_073_741_824,
        description="After this many bytes of the body; left out: half way through it."
        " At most 1,073,741,824: no answer is larger.",
    )


class BadStatusLineParams(Params):
    """What stands where the status line should."""

    line: Annotated[str, AfterValidator(_one_line)] = Field(
        default="HTTP/1.1 OK", max_length=1000, description="The line; a status line has a number."
    )


class HugeHeadersParams(Params):
    """How much is added."""

    bytes: int = Field(
        default=262_144,
        ge=1,
        le=MOST_FILLING,
        description="The size of all added headers together. At most MOST_FILLING: clients refuse far less.",
    )
    count: int = Field(
        default=1,
        ge=1,
        le=10_000,
        description="Over how many headers it is spread. At most 10,000: clients refuse far fewer.",
    )


class BadGzipParams(Params):
    """What is wrong with the compressed body."""

    how: Literal["not_gzip", "truncated"] = Field(
        default="not_gzip",
        description="`not_gzip`: the body is not compressed at all. `truncated`: the second half of the compressed "
        "body is missing, with framing that fits.",
    )


def slow_headers(script: Script, params: SlowHeadersParams, ctx: FaultContext) -> Script:
    """Not a byte until then, and the whole answer after it."""
    return Script((Wait(params.seconds), *script.steps))


def short_body(script: Script, params: ShortBodyParams, ctx: FaultContext) -> Script:
    """The body as it was, a Content-Length that promises more, and a FIN."""
    promised = len(body_of(script)) + params.missing

    def promise(step: Step) -> Steps:
        match step:
            case Head():
                return (replace(step, framing="length", content_length=promised),)
            case Send(role="terminal"):
                return (replace(step, role="body"),)
            case End():
                return (Close(),)
            case _:
                return (step,)

    return script.map_steps(promise)


def incomplete_chunked(script: Script, params: IncompleteChunkedParams, ctx: FaultContext) -> Script:
    """A chunked body that ends, with a FIN, inside a chunk; what had a length is chunked now."""
    total = len(body_of(script))
    wanted = total // 2 if params.after_bytes is None else params.after_bytes
    left = min(wanted, max(0, total - 1))
    steps: list[Step] = []
    for step in script.steps:
        if isinstance(step, Head):
            steps.append(replace(step, framing="chunked", content_length=None))
        elif isinstance(step, Send) and len(step.data) > left:
            return Script((*steps, Torn(step.data[:left], len(step.data)), Close()))
        else:
            steps.append(step)
            left -= len(step.data) if isinstance(step, Send) else 0
    return Script((*steps[:-1], Torn(b"", 1), Close()))  # there is no body: its first chunk is torn


def bad_status_line(script: Script, params: BadStatusLineParams, ctx: FaultContext) -> Script:
    """Something that looks like an answer and does not begin like one."""
    headers = "".join([f"{name}: {value}\r\n" for name, value in ctx.headers])
    return Script((Raw(f"{params.line}\r\n{headers}content-length: 0\r\n\r\n".encode()), Close()))


def huge_headers(script: Script, params: HugeHeadersParams, ctx: FaultContext) -> Script:
    """Headers that say nothing, before the answer."""
    share, rest = divmod(params.bytes, params.count)
    added = []
    for i in range(params.count):
        name = f"x-filling-{i}"
        room = max(1, share + (i < rest) - len(name) - len(": \r\n"))
        added.append((name, (_FILLING * (room // len(_FILLING) + 1))[:room]))
    return script.with_headers(added)


def bad_gzip(script: Script, params: BadGzipParams, ctx: FaultContext) -> Script:
    """`content-encoding: gzip` over something that does not decompress to the answer."""
    encoded = script.with_headers([("content-encoding", "gzip")])
    if params.how == "not_gzip":
        return encoded
    packed = Script(_unpromised(_compressed(encoded.steps)))
    steps, after = after_bytes(packed, len(body_of(packed)) // 2)
    last = max((i for i, step in enumerate(steps) if isinstance(step, Send)), default=None)
    if last is None:
        return packed
    # For HTTP it is all there is, so a client may leave after it.
    final = replace(steps[last], role="terminal")  # type: ignore[arg-type]  # `last` is that of a Send
    return Script((*steps[:last], final, *steps[last + 1 :], after[-1]))


def _compressed(steps: Steps) -> Steps:
    """Every piece of the body compressed and flushed, so that a stream goes on arriving event by event."""
    packer = zlib.compressobj(wbits=16 + zlib.MAX_WBITS)
    packed: list[Step] = []
    for step in steps:
        if isinstance(step, Send):
            data = packer.compress(step.data) + packer.flush(zlib.Z_SYNC_FLUSH)
            packed.append(replace(step, data=data))
        else:
            packed.append(step)
    return tuple(packed)


def _unpromised(steps: Steps) -> Steps:
    return tuple([replace(step, content_length=None) if isinstance(step, Head) else step for step in steps])


_WHOLE: tuple[Form, ...] = ("whole",)

KINDS = (
    FaultKind(
        name="slow_headers",
        family="edge",
        stage="answer",
        params=SlowHeadersParams,
        apply=slow_headers,
        on_errors=True,
        layer="pace",
        example="{fault: slow_headers, with: {seconds: 8s}, rate: 0.1}",
        about="Status and headers come late, and then everything that has become ready meanwhile. A gateway that "
        "waits for the answer, a hidden queue.",
    ),
    FaultKind(
        name="short_body",
        family="edge",
        stage="answer",
        params=ShortBodyParams,
        apply=short_body,
        layer="ending",
        forms=_WHOLE,
        example="{fault: short_body, with: {missing: 100}, rate: 0.1}",
        about="Content-Length promises more than is sent, then a FIN; the JSON that did come is complete. A proxy that "
        "rewrote the body, a crash behind a buffer.",
    ),
    FaultKind(
        name="incomplete_chunked",
        family="edge",
        stage="answer",
        params=IncompleteChunkedParams,
        apply=incomplete_chunked,
        layer="ending",
        example="{fault: incomplete_chunked, with: {after_bytes: 300}, rate: 0.1}",
        about="The chunked body ends with a FIN inside a chunk, which promised more bytes. An answer that is not "
        "streamed is sent chunked for it. A worker killed while it wrote.",
    ),
    FaultKind(
        name="bad_status_line",
        family="edge",
        stage="edge",
        params=BadStatusLineParams,
        apply=bad_status_line,
        example='{fault: bad_status_line, with: {line: "SSH-2.0-OpenSSH_9.6"}, rate: 0.1}',
        about="The answer does not begin with an HTTP status line. A wrong port, a broken proxy, bytes left over "
        "from the answer before.",
    ),
    FaultKind(
        name="huge_headers",
        family="edge",
        stage="answer",
        params=HugeHeadersParams,
        apply=huge_headers,
        layer="bytes",
        example="{fault: huge_headers, with: {bytes: 20000, count: 4}, rate: 0.1}",
        about="Headers larger than clients take (aiohttp: 8 KiB a header; h11, below httpx: 100 KiB together), and the "
        "healthy answer behind them. Cookies or trace headers that a proxy piles up.",
    ),
    FaultKind(
        name="bad_gzip",
        family="edge",
        stage="answer",
        params=BadGzipParams,
        apply=bad_gzip,
        layer="ending",
        example="{fault: bad_gzip, with: {how: truncated}, rate: 0.1}",
        about="`content-encoding: gzip` over a body that is not gzip, or over the first half of one that is. A proxy "
        "that unpacks and forgets the header, a truncated cache entry.",
    ),
)
