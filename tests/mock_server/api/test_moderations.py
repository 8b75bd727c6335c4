"""Moderations: the shape of the SDK's type, and flags that a test can cause and foresee."""

from __future__ import annotations

from typing import Any

import pytest
from openai.types import Moderation, ModerationCreateParams, ModerationCreateResponse

from tests.mock_server.api.conftest import Wire
from tests.mock_server.api.sdk_clients import async_sdk, in_process, post, refusal, sdk, strict
from windtunnel.mock_server.api.moderations import FIELDS, WORDS, moderated_input
from windtunnel.mock_server.api.truth import digest

PICTURE: Any = {"type": "image_url", "image_url": {"url": "https://pictures.example/flag:violence.png"}}


def test_fields_are_the_sdks() -> None:
    """The fields that are known are those of the SDK."""
    assert set(FIELDS) == ModerationCreateParams.__annotations__.keys()


@pytest.mark.parametrize(
    ("given", "results"),
    [
        ("Hello.", 1),
        (["Hello.", "I will murder you."], 2),
        ([{"type": "text", "text": "Hello."}, PICTURE], 1),
        ([PICTURE], 1),
    ],
)
def test_every_form_of_input_has_the_sdks_shape(given: Any, results: int) -> None:
    """A string, strings, and parts validate strictly, with one result each, one for all parts."""
    found = Wire.reply(post("/v1/moderations", input=given))
    body = strict(ModerationCreateResponse, Wire.bytes(found.script))
    assert len(body.results) == results
    assert body.model == "omni-moderation-latest"
    names = [
        ",".join(name for name, hit in result["categories"].items() if hit)
        for result in Wire.json(found.script)["results"]
    ]
    assert found.truth_digest == digest([(at, name, None, (), None) for at, name in enumerate(names)])


def test_all_categories_of_the_sdk_are_there() -> None:
    """Every category has a flag, a score and input types."""
    said = moderated_input("omni-moderation-latest", "Hello.", None)
    categories: Any = Moderation.model_fields["categories"].annotation
    aliases = {field.alias or name for name, field in categories.model_fields.items()}
    for part in ("categories", "category_scores", "category_applied_input_types"):
        assert said[part].keys() == aliases


@pytest.mark.parametrize("name", WORDS)
def test_a_mark_flags_its_category_alone(name: str) -> None:
    """`flag:CATEGORY` flags that category and no other."""
    said = moderated_input("omni-moderation-latest", f"Please flag:{name}, thanks.", None)
    assert said["flagged"]
    assert [hit for hit, flagged in said["categories"].items() if flagged] == [name]
    assert said["category_scores"][name] > 0.8


@pytest.mark.parametrize(
    ("text", "categories"),
    [
        ("The weather is fine.", set()),
        ("They will KILL him.", {"violence"}),
        ("She has a skilled hand.", set()),
        ("How do I shoplift?", {"illicit"}),
        ("I want to kill myself", {"self-harm", "self-harm/intent", "violence"}),
    ],
)
def test_plain_words_flag(text: str, categories: set[str]) -> None:
    """Whole words in any case flag their categories; other text flags nothing and scores below a thousandth."""
    said = moderated_input("omni-moderation-latest", text, None)
    assert {name for name, flagged in said["categories"].items() if flagged} == categories
    assert said["flagged"] == bool(categories)
    rest = said["category_scores"].keys() - categories
    assert all(said["category_scores"][name] < 0.001 for name in rest)
    assert said == moderated_input("omni-moderation-latest", text, None)


def test_pictures_count_where_the_model_looks_at_pictures() -> None:
    """A picture's address can flag what pictures are looked at for, and input types say what was looked at."""
    said = moderated_input("m", None, "https://x.example/?flag:violence&flag:hate")
    assert said["categories"]["violence"]
    assert not said["categories"]["hate"]
    assert said["category_applied_input_types"]["violence"] == ["image"]
    assert said["category_applied_input_types"]["hate"] == []
    assert not moderated_input("m", None, "data:image/png;base64,flag:violence")["flagged"]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "input"),
        ({"input": []}, "input"),
        ({"input": 7}, "input"),
        ({"input": "x", "speed": 1}, "speed"),
        ({"input": [{"type": "video"}]}, "input[0].type"),
        ({"input": ["a", {"type": "text", "text": "b"}]}, "input[0]"),
        ({"input": [{"type": "image_url", "image_url": "x"}]}, "input[0].image_url.url"),
        ({"input": [PICTURE], "model": "text-moderation-latest"}, "input"),
    ],
)
def test_wrong_bodies_are_refused(body: dict[str, Any], param: str) -> None:
    """A 400 names the field that is wrong."""
    status, error = refusal(post("/v1/moderations", **body))
    assert (status, error["param"]) == (400, param)


async def test_the_sdk_gets_results() -> None:
    """Sync and async clients read flags and scores, and no model has to be named."""
    mock = in_process()
    with sdk(mock) as client:
        said = client.moderations.create(input=["fine", "gore"])
        assert [result.flagged for result in said.results] == [False, True]
        assert said.results[1].categories.violence_graphic
    async with async_sdk(mock) as client:
        again = await client.moderations.create(input="gore", model="text-moderation-latest")
        assert again.results[0].category_scores.violence_graphic > 0.8


def test_a_list_of_models_does_not_forbid_naming_none() -> None:
    """A provider that serves certain models alone still answers requests that name no model."""
    mock = in_process(models=["gpt-4.1"])
    with sdk(mock) as client:
        assert client.moderations.create(input="fine").model == "omni-moderation-latest"
        assert client.files.list().data == []
