"""What stands in the body of an answer whose status is 200: broken JSON, half of it, nothing, a web page; and what the
head says that it is."""

from __future__ import annotations

from dataclasses import replace

from pydantic import Field

from windtunnel.mock_server.api.headers import HTML
from windtunnel.mock_server.faults.base import FaultContext, FaultKind, NoParams, Params, with_content_type
from windtunnel.mock_server.faults.pages import portal_page
from windtunnel.mock_server.faults.script_edits import Steps, after_bytes, after_chunks, body_of
from windtunnel.mock_server.script import End, FirstToken, Head, Script, Send, Step


class BrokenParams(Params):
    """Which event of a stream is broken."""

    after_chunks: int = Field(
        default=1,
        ge=0,
        le=1_000_000,
        description="Streams: the event after this many chunks of content."
        " At most 1,000,000: no answer has more.",
    )


class TruncatedParams(BrokenParams):
    """How much is left of the JSON."""

    keep: float = Field(
        default=0.5, gt=0, lt=1, description="The part of the JSON that is sent; never all of it."
    )


class ContentTypeParams(Params):
    """What the head says that the body is."""

    content_type: str = Field(
        default="text/plain; charset=utf-8",
        pattern=r"^[\x20-\x7e]+$",
        description="The header `content-type`.",
    )


def malformed_json(script: Script, params: BrokenParams, ctx: FaultContext) -> Script:
    """The last brace of the body, or of one event, is a bracket: same length, never valid JSON."""
    before, after = after_chunks(script, params.after_chunks) if ctx.stream else ((), script.steps)
    places = [i for i, step in enumerate(after) if isinstance(step, Send) and b"}" in step.data]
    if places:
        return Script((*before, *_broken(after, places[0] if ctx.stream else places[-1])))
    earlier = [i for i, step in enumerate(before) if isinstance(step, Send) and b"}" in step.data]
    return Script((*_broken(before, earlier[-1]), *after)) if earlier else script


def _broken(steps: Steps, at: int) -> Steps:
    step = steps[at]
    assert isinstance(step, Send)
    start, _, end = step.data.rpartition(b"}")
    return (*steps[:at], replace(step, data=start + b"]" + end), *steps[at + 1 :])


def truncated_json(script: Script, params: TruncatedParams, ctx: FaultContext) -> Script:
    """The body stops in the middle of its JSON (in a stream: of an event's); for HTTP it is complete."""
    body = body_of(script)
    first, last = _event(script, body, params) if ctx.stream else (body.find(b"{"), body.rfind(b"}"))
    if first < 0 or last <= first:
        return script
    steps, _ = after_bytes(script, first + 1 + int((last - first - 1) * params.keep))
    return Script((*_unpromised(_complete(steps)), End()))


def _event(script: Script, body: bytes, params: TruncatedParams) -> tuple[int, int]:
    """Where the JSON of the event in question begins and ends; that of the last one if none follows."""
    before, _ = after_chunks(script, params.after_chunks)
    first = body.find(b"{", len(body_of(Script(before))))
    if first < 0:
        first = body.find(b"{", max(0, body.rfind(b"data: {")))
    line_end = body.find(b"\n", first)
    return first, body.rfind(b"}", 0, line_end if line_end >= 0 else len(body))


def _complete(steps: Steps) -> Steps:
    """The last piece of a body with a length is its end: from there on a client may leave."""
    if not any(isinstance(step, Head) and step.framing == "length" for step in steps):
        return steps
    last = max((i for i, step in enumerate(steps) if isinstance(step, Send)), default=None)
    if last is None:
        return steps
    piece = steps[last]
    assert isinstance(piece, Send)
    return (*steps[:last], replace(piece, role="terminal"), *steps[last + 1 :])


def _unpromised(steps: Steps) -> Steps:
    """The head promises what is really sent."""
    return tuple(replace(step, content_length=None) if isinstance(step, Head) else step for step in steps)


def empty_body(script: Script, params: NoParams, ctx: FaultContext) -> Script:
    """The status and the headers of success, and not one byte of a body."""

    def keep(step: Step) -> Steps:
        if isinstance(step, Head):
            return (replace(step, content_length=None),)
        return (step,) if ctx.stream and isinstance(step, FirstToken) else ()

    return Script((*script.map_steps(keep).steps, End()))


def html_200(script: Script, params: NoParams, ctx: FaultContext) -> Script:
    """A web page with status 200, in place of the answer."""
    heads = [step for step in script.steps if isinstance(step, Head)]
    headers = with_content_type(heads[0].headers if heads else ctx.headers, HTML)
    return Script((Head(200, headers), Send(portal_page(), role="terminal"), End()))


def wrong_content_type(script: Script, params: ContentTypeParams, ctx: FaultContext) -> Script:
    """The body as it should be, under another content-type."""

    def call_it(step: Step) -> Steps:
        if isinstance(step, Head):
            return (replace(step, headers=with_content_type(step.headers, params.content_type)),)
        return (step,)

    return script.map_steps(call_it)


KINDS = (
    FaultKind(
        name="malformed_json",
        family="body",
        stage="answer",
        layer="events",
        params=BrokenParams,
        apply=malformed_json,
        about="The body's last brace is a bracket: its JSON does not parse. In a stream, that of one event. "
        "A broken serialiser, a proxy that rewrites.",
        example="{fault: malformed_json, with: {after_chunks: 4}, rate: 0.1}",
    ),
    FaultKind(
        name="truncated_json",
        family="body",
        stage="answer",
        layer="ending",
        params=TruncatedParams,
        apply=truncated_json,
        about="The body stops in the middle of its JSON, with a Content-Length that fits; a stream ends "
        "cleanly in the middle of an event. A buffer not flushed.",
        example="{fault: truncated_json, with: {keep: 0.5}, rate: 0.1}",
    ),
    FaultKind(
        name="empty_body",
        family="body",
        stage="answer",
        layer="ending",
        params=NoParams,
        apply=empty_body,
        about="Status 200 and no body at all; a stream without a single event.",
        example="{fault: empty_body, rate: 0.1}",
    ),
    FaultKind(
        name="html_200",
        family="body",
        stage="answer",
        layer="ending",
        params=NoParams,
        apply=html_200,
        about="Status 200 and an HTML page, at once. A captive portal, a maintenance page, a proxy's login.",
        example="{fault: html_200, rate: 0.1}",
    ),
    FaultKind(
        name="wrong_content_type",
        family="body",
        stage="answer",
        layer="bytes",
        params=ContentTypeParams,
        apply=wrong_content_type,
        about="The body is right and the header `content-type` is not. A proxy or a cache that guesses; a client "
        "that goes by the header takes JSON for text.",
        example="{fault: wrong_content_type, rate: 0.1}",
    ),
)
