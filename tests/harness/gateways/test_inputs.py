"""What a path may say, how gateways are found and filled in, and one clear message for each mistake."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from windtunnel.harness.cli.main import app
from windtunnel.harness.errors import InputError
from windtunnel.harness.inputs.gateway import (
    Gateway,
    asked_path,
    filled,
    gateway_of,
    known_as,
    read_gateway,
    shipped,
)
from windtunnel.harness.run.run import RunOptions, plan_for

MINE = """\
about: Passes everything on.
command: [python, gateway.py, "${port}"]
"""
SCENARIO = """\
name: mine
about: A test.
{path}
load: {{rate: 1/s, deadline: 5s}}
phases: [{{name: all, for: 1s}}]
clients: [openai-default]
"""


@pytest.fixture
def scenario(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is worked in, with a gateway of one's own in it; nothing is installed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WINDTUNNEL_HOME", str(tmp_path / "home"))
    (tmp_path / "gateways").mkdir()
    (tmp_path / "gateways" / "own.yaml").write_text(MINE)
    (tmp_path / "mine.yaml").write_text(SCENARIO.format(path="path: [client, own, provider]"))
    return tmp_path / "mine.yaml"


def told(*arguments: str) -> str:
    """What a command that ends with exit code 2 says, on one line."""
    result = CliRunner().invoke(app, [*arguments], env={"COLUMNS": "400"})
    error = result.exception
    if isinstance(error, InputError):
        assert error.exit_code == 2
        return " ".join(str(error).split())
    assert result.exit_code == 2, result.output
    return " ".join(result.output.split())


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("[client, litellm]", "which does not end with provider"),
        ("[litellm, provider]", "which does not begin with client"),
        ("[client, a, b, provider]", "2 gateways in [client, a, b, provider], expected at most one"),
        ("[]", "which does not begin with client"),
        ("[client, client, provider]", "expected [client, GATEWAY, provider]"),
        ("[client, litelm, provider]", "unknown gateway 'litelm', expected one of 'litellm' or 'portkey'"),
        ("[client, ./no.yaml, provider]", "no such file, expected a gateway's YAML file"),
    ],
)
def test_a_wrong_path_is_told_at_its_line(scenario: Path, path: str, message: str) -> None:
    """File, line, key, what was found and what was expected."""
    scenario.write_text(SCENARIO.format(path=f"path: {path}"))
    said = told("run", str(scenario))
    assert message in said
    assert "mine.yaml:3: path" in said


def test_an_unknown_gateway_of_the_command_line_is_told(scenario: Path) -> None:
    """The option is named where no file is at fault."""
    assert "unknown gateway 'nothing'" in told("run", str(scenario), "--path", "nothing")
    assert "--path: found [client, x], which does not end" in told("run", str(scenario), "--path", "client,x")


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("litellm", "windtunnel env create litellm --with 'litellm[proxy]'"),
        ("portkey", "windtunnel env create portkey --npm @portkey-ai/gateway"),
    ],
)
def test_a_missing_environment_is_told_with_the_command_that_makes_it(
    scenario: Path, name: str, command: str
) -> None:
    """One command, ready to be pasted."""
    said = told("run", str(scenario), "--path", name)
    assert f"gateway {name}: environment: found no " in said
    assert command in said


def test_a_gateway_needs_the_real_clock(scenario: Path) -> None:
    """Left open, the clock is the real one, and it is said why; asked for, the virtual one is refused."""
    plan = plan_for(RunOptions("mine.yaml"))
    assert (plan.clock, plan.clock_reason) == ("real", "the gateway own is a program of its own")
    assert plan.cells[0].gateway is not None
    for option in (["--clock", "virtual"], ["--seeds", "3", "--clock", "virtual"]):
        assert "expected --clock real: the gateway own is a program" in told("run", str(scenario), *option)


def test_the_option_replaces_the_path_of_the_scenario(scenario: Path) -> None:
    """`direct` takes the gateway out; what is played stands in the plan."""
    plan = plan_for(RunOptions("mine.yaml", path=asked_path("direct")))
    assert plan.cells[0].gateway is None
    assert (plan.clock, plan.scenario["path"]) == ("virtual", ["client", "provider"])


def test_a_plan_plays_the_gateway_that_it_was_played_with(scenario: Path) -> None:
    """The plan has all of it: a file that changed, or went, changes nothing."""
    plan = plan_for(RunOptions("mine.yaml"))
    plan.write_json(Path("plan.json"))
    Path("gateways/own.yaml").unlink()
    again = plan_for(RunOptions("plan.json"))
    assert again.cells[0].gateway == plan.cells[0].gateway


def test_a_file_is_found_beside_the_scenario(scenario: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder gateways/ of the scenario's own folder counts, wherever one is."""
    (scenario.parent / "elsewhere").mkdir()
    monkeypatch.chdir(scenario.parent / "elsewhere")
    assert known_as("own", scenario.parent) == str(scenario.parent / "gateways" / "own.yaml")
    assert known_as("litellm", scenario.parent) == "litellm"
    found = gateway_of(("client", known_as("own", scenario.parent), "provider"))
    assert found is not None
    assert found.name == "own"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("env: {A: '${prot}'}", "${prot}"),
        ("files: {x.txt: '${env}'}", "${env} without an environment"),
        ("files: {../x.txt: a}", "expected a plain file name"),
        ("heath: /", "heath"),
        ("base_path: v1/", "base_path"),
    ],
)
def test_a_mistake_of_a_gateways_file_is_told(scenario: Path, line: str, message: str) -> None:
    """Unknown keys and places are refused, never left as they are."""
    Path("gateways/own.yaml").write_text(MINE + line + "\n")
    with pytest.raises(InputError, match=r"own\.yaml:") as caught:
        plan_for(RunOptions("mine.yaml"))
    assert message in str(caught.value)


def test_the_known_ones_are_whole() -> None:
    """Each has its environment, and a configuration in which every region has an element."""
    regions = [
        {"region": name, "url": f"http://{name}/v1", "number": str(n)} for n, name in enumerate("ab", 1)
    ]
    values = {"model": "m", "key": "k", **regions[0]}
    made: dict[str, Any] = {}
    for name, path in shipped().items():
        found = read_gateway(path)
        assert (found.name, found.environment is None) == (name, False)
        made[name] = [filled(content, values, regions) for content in found.files.values()]
    litellm = made["litellm"][0]["model_list"]
    assert [(one["model_name"], one["litellm_params"]["api_base"]) for one in litellm] == [
        ("m", "http://a/v1"),
        ("m", "http://b/v1"),
    ]
    assert [one["litellm_params"]["order"] for one in litellm] == [1, 2]
    assert [one["custom_host"] for one in made["portkey"][0]["targets"]] == ["http://a/v1", "http://b/v1"]
    assert "${" not in json.dumps(made)


def test_an_expectation_on_a_gateway_needs_one(scenario: Path) -> None:
    """Its figures are absent without one, and a scenario that expects them is refused."""
    expect = "expect: [gateway_amplification <= 1.2]\n"
    scenario.write_text(SCENARIO.format(path="seed: 1") + expect)
    assert "this one needs a gateway in path" in told("run", str(scenario))
    scenario.write_text(SCENARIO.format(path="path: [client, own, provider]") + expect)
    assert plan_for(RunOptions("mine.yaml")).scenario["expect"][0]["metric"] == "gateway_amplification"


def test_a_gateway_is_a_part_of_the_plan_that_is_checked() -> None:
    """A plan that somebody edited is refused as a file would be."""
    with pytest.raises(ValueError, match="prot"):
        Gateway.model_validate({"name": "x", "about": "x", "command": ["${prot}"]})
