"""Bodies, forms and input files that nobody would send: each is answered or refused, none breaks anything."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.mock_server.api.conftest import Wire
from tests.mock_server.api.sdk_clients import post
from windtunnel.mock_server.api import moderations
from windtunnel.mock_server.api.batches import endpoint as batches
from windtunnel.mock_server.api.batches.input import read_input_file
from windtunnel.mock_server.api.files import endpoint as files
from windtunnel.mock_server.api.files import uploads
from windtunnel.mock_server.api.media import audio_requests, image_requests, speech
from windtunnel.mock_server.api.parse import parse
from windtunnel.mock_server.api.routes import ENDPOINTS
from windtunnel.mock_server.request import FormPart

WORDS = (
    "gpt-image-2",
    "dall-e-3",
    "whisper-1",
    "gpt-4o-transcribe",
    "24h",
    "true",
    "svg",
    "vision",
    "7",
    "1x1",
    "",
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 20_000)
    | st.floats(-2, 9)
    | st.sampled_from(WORDS)
    | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(("type", "text", "image_url", "url", "anchor", "seconds", "id", "model")),
            inner,
            max_size=3,
        )
    ),
    max_leaves=4,
)
JSON: dict[str, tuple[str, tuple[str, ...], dict[str, Any]]] = {
    "moderations": ("/v1/moderations", moderations.FIELDS, {"input": "x"}),
    "images": ("/v1/images/generations", image_requests.FIELDS["generate"], {"prompt": "x"}),
    "speech": ("/v1/audio/speech", speech.FIELDS, {"model": "m", "input": "x", "voice": "v"}),
    "batches": (
        "/v1/batches",
        batches.FIELDS,
        {"completion_window": "24h", "endpoint": "/v1/embeddings", "input_file_id": "file-1"},
    ),
    "uploads": (
        "/v1/uploads",
        uploads.FIELDS,
        {"bytes": 1, "filename": "a", "mime_type": "x", "purpose": "vision"},
    ),
    "complete": ("/v1/uploads/upload_1/complete", uploads.COMPLETE_FIELDS, {"part_ids": ["p"]}),
}
FORMS: dict[str, tuple[str, tuple[str, ...], dict[str, Any]]] = {
    "files.create": ("file", files.FIELDS, {"purpose": "vision"}),
    "images.edit": ("image", image_requests.FIELDS["edit"], {"prompt": "x"}),
    "images.create_variation": ("image", image_requests.FIELDS["variation"], {}),
    "audio.transcriptions": ("file", audio_requests.FIELDS["transcribe"], {"model": "whisper-1"}),
    "audio.translations": ("file", audio_requests.FIELDS["translate"], {"model": "whisper-1"}),
}


@pytest.mark.parametrize("name", JSON)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_odd_json_is_answered_or_refused(name: str, data: st.DataObject) -> None:
    """Any value in any field gives an answer or an error of the API."""
    path, fields, usual = JSON[name]
    odd = data.draw(st.dictionaries(st.sampled_from(fields), VALUES, max_size=4))
    request = post(path, **{**usual, **odd})
    if request.problem is None:
        assert Wire.reply(request).script.status in (200, 404)
    else:
        assert request.problem.status in (400, 413)


@pytest.mark.parametrize("name", FORMS)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_odd_forms_are_answered_or_refused(name: str, data: st.DataObject) -> None:
    """Any text, list or mapping in any field of a form is checked without an exception."""
    part, fields, usual = FORMS[name]
    texts = st.sampled_from(WORDS) | st.text(max_size=4)
    values = (
        texts | st.lists(texts, max_size=3) | st.dictionaries(st.sampled_from(("anchor", "seconds")), texts)
    )
    odd = data.draw(
        st.dictionaries(st.sampled_from([field for field in fields if field != part]), values, max_size=4)
    )
    form = ENDPOINTS[name].form
    assert form is not None
    parts = {part: (FormPart("a.wav", "audio/wav", data.draw(st.binary(max_size=60))),)}
    checked = form({**usual, **odd}, parts)
    assert isinstance(checked, int) or checked.status in (400, 413)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.binary(max_size=20) | VALUES.map(orjson.dumps), max_size=4).map(b"\n".join))
def test_any_bytes_are_an_input_file(data: bytes) -> None:
    """Every input file is work to do, or has problems that name its lines."""
    work = read_input_file(data, "/v1/chat/completions", None)
    assert all(1 <= (problem.line or 1) <= data.count(b"\n") + 1 for problem in work.problems)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.sampled_from(("limit", "after", "order", "purpose")), st.text(max_size=5)))
def test_any_query_is_a_list_or_an_error(query: dict[str, str]) -> None:
    """Lists answer any query."""
    for path in ("/v1/files", "/v1/batches"):
        request = parse(
            "GET", f"{path}?{urlencode(query)}", {"authorization": "Bearer k"}, b"", region="local"
        )
        assert Wire.reply(request).script.status in (200, 400)
