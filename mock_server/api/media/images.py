"""/v1/images: generations, edits, variations. Valid pictures of the size asked for, of one colour drawn from the call.

`response_format: url` (DALL·E's default) gives a `data:` URL: opening it gives the picture, and nothing leaves the
machine. The truth is, for each picture, the text of its `b64_json` or its `url`. A stream ends with the last picture's
event; each event is a token of work.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import replace
from hashlib import blake2b
from typing import Any, Final

import orjson

from windtunnel.mock_server.api.endpoint import Answer, Endpoint, World
from windtunnel.mock_server.api.errors import ApiError, missing_parameter
from windtunnel.mock_server.api.headers import EVENT_STREAM, answer_headers
from windtunnel.mock_server.api.media.image_requests import SVG_TOKENS, ImageRequest, read_image_request
from windtunnel.mock_server.api.media.pictures import Rgba, picture
from windtunnel.mock_server.api.objects import WholeAnswer, answered, too_large
from windtunnel.mock_server.api.text import tokens_in
from windtunnel.mock_server.api.truth import Choice, digest
from windtunnel.mock_server.request import FormPart, Request
from windtunnel.mock_server.script import End, FirstToken, Head, Script, Send, Step, Tokens
from windtunnel.mock_server.sse import write_event

MOST_IMAGE_BYTES: Final = 50 * 2**20
"""Bytes of one picture that is given; what a transport takes may be less."""

MOST_IMAGES: Final = 16
IMAGE_TOKENS: Final = 272
"""What a picture that is given counts as."""

TOKENS: Final = {"low": 272, "medium": 1056, "high": 4160, "xhigh": 6240, "max": 8320}
"""Output tokens of 1024 × 1024 by quality; others by area. The first three are as published, the last two are not."""

_PICTURE_BYTES: Final = 2_000
_PIXELS_A_BYTE: Final = 60
"""Bytes around a picture, and how many of its pixels are a byte of base64; animations are as small, frame by frame."""

_KINDS: Final = {
    "png": "image/png",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "gif": "image/gif",
    "svg": "image/svg+xml",
}
_ACTIONS: Final = {
    "images.generate": "generate",
    "images.edit": "edit",
    "images.create_variation": "variation",
}
_EVENTS: Final = {"generate": "image_generation", "edit": "image_edit"}


def check_generate(body: dict[str, Any]) -> ApiError | int:
    """The prompt's tokens, or what is wrong with the body."""
    spec = read_image_request("generate", body)
    return spec if isinstance(spec, ApiError) else tokens_in(spec.prompt)


def check_edit(body: dict[str, Any]) -> ApiError | int:
    """The same for an edit as JSON, whose pictures are `images`: addresses or the ids of files."""
    images = body.get("images")
    if not isinstance(images, list) or not images:
        return missing_parameter("images")
    spec = read_image_request("edit", body)
    return spec if isinstance(spec, ApiError) else tokens_in(spec.prompt) + IMAGE_TOKENS * len(images)


def _check_form(
    action: str, fields: dict[str, Any], parts: Mapping[str, tuple[FormPart, ...]]
) -> ApiError | int:
    given = parts.get("image", ())
    if not given:
        return missing_parameter("image")
    if len(given) > (MOST_IMAGES if action == "edit" else 1):
        return ApiError(
            400, f"Too many images: at most {MOST_IMAGES if action == 'edit' else 1}.", param="image"
        )
    for part in (*given, *parts.get("mask", ()), *parts.get("markup", ())):
        if len(part.data) > MOST_IMAGE_BYTES:
            return too_large(MOST_IMAGE_BYTES, len(part.data))
    spec = read_image_request(action, {**fields, **dict.fromkeys(parts, "")})
    return spec if isinstance(spec, ApiError) else tokens_in(spec.prompt) + IMAGE_TOKENS * len(given)


def check_edit_form(fields: dict[str, Any], parts: Mapping[str, tuple[FormPart, ...]]) -> ApiError | int:
    """The tokens of prompt and pictures, or what is wrong with the form of an edit."""
    return _check_form("edit", fields, parts)


def check_variation_form(fields: dict[str, Any], parts: Mapping[str, tuple[FormPart, ...]]) -> ApiError | int:
    """The tokens of the picture, or what is wrong with the form of a variation."""
    return _check_form("variation", fields, parts)


def answer_images(request: Request, world: World) -> Answer:
    """The healthy answer to a request for pictures."""
    action = _ACTIONS[request.endpoint]
    spec = read_image_request(action, {**request.body, **dict.fromkeys(request.parts, "")})
    if isinstance(spec, ApiError):
        return answered(spec, world)
    pictures = [_drawn(spec, world, f"{at}") for at in range(spec.count)]
    if spec.stream:
        return _streamed(spec, pictures, _EVENTS[action], request, world)
    data = []
    for text in pictures:
        entry = {"url": f"data:{_KINDS[spec.kind]};base64,{text}"} if spec.url else {"b64_json": text}
        if spec.model == "dall-e-3":
            entry["revised_prompt"] = spec.prompt
        data.append(entry)
    body: dict[str, Any] = {"created": world.created, "data": data}
    if not spec.old:
        body |= _details(spec, request.prompt_tokens)
    choices: list[Choice] = [
        (at, entry.get("url") or entry["b64_json"], None, (), None) for at, entry in enumerate(data)
    ]
    return answered(WholeAnswer(orjson.dumps(body), choices), world)


def _drawn(spec: ImageRequest, world: World, what: str) -> str:
    """One picture, in base64."""
    alpha = 96 if spec.background == "transparent" else 255
    colours = []
    for frame in range(spec.frames):
        key = f"{world.seed}/picture/{world.call_key}/{what}/{frame}".encode()
        red, green, blue = blake2b(key, digest_size=3).digest()
        colours.append(Rgba(red, green, blue, alpha))
    data = picture(spec.kind, spec.width, spec.height, tuple(colours), spec.frame_ms, spec.compression)
    return b64encode(data).decode()


def _details(spec: ImageRequest, given_tokens: int) -> dict[str, Any]:
    """What an answer of the GPT models says besides the pictures."""
    details: dict[str, Any] = {
        "background": spec.background,
        "output_format": spec.kind,
        "quality": spec.quality,
        "size": spec.size,
        "safety_identifier": spec.safety_identifier,
        "usage": _usage(spec, given_tokens),
    }
    if spec.kind == "svg":
        read = tokens_in(spec.prompt)
        details["svg_usage"] = {
            "model": spec.svg_model or "gpt-5.4",
            "input_tokens": read,
            "output_tokens": SVG_TOKENS,
            "reasoning_tokens": 0,
            "total_tokens": read + SVG_TOKENS,
        }
    return details


def _usage(spec: ImageRequest, given_tokens: int) -> dict[str, Any]:
    wrote = round(TOKENS[spec.quality] * spec.width * spec.height / 2**20) * spec.count * spec.frames
    read = tokens_in(spec.prompt)
    return {
        "input_tokens": given_tokens,
        "input_tokens_details": {"image_tokens": given_tokens - read, "text_tokens": read},
        "output_tokens": wrote,
        "output_tokens_details": {"image_tokens": wrote, "text_tokens": 0},
        "total_tokens": given_tokens + wrote,
    }


def _streamed(spec: ImageRequest, pictures: list[str], name: str, request: Request, world: World) -> Answer:
    """For each picture its partial ones, then itself."""
    same = {
        "created_at": world.created,
        "size": spec.size,
        "quality": spec.quality,
        "background": spec.background,
        "output_format": spec.kind,
    }
    one = replace(spec, count=1)
    usage = _usage(one, request.prompt_tokens)
    usage.pop("output_tokens_details")
    events: list[tuple[str, dict[str, Any]]] = []
    for at, text in enumerate(pictures):
        for index in range(spec.partials):
            partial = _drawn(spec, world, f"{at}/{index}")
            events.append(
                (f"{name}.partial_image", {"b64_json": partial, **same, "partial_image_index": index})
            )
        whole = {"b64_json": text, **same, "usage": usage, "safety_identifier": spec.safety_identifier}
        events.append((f"{name}.completed", whole))
    steps: list[Step] = [Head(200, answer_headers(world.stamp, EVENT_STREAM), "chunked"), FirstToken()]
    for at, (kind, fields) in enumerate(events):
        data = write_event(orjson.dumps({"type": kind, **fields}), kind.encode())
        if at:
            steps.append(Tokens(1))
        steps.append(Send(data, 1, "terminal" if at == len(events) - 1 else "content"))
    truth = digest([(at, text, None, (), None) for at, text in enumerate(pictures)])
    return Answer(Script((*steps, End())), truth, len(events), None)


def _asks_for_stream(body: Mapping[str, Any], query: Mapping[str, str]) -> bool:
    """`stream` in JSON or in a form."""
    return str(body.get("stream")).lower() == "true"


def _outgoing(request: Request, world: World) -> int:
    spec = read_image_request(
        _ACTIONS[request.endpoint], {**request.body, **dict.fromkeys(request.parts, "")}
    )
    if isinstance(spec, ApiError):
        return 0
    pictures = spec.count * (1 + spec.partials)
    return pictures * (_PICTURE_BYTES + spec.width * spec.height // _PIXELS_A_BYTE * (1 + spec.frames // 16))


ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint(
        name="images.generate",
        method="POST",
        path="/images/generations",
        api="images",
        answer=answer_images,
        check=check_generate,
        outgoing=_outgoing,
    ),
    Endpoint(
        name="images.edit",
        method="POST",
        path="/images/edits",
        api="images",
        answer=answer_images,
        check=check_edit,
        form=check_edit_form,
        streams=_asks_for_stream,
        outgoing=_outgoing,
    ),
    Endpoint(
        name="images.create_variation",
        method="POST",
        path="/images/variations",
        api="images",
        answer=answer_images,
        form=check_variation_form,
        outgoing=_outgoing,
    ),
)
