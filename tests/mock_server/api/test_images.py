"""Images: valid pictures of the size asked for, in every format, and answers in the SDK's strict shape."""

from __future__ import annotations

import io
from base64 import b64decode
from typing import Any

import openai
import orjson
import pytest
from openai.types import (
    ImageEditCompletedEvent,
    ImageEditPartialImageEvent,
    ImageGenCompletedEvent,
    ImageGenPartialImageEvent,
    ImagesResponse,
)
from openai.types.image_create_variation_params import ImageCreateVariationParams
from openai.types.image_edit_params import ImageEditParamsBase
from openai.types.image_generate_params import ImageGenerateParamsBase
from PIL import Image

from tests.mock_server.api.conftest import Wire
from tests.mock_server.api.sdk_clients import async_sdk, form, in_process, post, refusal, sdk, strict
from windtunnel.mock_server.api.media import images
from windtunnel.mock_server.api.media.image_requests import FIELDS
from windtunnel.mock_server.api.media.pictures import Rgba, picture
from windtunnel.mock_server.api.truth import digest

# The SDK calls some of these endpoints deprecated; applications still use them.
pytestmark = pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")

RED = Rgba(200, 30, 77)
GREEN = Rgba(3, 200, 9)
PNG = ("in.png", picture("png", 16, 16, (RED,)), "image/png")
URL = "/v1/images/generations"


def opened(text: str | None) -> Image.Image:
    """A picture in base64, decoded to the last pixel."""
    assert text is not None
    found = Image.open(io.BytesIO(b64decode(text)))
    found.load()
    return found


def test_fields_are_the_sdks() -> None:
    """The fields that are known are those of the SDK (`images` is the JSON form's own name for `image`)."""
    assert set(FIELDS["generate"]) == {*ImageGenerateParamsBase.__annotations__, "stream"}
    assert set(FIELDS["edit"]) == {*ImageEditParamsBase.__annotations__, "stream", "images"}
    assert set(FIELDS["variation"]) == ImageCreateVariationParams.__annotations__.keys()


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp", "gif"])
@pytest.mark.parametrize("size", [(1, 1), (3, 2), (16, 16), (100, 37), (1024, 1536)])
def test_pictures_decode(kind: str, size: tuple[int, int]) -> None:
    """A decoder finds the right size, and one colour close to the one that was asked for in every pixel."""
    found = Image.open(io.BytesIO(picture(kind, *size, (RED, GREEN))))
    found.load()
    assert (found.format, found.size) == (kind.upper(), size)
    bands: Any = found.convert("RGB").getextrema()
    for (low, high), wanted in zip(bands, RED, strict=False):
        assert low == high
        assert abs(wanted - low) < 4


@pytest.mark.parametrize("kind", ["png", "webp"])
def test_pictures_can_be_transparent(kind: str) -> None:
    """PNG and WebP carry opacity."""
    found = Image.open(io.BytesIO(picture(kind, 9, 5, (RED._replace(alpha=96),))))
    assert found.convert("RGBA").getpixel((8, 4)) == (*RED[:3], 96)


def test_a_gif_has_its_frames() -> None:
    """Each colour is a frame of its own, shown for as long as was asked."""
    found = Image.open(io.BytesIO(picture("gif", 64, 48, (RED, GREEN), frame_ms=120)))
    assert (getattr(found, "n_frames", 1), found.info["duration"]) == (2, 120)
    found.seek(1)
    assert found.convert("RGB").getpixel((63, 47)) == GREEN[:3]


def test_a_gif_of_many_pixels_starts_its_codes_anew() -> None:
    """Where the codes for ever longer runs are used up, a picture goes on with new ones."""
    found = Image.open(io.BytesIO(picture("gif", 3000, 2900, (RED,))))
    assert found.convert("RGB").getextrema() == tuple((part, part) for part in RED[:3])


def test_a_coarser_jpeg_is_still_close() -> None:
    """The lowest quality moves a colour by no more than its quantisation."""
    found = Image.open(io.BytesIO(picture("jpeg", 16, 16, (RED,), 200, 0)))
    pixel = found.convert("RGB").getpixel((3, 3))
    assert isinstance(pixel, tuple)
    assert all(abs(one - other) < 16 for one, other in zip(pixel, RED, strict=False))


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"n": 3, "size": "1536x1024", "quality": "high", "background": "transparent"},
        {"output_format": "webp", "output_compression": 50, "user": "u1"},
        {"output_format": "jpeg", "quality": "low", "safety_identifier": "s1", "user": "u1"},
        {"model": "gpt-image-2.5-flare", "size": "1536x864", "quality": "max", "moderation": "low"},
        {"model": "gpt-image-2", "output_format": "gif", "frame_count": 3, "frame_duration_ms": 90},
        {"model": "gpt-image-2", "output_format": "svg", "svg": {"model": "gpt-5.4"}},
    ],
)
def test_answers_have_the_sdks_shape(body: dict[str, Any]) -> None:
    """Every parameter that changes an answer is in the answer, strictly, and the pictures are what it says."""
    found = Wire.reply(post(URL, **{"model": "gpt-image-1.5", "prompt": "A tunnel.", **body}))
    said = strict(ImagesResponse, Wire.bytes(found.script))
    kind = body.get("output_format", "png")
    assert said.data is not None
    assert said.usage is not None
    assert (said.output_format, len(said.data)) == (kind, body.get("n", 1))
    assert said.background == body.get("background", "opaque")
    assert said.quality == body.get("quality", "medium")
    assert said.safety_identifier == (body.get("safety_identifier") or body.get("user"))
    assert said.usage.total_tokens == said.usage.input_tokens + said.usage.output_tokens
    assert (said.svg_usage is not None) == (kind == "svg")
    for entry in said.data:
        if kind != "svg":
            found_picture = opened(entry.b64_json)
            assert "{}x{}".format(*found_picture.size) == said.size
            assert found_picture.format == kind.upper()
    rows: Any = [(at, entry.b64_json, None, (), None) for at, entry in enumerate(said.data)]
    assert found.truth_digest == digest(rows)


@pytest.mark.parametrize(("model", "revised"), [("dall-e-2", False), ("dall-e-3", True)])
def test_old_models_give_urls(model: str, revised: bool) -> None:
    """DALL·E answers with a URL that holds the picture itself, or base64 if asked, and without usage."""
    found = Wire.reply(post(URL, model=model, prompt="A tunnel.", size="1024x1024"))
    said = strict(ImagesResponse, Wire.bytes(found.script))
    assert said.data is not None
    assert said.usage is None
    entry = said.data[0]
    assert (entry.b64_json, entry.revised_prompt is not None) == (None, revised)
    head, _, text = (entry.url or "").partition(",")
    assert head == "data:image/png;base64"
    assert opened(text).size == (1024, 1024)
    plain = Wire.reply(post(URL, model=model, prompt="A tunnel.", response_format="b64_json"))
    assert Wire.json(plain.script)["data"][0]["b64_json"]


@pytest.mark.parametrize(("partials", "count"), [(0, 1), (3, 1), (2, 2)])
def test_streams_end_with_the_pictures(partials: int, count: int) -> None:
    """Partial images come first, numbered, then the picture itself; every event validates strictly."""
    found = Wire.reply(
        post(URL, model="gpt-image-1", prompt="A.", stream=True, partial_images=partials, n=count)
    )
    events = Wire.events(found.script)
    assert len(events) == found.tokens == (partials + 1) * count == Wire.work(found.script)
    whole = []
    for name, data in events:
        assert name == data["type"]
        if name == "image_generation.completed":
            whole.append(strict(ImageGenCompletedEvent, dumped(data)).b64_json)
        else:
            strict(ImageGenPartialImageEvent, dumped(data))
        assert opened(data["b64_json"]).size == (1024, 1024)
    assert found.truth_digest == digest([(at, text, None, (), None) for at, text in enumerate(whole)])


def dumped(data: Any) -> bytes:
    """A value as JSON."""
    return orjson.dumps(data)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"prompt": None}, "prompt"),
        ({"prompt": "x" * 32_001}, "prompt"),
        ({"n": 11}, "n"),
        ({"size": "17x17"}, "size"),
        ({"size": "big", "model": "gpt-image-2"}, "size"),
        ({"size": "3200x160", "model": "gpt-image-2"}, "size"),
        ({"size": "8192x8192", "model": "gpt-image-2"}, "size"),
        ({"response_format": "url"}, "response_format"),
        ({"quality": "standard"}, "quality"),
        ({"quality": "high", "model": "dall-e-3"}, "quality"),
        ({"background": "transparent", "model": "dall-e-3"}, "background"),
        ({"n": 2, "model": "dall-e-3"}, "n"),
        ({"background": "transparent", "output_format": "jpeg"}, "background"),
        ({"partial_images": 2}, "partial_images"),
        ({"partial_images": 4, "stream": True}, "partial_images"),
        ({"output_format": "gif", "stream": True}, "stream"),
        ({"output_format": "svg", "n": 2}, "n"),
        ({"frame_count": 3}, "frame_count"),
        ({"svg": {"model": "m"}}, "svg"),
        ({"image": "x"}, "image"),
    ],
)
def test_wrong_bodies_are_refused(body: dict[str, Any], param: str) -> None:
    """A 400 names the field that is wrong, or that the model does not have."""
    given = {"model": "gpt-image-1", "prompt": "A.", **body}
    status, error = refusal(post(URL, **{name: value for name, value in given.items() if value is not None}))
    assert (status, error["param"]) == (400, param)


def test_wrong_forms_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """An edit needs a picture, a prompt and numbers that are numbers; a picture above the cap is a 413."""
    file = PNG[:2]
    for fields, files, param in (
        ({"prompt": "A."}, {"mask": file}, "image"),
        ({"model": "gpt-image-1"}, {"image": file}, "prompt"),
        ({"prompt": "A.", "n": "many"}, {"image": file}, "n"),
        ({"prompt": "A.", "stream": "maybe"}, {"image": file}, "stream"),
        ({"prompt": "A.", "style": "vivid"}, {"image": file}, "style"),
    ):
        status, error = refusal(form("/v1/images/edits", fields, **files))
        assert (status, error["param"]) == (400, param)
    monkeypatch.setattr(images, "MOST_IMAGE_BYTES", 10)
    assert refusal(form("/v1/images/variations", {}, image=file))[0] == 413


def test_the_sdk_gets_pictures() -> None:
    """The client generates, edits with several pictures and a mask, varies, and streams an edit."""
    with sdk(in_process()) as client:
        made = client.images.generate(model="gpt-image-1", prompt="A.", size="1024x1536")
        assert opened((made.data or [])[0].b64_json).size == (1024, 1536)
        edited = client.images.edit(
            model="gpt-image-1", image=[PNG, PNG], mask=PNG, prompt="B.", n=2, background="transparent"
        )
        assert strict(ImagesResponse, edited).background == "transparent"
        assert edited.usage is not None
        assert edited.usage.input_tokens_details.image_tokens == 2 * images.IMAGE_TOKENS
        assert len(edited.data or []) == 2
        varied = client.images.create_variation(image=PNG, n=2, size="256x256", response_format="b64_json")
        assert [opened(entry.b64_json).size for entry in varied.data or []] == [(256, 256)] * 2
        with client.images.edit(
            model="gpt-image-1", image=PNG, prompt="C.", stream=True, partial_images=1
        ) as stream:
            partial, whole = list(stream)
        strict(ImageEditPartialImageEvent, partial)
        strict(ImageEditCompletedEvent, whole)
        with pytest.raises(openai.BadRequestError, match="Unknown parameter: 'response_format'"):
            client.images.generate(model="gpt-image-1", prompt="A.", response_format="url")


async def test_async_clients_get_pictures() -> None:
    """The async client generates, edits, varies and streams."""
    async with async_sdk(in_process()) as client:
        made = await client.images.generate(model="dall-e-3", prompt="A.")
        assert made.data[0].url.startswith("data:image/png")
        assert (await client.images.edit(image=PNG, prompt="B.")).data
        assert (await client.images.create_variation(image=PNG)).data
        stream = await client.images.generate(model="gpt-image-1", prompt="A.", stream=True, partial_images=2)
        names = [event.type async for event in stream]
        assert names == ["image_generation.partial_image"] * 2 + ["image_generation.completed"]


def test_an_edit_can_be_json() -> None:
    """An edit as JSON names its pictures by address, as the lines of a batch do."""
    request = post("/v1/images/edits", prompt="A.", images=[{"image_url": "data:image/png;base64,"}])
    assert request.problem is not None  # without a content type it is taken for a form
    with sdk(in_process()) as client:
        body = {"prompt": "A.", "images": [{"file_id": "file-1"}]}
        said = client.post("/images/edits", body=body, cast_to=ImagesResponse)
        assert strict(ImagesResponse, said).data
