"""What a request for pictures asks for: its fields read, checked and filled in, from JSON or from a form."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from windtunnel.mock_server.api.errors import (
    INVALID_REQUEST,
    ApiError,
    invalid_type,
    invalid_value,
    missing_parameter,
)
from windtunnel.mock_server.api.fields import Check, boolean, check_fields, integer, mapping, one_of, string
from windtunnel.mock_server.api.objects import unknown_field, unknown_parameter

COMMON_FIELDS: Final = (
    *("background", "complexity", "frame_count", "frame_duration_ms", "model", "n", "output_compression"),
    *("output_format", "partial_images", "prompt", "quality", "response_format", "safety_identifier"),
    *("size", "stream", "svg", "user"),
)
FIELDS: Final = {
    "generate": (*COMMON_FIELDS, "moderation", "style"),
    "edit": (*COMMON_FIELDS, "image", "images", "input_fidelity", "markup", "mask"),
    "variation": ("image", "model", "n", "response_format", "size", "user"),
}
"""Fields by what is asked for. `images` is what the JSON form of an edit has instead of `image`."""

USUAL_MODEL: Final = "gpt-image-1"
USUAL_SIZE: Final = "1024x1024"
LONGEST_PROMPT: Final = 32_000
MOST_EDGE: Final = 3840
MOST_PIXELS: Final = 3840 * 2160
SVG_TOKENS: Final = 400

_SIZE: Final = re.compile(r"([1-9][0-9]{0,4})x([1-9][0-9]{0,4})")
_SIZES: Final = {
    "dall-e-2": ("256x256", "512x512", "1024x1024"),
    "dall-e-3": ("1024x1024", "1792x1024", "1024x1792"),
    "gpt-image-1": ("1024x1024", "1024x1536", "1536x1024", "auto"),
    "gpt-image-1-mini": ("1024x1024", "1024x1536", "1536x1024", "auto"),
    "gpt-image-1.5": ("1024x1024", "1024x1536", "1536x1024", "auto"),
}
_NUMBERS: Final = ("n", "output_compression", "partial_images", "frame_count", "frame_duration_ms")

_CHECKS: Final[dict[str, Check]] = {
    "prompt": string,
    "model": string,
    "n": integer(1, 10),
    "size": string,
    "response_format": one_of("url", "b64_json"),
    "output_format": one_of("png", "jpeg", "webp", "gif", "svg"),
    "output_compression": integer(0, 100),
    "partial_images": integer(0, 3),
    "background": one_of("transparent", "opaque", "auto"),
    "moderation": one_of("low", "auto"),
    "input_fidelity": one_of("high", "low"),
    "complexity": one_of("low", "medium", "high"),
    "style": one_of("vivid", "natural"),
    "frame_count": integer(2, 16),
    "frame_duration_ms": integer(1),
    "svg": mapping,
    "stream": boolean,
    "user": string,
    "safety_identifier": string,
}
_QUALITIES: Final = ("low", "medium", "high", "xhigh", "max", "auto")
_OLD_QUALITIES: Final = ("standard", "hd", "auto")
_NEW_ALONE: Final = (
    *("background", "moderation", "output_compression", "output_format", "partial_images", "stream"),
    *("input_fidelity", "complexity", "frame_count", "frame_duration_ms", "svg", "markup"),
)
"""Fields that DALL·E does not have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRequest:
    """A request for pictures, with all defaults filled in.

    `old` is a DALL·E model: an answer without usage, and URLs by default.
    """

    model: str
    prompt: str
    width: int
    height: int
    count: int
    kind: str
    quality: str
    background: str
    url: bool
    stream: bool
    partials: int
    frames: int
    frame_ms: int
    compression: int
    safety_identifier: str | None
    svg_model: str | None

    @property
    def old(self) -> bool:
        """Whether it is one of the models before the GPT ones."""
        return self.model.startswith("dall-e")

    @property
    def size(self) -> str:
        """Such as `1024x1536`."""
        return f"{self.width}x{self.height}"


def read_image_request(action: str, given: Mapping[str, Any]) -> ImageRequest | ApiError:
    """Read the request from a body or a form's fields (where numbers are digits), or return their first error."""
    body = dict(given)
    for name in _NUMBERS:
        text = body.get(name)
        if isinstance(text, str) and text.isascii() and text.isdecimal() and len(text) < 10:
            body[name] = int(text)
    if isinstance(body.get("stream"), str):
        body["stream"] = {"true": True, "false": False}.get(body["stream"].lower(), body["stream"])
    problem = unknown_field(body, FIELDS[action])
    if problem is None and action != "variation" and not body.get("prompt"):
        problem = missing_parameter("prompt")
    problem = problem or check_fields(body, _CHECKS) or _too_long(body)
    if problem is not None:
        return problem
    model = body.get("model") or ("dall-e-2" if action == "variation" else USUAL_MODEL)
    old = model.startswith("dall-e")
    size = _size(model, body.get("size"))
    problem = (size if isinstance(size, ApiError) else None) or _unfit(body, model, old)
    if problem is not None or isinstance(size, ApiError):
        return problem or invalid_type("size", "a string", body.get("size"))
    kind = body.get("output_format") or "png"
    return ImageRequest(
        model=model,
        prompt=body.get("prompt") or "",
        width=size[0],
        height=size[1],
        count=body.get("n") or 1,
        kind=kind,
        quality=_quality(body.get("quality"), old),
        background="transparent" if body.get("background") == "transparent" else "opaque",
        url=old and body.get("response_format") != "b64_json",
        stream=body.get("stream") is True,
        partials=body.get("partial_images") or 0,
        frames=(body.get("frame_count") or 9) if kind == "gif" else 1,
        frame_ms=body.get("frame_duration_ms") or 200,
        compression=100 if body.get("output_compression") is None else body["output_compression"],
        safety_identifier=body.get("safety_identifier") or body.get("user") or None,
        svg_model=(body.get("svg") or {}).get("model") if kind == "svg" else None,
    )


def _too_long(body: Mapping[str, Any]) -> ApiError | None:
    prompt = body.get("prompt") or ""
    if len(prompt) <= LONGEST_PROMPT:
        return None
    message = (
        f"Invalid 'prompt': string too long. Expected a string with maximum length {LONGEST_PROMPT}, "
        f"but got a string with length {len(prompt)} instead."
    )
    return ApiError(400, message, INVALID_REQUEST, "prompt", "string_above_max_length")


def _quality(given: str | None, old: bool) -> str:
    if old:
        return "hd" if given == "hd" else "standard"
    return "medium" if given in (None, "auto") else str(given)


def _size(model: str, given: str | None) -> tuple[int, int] | ApiError:
    """Width and height. A model without a list of its own takes any that are divisible by 16, up to 3:1 and 8 MP."""
    listed = _SIZES.get(model)
    if listed is not None and given is not None and given not in listed:
        return invalid_value("size", given, listed)
    match = _SIZE.fullmatch(USUAL_SIZE if given in (None, "auto") else str(given))
    if match is None:
        message = f"Invalid size '{given}'. Expected 'auto' or WIDTHxHEIGHT."
        return ApiError(400, message, INVALID_REQUEST, "size", "invalid_value")
    width, height = int(match[1]), int(match[2])
    fits = max(width, height) <= MOST_EDGE and width * height <= MOST_PIXELS
    even = width % 16 == 0 and height % 16 == 0
    if not (fits and even and max(width, height) <= 3 * min(width, height)):
        message = (
            f"Invalid size '{given}'. Width and height must be divisible by 16, between 1:3 and 3:1, "
            "and at most 3840x2160."
        )
        return ApiError(400, message, INVALID_REQUEST, "size", "invalid_value")
    return width, height


def _unfit(body: Mapping[str, Any], model: str, old: bool) -> ApiError | None:
    """Fields that the model does not have, and fields that exclude each other."""
    given = {name for name, value in body.items() if value not in (None, False)}
    quality = body.get("quality")
    if quality is not None:
        names = _OLD_QUALITIES if old else _QUALITIES
        problem = one_of(*names)("quality", quality)
        if problem is not None:
            return problem
    wrong = _NEW_ALONE if old else ("response_format", "style")
    for name in wrong:
        if name in given:
            return unknown_parameter(name)
    if model == "dall-e-3" and (body.get("n") or 1) > 1:
        return _clash("n", "dall-e-3 makes one picture at a time.")
    kind = body.get("output_format") or "png"
    if body.get("background") == "transparent" and kind == "jpeg":
        return _clash("background", "Transparent background is not supported for JPEG output format.")
    if "partial_images" in given and body["partial_images"] > 0 and body.get("stream") is not True:
        return _clash("partial_images", "Partial images are only sent with 'stream': true.")
    if kind in ("gif", "svg"):
        for name in ("stream", "partial_images", "output_compression", "mask"):
            if name in given:
                return _clash(name, f"'{name}' is not supported with output_format={kind}.")
    if kind == "svg" and (body.get("n") or 1) > 1:
        return _clash("n", "SVG output requires n=1.")
    for name, needed in (("frame_count", "gif"), ("frame_duration_ms", "gif"), ("svg", "svg")):
        if name in given and kind != needed:
            return _clash(name, f"'{name}' is only supported with output_format={needed}.")
    return None


def _clash(param: str, message: str) -> ApiError:
    return ApiError(400, message, INVALID_REQUEST, param, "invalid_value")
