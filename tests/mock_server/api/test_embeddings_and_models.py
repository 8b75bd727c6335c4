"""Embeddings and models."""

from __future__ import annotations

import base64
import math
import struct
from itertools import combinations, product
from typing import Any

import openai
import pytest
from openai.types import CreateEmbeddingResponse, Model, ModelDeleted

from tests.mock_server.api.sdk_clients import in_process, refusal, sdk, strict
from windtunnel.mock_server.api.embeddings.wire import vector, vector_text
from windtunnel.mock_server.api.parse import parse
from windtunnel.mock_server.api.truth import digest

KEY = {"authorization": "Bearer sk-test"}


@pytest.mark.parametrize(
    ("given", "count", "tokens"),
    [("x" * 9, 1, 3), (["a", "b"], 2, 2), ([1, 2, 3], 1, 3), ([[1, 2], [3]], 2, 3)],
)
def test_each_form_of_input_has_its_vectors(wire: Any, given: Any, count: int, tokens: int) -> None:
    """Strings, lists of strings, tokens and lists of tokens each give a vector an item, counted in tokens."""
    answer = wire.reply(wire.ask("embeddings", input=given))
    response = CreateEmbeddingResponse.model_validate_json(wire.bytes(answer.script), strict=True)
    assert [item.index for item in response.data] == list(range(count))
    assert response.usage.prompt_tokens == tokens
    assert all(len(item.embedding) == 1536 for item in response.data)


def test_floats_and_base64_hold_the_same_numbers(wire: Any) -> None:
    """Either encoding gives the same 32-bit floats, and the truth is their digest."""
    floats = wire.reply(wire.ask("embeddings", dimensions=64))
    packed = wire.reply(wire.ask("embeddings", dimensions=64, encoding_format="base64"))
    numbers = wire.json(floats.script)["data"][0]["embedding"]
    text = wire.json(packed.script)["data"][0]["embedding"]
    assert list(struct.unpack("<64f", base64.b64decode(text))) == numbers
    assert floats.truth_digest == packed.truth_digest == digest([(0, vector_text(numbers), None, [], None)])


def test_vectors_are_unit_and_belong_to_their_text() -> None:
    """A vector has length 1, is the same for the same text and far from that of another."""
    one, other = vector("m", 1536, "one"), vector("m", 1536, "other")
    assert vector("m", 1536, "one") == one
    assert math.hypot(*one) == pytest.approx(1, abs=1e-5)
    assert abs(sum(a * b for a, b in zip(one, other, strict=True))) < 0.15


def test_each_model_has_its_size(wire: Any) -> None:
    """The large model has 3072 dimensions unless fewer are asked for."""
    for asked, size in ((None, 3072), (256, 256)):
        request = wire.ask("embeddings", model="text-embedding-3-large", dimensions=asked)
        assert len(wire.json(wire.reply(request).script)["data"][0]["embedding"]) == size


def test_models_are_listed_and_found(wire: Any) -> None:
    """The provider's own models are listed; one of them is found, another is a 404 with the API's message."""
    served = ["gpt-4.1", "ft:mine/one"]
    listed = wire.reply(parse("GET", "/v1/models", KEY, b"", region="local"), models=served)
    assert [Model.model_validate(entry).id for entry in wire.json(listed.script)["data"]] == served
    assert listed.truth_digest == digest([(0, served[0], None, [], None), (1, served[1], None, [], None)])
    found = wire.reply(parse("GET", "/v1/models/ft:mine%2Fone", KEY, b"", region="local"), models=served)
    assert wire.json(found.script)["id"] == "ft:mine/one"
    missing = wire.reply(parse("GET", "/v1/models/gpt-9", KEY, b"", region="local"), models=served)
    assert missing.script.status == 404
    assert wire.json(missing.script)["error"] == {
        "message": "The model `gpt-9` does not exist or you do not have access to it.",
        "type": "invalid_request_error",
        "param": None,
        "code": "model_not_found",
    }


def test_fine_tuned_models_can_be_deleted() -> None:
    """A fine-tuned model is gone once it was deleted; any other may not be; one that is not there is a 404."""
    mock = in_process(models=["gpt-4.1", "ft:gpt-4.1:mine/one"])
    with sdk(mock) as client:
        with pytest.raises(openai.PermissionDeniedError, match="insufficient permissions"):
            client.models.delete("gpt-4.1")
        gone = strict(ModelDeleted, client.models.delete("ft:gpt-4.1:mine/one"))
        assert (gone.id, gone.deleted) == ("ft:gpt-4.1:mine/one", True)
        assert [model.id for model in client.models.list()] == ["gpt-4.1"]
        for call in (client.models.retrieve, client.models.delete):
            with pytest.raises(openai.NotFoundError):
                call("ft:gpt-4.1:mine/one")


@pytest.mark.parametrize(
    ("given", "code"),
    [
        (["x" * 4 * 8193], None),
        ([[1] * 8193], None),
        (["x" * 4 * 8000] * 38, "max_tokens_per_request"),
    ],
)
def test_too_much_input_is_refused(wire: Any, given: Any, code: str | None) -> None:
    """An input longer than the model's context is refused, and inputs that are too much together."""
    status, error = refusal(wire.ask("embeddings", input=given))
    assert (status, error["code"]) == (400, code)


def test_any_model_is_found_where_all_are_served(wire: Any) -> None:
    """A provider without a list of models serves every name."""
    found = wire.reply(parse("GET", "/v1/models/gpt-9", KEY, b"", region="local"))
    assert Model.model_validate_json(wire.bytes(found.script), strict=True).id == "gpt-9"
    assert len(wire.json(wire.reply(parse("GET", "/v1/models", KEY, b"", region="local")).script)["data"]) > 1


def likeness(one: str, other: str, model: str = "text-embedding-3-small", dimensions: int = 1536) -> float:
    """The cosine of two texts."""
    return sum(
        a * b for a, b in zip(vector(model, dimensions, one), vector(model, dimensions, other), strict=True)
    )


TEA = [
    "Green tea should be brewed with water that is not boiling.",
    "I drink a cup of black tea every morning.",
    "The tea ceremony is an old Japanese tradition of drinking tea.",
]
ELSE = [
    "The engine of the car failed on the motorway.",
    "Interest rates were raised by the central bank this week.",
    "She scored the winning goal in the last minute.",
]


@pytest.mark.parametrize("dimensions", [1024, 1536, 3072])
def test_texts_about_one_thing_are_more_alike_than_others(dimensions: int) -> None:
    """Every pair of sentences about tea scores clearly higher than any sentence about tea and one about anything."""
    alike = [likeness(a, b, dimensions=dimensions) for a, b in combinations(TEA, 2)]
    apart = [likeness(a, b, dimensions=dimensions) for a, b in product(TEA, ELSE)]
    assert min(alike) > max(apart) + 0.05
    assert min(alike) > 0.1
    assert max(map(abs, apart)) < 0.2


def test_words_in_other_forms_and_order_are_alike() -> None:
    """A text is closest to itself, close to itself in another order, and two models have nothing in common."""
    text = "Drinking tea calms nerves"
    assert likeness(text, text) == pytest.approx(1.0, abs=1e-6)
    assert 0.8 < likeness(text, "nerves calms tea drinking") < 0.99
    assert likeness("drinking", "drinks") > 0.25
    one, other = vector("text-embedding-3-small", 1536, text), vector("m", 1536, text)
    assert abs(sum(a * b for a, b in zip(one, other, strict=True))) < 0.15


@pytest.mark.parametrize("text", ["", "!!!", "你好", "\ud800", [1, 2, 3], "x" * 50_000, "ab " * 20_000])
def test_any_input_has_a_unit_vector(text: Any) -> None:
    """Whatever it is, and however few the dimensions."""
    for dimensions in (1, 2, 1536):
        assert math.hypot(*vector("m", dimensions, text)) == pytest.approx(1.0, abs=1e-5)
