"""A load that streams a share of its calls: who is streamed, and which rules it can meet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest

from windtunnel.harness.errors import InputError
from windtunnel.harness.inputs.gallery import load_scenario
from windtunnel.harness.inputs.load import Load
from windtunnel.harness.inputs.schemas import build_schemas
from windtunnel.harness.load.bodies import body_of

SCENARIO = """\
name: mine
about: A test.
load: {{api: {api}, stream: {stream}, rate: 1/s, deadline: 10s}}
phases:
  - {{name: storm, for: 12s, rules: [{rule}]}}
clients: [openai-default]
expect: [{expect}]
"""


def scenario(
    folder: Path, stream: Any, *, rule: str = "", expect: str = "goodput >= 0", api: str = "chat"
) -> Any:
    file = folder / "mine.yaml"
    file.write_text(SCENARIO.format(stream=stream, rule=rule, expect=expect, api=api))
    return load_scenario(file)


def load(stream: bool | float) -> Load:
    return Load.model_validate({"stream": stream, "rate": "1/s", "deadline": "10s"})


def test_the_share_is_drawn_per_call() -> None:
    """About a tenth of the calls is streamed, the same ones whenever it is asked, and others with another seed."""
    tenth = load(0.1)
    streamed = [f"c{n}" for n in range(5000) if tenth.streams(f"c{n}", 7)]
    assert 400 < len(streamed) < 600
    assert streamed == [f"c{n}" for n in range(5000) if tenth.streams(f"c{n}", 7)]
    assert streamed != [f"c{n}" for n in range(5000) if tenth.streams(f"c{n}", 8)]


def test_bodies_ask_for_what_was_drawn() -> None:
    """The body of a call says `stream` exactly if the call is streamed."""
    half = load(0.5)
    for number in range(100):
        assert body_of(half, f"c{number}", 3).get("stream", False) is half.streams(f"c{number}", 3)


@pytest.mark.parametrize("stream", [True, False])
def test_all_or_none(stream: bool) -> None:
    """true and false hold for every call."""
    assert {load(stream).streams(f"c{n}", 1) for n in range(50)} == {stream}


@pytest.mark.parametrize("stream", ["0", "1", "1.5", "-0.1", "often", "null"])
def test_what_is_no_share(tmp_path: Path, stream: str) -> None:
    """A share lies between 0 and 1; who means none or all says false or true."""
    with pytest.raises(InputError, match=r"load\.stream: found .*the share of calls that are streamed"):
        scenario(tmp_path, stream)


def test_embeddings_are_never_streamed(tmp_path: Path) -> None:
    """No share of embeddings can be streamed."""
    with pytest.raises(InputError, match=r"load\.stream: found .*0\.1.* with the api embeddings"):
        scenario(tmp_path, 0.1, api="embeddings")


@pytest.mark.parametrize(
    "rule",
    [
        "{fault: stall_with_heartbeats, rate: 0.5}",
        "{fault: short_body, rate: 0.5}",
        "{fault: cut, match: {stream: true}, rate: 0.5}",
        "{fault: server_error, match: {stream: false}, rate: 0.5}",
    ],
)
def test_rules_of_both_forms_can_be_met(tmp_path: Path, rule: str) -> None:
    """With a share, rules about streamed answers and about others are both fine, and so are metrics of streams."""
    assert scenario(tmp_path, 0.1, rule=rule, expect="ttft_p99_s <= 9").load.forms == (True, False)


def test_a_rule_that_asks_for_the_other_form_is_refused(tmp_path: Path) -> None:
    """A fault of streams that matches only calls that are not streamed can never act."""
    rule = "{fault: stall_with_heartbeats, match: {stream: false}, rate: 0.5}"
    with pytest.raises(InputError, match="can never act"):
        scenario(tmp_path, 0.1, rule=rule)


@pytest.mark.parametrize(("stream", "fine"), [(True, True), (0.1, True), (1.5, False), ("often", False)])
def test_editors_know_it(stream: Any, fine: bool) -> None:
    """The JSON Schema takes what the reader takes."""
    schema = build_schemas()["scenario.schema.json"]
    part = {"$ref": "#/$defs/Load", "$defs": schema["$defs"]}
    assert (
        jsonschema.Draft202012Validator(part).is_valid({"stream": stream, "rate": "1/s", "deadline": "1s"})
        is fine
    )
