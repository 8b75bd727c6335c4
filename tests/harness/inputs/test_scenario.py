# ruff: noqa: E501 -- the table of mistakes has a row for each
"""Scenario files: what they mean, and a clear message for every mistake in one, all of them at once."""

from __future__ import annotations

from contextlib import suppress
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from windtunnel.harness.contract.expectation import Expectation
from windtunnel.harness.errors import CollectedInputError, InputError
from windtunnel.harness.inputs.gallery import load_scenario
from windtunnel.harness.inputs.scenario import Scenario, check_scenario
from windtunnel.harness.inputs.yaml_source import YamlSource, parse_yaml

GOOD = """\
name: mine
about: A test.
seed: 7
provider:
  regions: {us-east: {rtt: 89ms}, eu: {}}
  capacity: {slots: 28}
  models: [gpt-4.1-mini, gpt-4.1]
load: {api: chat, stream: true, arrivals: poisson, rate: 14/s, deadline: 10s}
phases:
  - {name: healthy, for: 8s}
  - {name: storm, for: 12s, provider: {capacity: {slots: 4}}, rules: [{fault: overloaded, rate: 0.5}]}
  - {name: after, for: 30s}
clients: [openai-default, retry-budget]
expect:
  - amplification <= 1.5
  - {expect: goodput@after >= 0.6, clients: [retry-budget]}
"""


def read(text: str, folder: Path) -> Scenario:
    file = folder / "mine.yaml"
    file.write_text(text)
    return load_scenario(file)


def mistakes(text: str, folder: Path) -> list[str]:
    """The messages about a scenario, without the file's name: `line: path: …`."""
    with pytest.raises(InputError) as caught:
        read(text, folder)
    assert caught.value.exit_code == 2
    lines = str(caught.value).split("\n")
    assert all(line.startswith(f"{folder}/mine.yaml:") for line in lines), lines
    return [line.removeprefix(f"{folder}/mine.yaml:") for line in lines]


def test_good(tmp_path: Path) -> None:
    """A scenario reads as what it says, with the defaults filled in."""
    scenario = read(GOOD, tmp_path)
    assert scenario.length_s == 50.0
    assert scenario.region == "us-east"
    assert scenario.warmup == 5.0
    assert [phase.is_faulty for phase in scenario.phases] == [False, True, False]
    assert scenario.expect[1] == Expectation.model_validate(
        {"expect": "goodput@after >= 0.6", "clients": ["retry-budget"]}
    )


def test_dump_reads_back(tmp_path: Path) -> None:
    """A scenario that is dumped as JSON reads back as the same."""
    scenario = read(GOOD, tmp_path)
    assert Scenario.model_validate(scenario.model_dump(mode="json", by_alias=True)) == scenario


def test_plan(tmp_path: Path) -> None:
    """The provider's side has the scenario's provider, phases and rules, and the seed that is asked for."""
    plan = read(GOOD, tmp_path).plan(seed=3)
    assert (plan.name, plan.seed, plan.length) == ("mine", 3, 50.0)
    assert plan.settings_at(1).capacity.slots == 4


def test_faulty_is_what_the_file_says(tmp_path: Path) -> None:
    """A phase that says whether it is faulty is believed, rules or not."""
    text = GOOD.replace("{name: healthy, for: 8s}", "{name: healthy, for: 8s, faulty: true}")
    text = text.replace("name: storm,", "name: storm, faulty: false,")
    assert [phase.is_faulty for phase in read(text, tmp_path).phases] == [True, False, False]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("seed: 7", "sede: 7", "3: sede: found the unknown key 'sede', expected a known key (did you mean 'seed'?)"),
        ("for: 12s", "for: 12", "11: phases[1].for: found 12 without a unit, expected a duration with its unit, such as"),
        ("for: 12s", "for: 0s", "11: phases[1].for: found '0s', expected a duration above zero"),
        ("{name: healthy, for: 8s}", "{name: healthy}", "10: phases[0].for: found nothing, expected this key"),
        ("name: healthy", "name: storm", "11: phases[1].name: found a second phase 'storm', expected a name of its own"),
        ("rate: 14/s", "rate: 14", "8: load.rate: found 14 without a unit, expected a rate with its unit, such as 14/s"),
        ("rate: 14/s", "rate: 0/s", "8: load.rate: found a rate of zero, expected a rate above zero"),
        (", rate: 14/s", "", "8: load.rate: found nothing, expected a rate above zero"),
        (", deadline: 10s", "", "8: load.deadline: found neither deadline nor objective_wait, expected one of them"),
        ("api: chat", "api: chats", "8: load.api: found 'chats', expected 'chat', 'responses' or 'embeddings'"),
        ("stream: true", "stream: 3", "8: load.stream: found '3', expected"),
        ("api: chat", "api: embeddings", "8: load.stream: found true with the api embeddings, expected false"),
        ("arrivals: poisson", "arrivals: often", "8: load.arrivals: found 'often', expected poisson, constant, or a mapping"),
        ("arrivals: poisson", "arrivals: {steps: []}", "8: load.arrivals.steps: found an empty list, expected"),
        ("arrivals: poisson", "arrivals: {ramp: {from: 1/s, to: 2/s}}", "8: load.rate: found a rate beside arrivals"),
        ("arrivals: poisson, rate: 14/s", "arrivals: {replay: no.txt}", "8: load.arrivals.replay: "),
        ("deadline: 10s", "deadline: 10s, region: asia", "8: load.region: found the unknown region 'asia', expected one of 'us-east' or 'eu'"),
        ("deadline: 10s", "deadline: 10s, model: gpt-5", "8: load.model: found the model 'gpt-5', which the provider does not serve"),
        ("deadline: 10s", "deadline: 10s, processes: 2", "8: load.processes: found 2, expected at most the number of instances, 1"),
        ("deadline: 10s", "deadline: 10s, request: {stream: false}", "8: load.request.stream: found the key 'stream'"),
        ("slots: 28", "slots: many", "6: provider.capacity.slots: found 'many', expected a whole number"),
        ("slots: 28", "slot: 28", "6: provider.capacity.slot: found the unknown key 'slot', expected 'slots' perhaps"),
        ("slots: 4", "slto: 4", "11: phases[1].provider.capacity.slto: found the unknown key 'slto'"),
        ("overloaded", "overladed", "11: phases[1].rules[0].fault: found the unknown fault 'overladed', expected 'overloaded' perhaps"),
        ("overloaded", "stall, with: {second: 3s}", "11: phases[1].rules[0].with.second: found the unknown key 'second'"),
        ("overloaded", "stall, with: {seconds: 3}", "11: phases[1].rules[0].with.seconds: found 3 without a unit"),
        ("rate: 0.5", "rate: 1.5", "11: phases[1].rules[0].rate: found '1.5', expected a number of at most 1"),
        ("rate: 0.5", "match: {region: asia}", "11: phases[1].rules[0].match.region: found the unknown region 'asia'"),
        ("rate: 0.5", "match: {region: eu}", "11: phases[1].rules[0].match.region: found 'eu', which can never hold, expected what the load sends, 'us-east'"),
        ("rate: 0.5", "match: {api: responses}", "11: phases[1].rules[0].match.api: found 'responses', which can never hold"),
        ("rate: 0.5", "match: {stream: false}", "11: phases[1].rules[0].match.stream: found 'false', which can never hold"),
        ("rate: 0.5", "match: {model: gpt-4.1}", "11: phases[1].rules[0].match.model: found 'gpt-4.1', which can never hold"),
        ("rate: 0.5", "match: {model: 'o3*'}", "11: phases[1].rules[0].match.model: found the model 'o3*', which the provider does not serve"),
        ("rate: 0.5", "match: {attempt: -1}", "11: phases[1].rules[0].match.attempt: found '-1', expected a number of at least 0"),
        ("openai-default,", "openai-defalt,", "13: clients[0]: found the unknown client 'openai-defalt', expected one of"),
        ("openai-default,", "./mine2.yaml,", "13: clients[0]: found no such file, expected a client file"),
        ("openai-default,", "retry-budget,", "13: clients[1]: found 'retry-budget' again, expected it once"),
        ("[openai-default, retry-budget]", "openai-default", "13: clients: found 'openai-default', expected a list"),
        ("[openai-default, retry-budget]", "[]", "13: clients: found an empty list, expected"),
        ("amplification <= 1.5", "amplifcation <= 1.5", "15: expect[0]: found the unknown metric 'amplifcation', expected a metric of `windtunnel list metrics` (did you mean 'amplification'?)"),
        ("amplification <= 1.5", "amplification < = 1.5", "15: expect[0]: found 'amplification < = 1.5', expected"),
        ("amplification <= 1.5", "amplification", "15: expect[0]: found 'amplification', expected `metric <op> limit`"),
        ("amplification <= 1.5", "wait_p99_s <= 12s", "15: expect[0]: found 'wait_p99_s <= 12s', expected a bare number"),
        ("amplification <= 1.5", "recovered >= 1", "15: expect[0]: found 'recovered >= 1', expected true or false as the limit"),
        ("amplification <= 1.5", "recovered@after == true", "15: expect[0]: found 'recovered' of a single phase, expected 'recovered' alone"),
        ("goodput@after", "goodput@afer", "16: expect[1]: found the unknown phase 'afer', expected one of 'healthy', 'storm' or 'after' (did you mean 'after'?)"),
        ("clients: [retry-budget]", "clients: [polite]", "16: expect[1].clients[0]: found the unknown client 'polite', expected a client of this scenario"),
        ("about: A test.", "about: A test.\nname: twice", "3: name: found the key a second time, expected it once"),
    ],
)  # fmt: skip
def test_one_mistake(tmp_path: Path, old: str, new: str, expected: str) -> None:
    """Each mistake gives one message with line, key path, what was found and what was expected."""
    assert old in GOOD
    (said,) = mistakes(GOOD.replace(old, new, 1), tmp_path)
    assert said.startswith(expected)


def test_fault_for_other_answers(tmp_path: Path) -> None:
    """A fault that can never act on what the load asks for is refused."""
    text = GOOD.replace("stream: true", "stream: false").replace("overloaded", "stall_with_heartbeats")
    (said,) = mistakes(text, tmp_path)
    assert said.startswith("11: phases[1].rules[0].fault: found 'stall_with_heartbeats', which can never act")


@pytest.mark.parametrize(
    ("old", "new", "metric", "needs"),
    [
        ("stream: true", "stream: false", "ttft_p99_s <= 1", "load.stream: true"),
        ("seed: 7", "seed: 7", "cost_usd <= 1", "prices"),
        ("  - {name: after, for: 30s}\n", "", "recovered == true", "a faulty phase, one before"),
    ],
)
def test_metrics_that_do_not_apply(tmp_path: Path, old: str, new: str, metric: str, needs: str) -> None:
    """An expectation on a metric that this scenario will not have is refused, with what the metric needs."""
    text = GOOD.replace(old, new).replace("goodput@after >= 0.6", "goodput >= 0.6")
    (said,) = mistakes(text.replace("amplification <= 1.5", metric), tmp_path)
    assert (
        f"which this scenario does not have, expected a metric that applies (this one needs {needs}" in said
    )


def test_clients_of_expectations_are_called_by_name(tmp_path: Path) -> None:
    """A client file is known to expectations by the name in it, as reports will call it."""
    (tmp_path / "own.yaml").write_text("name: mine\n")
    text = GOOD.replace("openai-default,", "own.yaml,").replace("clients: [retry-budget]", "clients: [mine]")
    assert read(text, tmp_path).expect[1].clients == ("mine",)


def test_every_mistake_is_shown(tmp_path: Path) -> None:
    """Mistakes do not hide each other, not even in one mapping: all of them are in one error, by line."""
    text = GOOD
    for old, new in (
        ("seed: 7", "sede: 7"),
        ("capacity: {slots: 28}", "capacity: {slots: many, queu: 3}"),
        ("for: 12s", "for: 12"),
        ("rate: 14/s", "rate: 14"),
        ("fault: overloaded, rate: 0.5", "fault: overladed, rate: 2, match: {region: asia}"),
        ("openai-default,", "openai-defalt,"),
        ("amplification", "amplifcation"),
        ("goodput@after", "goodput@afer"),
    ):
        text = text.replace(old, new, 1)
    said = mistakes(text, tmp_path)
    assert [line.split(": ")[1] for line in said] == [
        "sede",
        "provider.capacity.queu",
        "provider.capacity.slots",
        "load.rate",
        "phases[1].for",
        "phases[1].rules[0].rate",
        "phases[1].rules[0].fault",
        "phases[1].rules[0].match.region",
        "clients[0]",
        "expect[0]",
        "expect[1]",
    ]


@pytest.mark.parametrize("text", ["a: [1,\n", "- a\n", "", "name: {\n"])
def test_not_a_scenario(tmp_path: Path, text: str) -> None:
    """A file that is not YAML, or no mapping, is one message."""
    assert len(mistakes(text, tmp_path)) == 1


def test_absent_file(tmp_path: Path) -> None:
    """A file that does not exist is named."""
    with pytest.raises(InputError) as caught:
        load_scenario(tmp_path / "no.yaml")
    assert str(caught.value) == f"{tmp_path}/no.yaml: found no such file, expected a scenario file"


def test_client_files_are_found_beside_the_scenario(tmp_path: Path) -> None:
    """A client file is looked for where the scenario is, and then known by a path that holds anywhere."""
    (tmp_path / "own.yaml").write_text("name: own\n")
    scenario = read(GOOD.replace("openai-default,", "own.yaml,"), tmp_path)
    assert scenario.clients[0] == str(tmp_path / "own.yaml")


def test_replay(tmp_path: Path) -> None:
    """A replayed file is looked for where the scenario is, and its times are part of the scenario."""
    (tmp_path / "times.txt").write_text("0\n1\n2.5\n")
    text = GOOD.replace("arrivals: poisson, rate: 14/s", "arrivals: {replay: times.txt}")
    assert read(text, tmp_path).load.arrivals.times_s == (0.0, 1.0, 2.5)


@pytest.mark.parametrize(
    ("text", "metric", "phase", "op", "limit"),
    [
        ("amplification <= 1.5", "amplification", None, "<=", 1.5),
        ("goodput@after>=0.6", "goodput", "after", ">=", 0.6),
        ("goodput @ after the storm > .6", "goodput", "after the storm", ">", 0.6),
        ("recovered == true", "recovered", None, "==", True),
        ("offered != 1e3", "offered", None, "!=", 1000.0),
    ],
)
def test_expectations(text: str, metric: str, phase: str | None, op: str, limit: float | bool) -> None:
    """An expectation reads as metric, phase, operator and limit."""
    found = Expectation.model_validate(text)
    assert (found.metric, found.phase, found.op, found.limit) == (metric, phase, op, limit)
    assert Expectation.model_validate(found.model_dump(mode="json")) == found


@pytest.mark.parametrize(
    ("text", "value", "holds"),
    [
        ("goodput >= 0.6", 0.6, True),
        ("goodput > 0.6", 0.6, False),
        ("recovered == true", True, True),
        ("recovered == true", False, False),
        ("goodput >= 0.6", None, False),
    ],
)
def test_expectations_hold(text: str, value: float | bool | None, holds: bool) -> None:
    """A value is held against the limit, and no value never is as expected."""
    assert Expectation.model_validate(text).holds(value) is holds


JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.text(max_size=4),
    st.just([]),
    st.just({}),
    st.just(["x"]),
    st.just({"x": 1}),
)


def paths(data: Any, at: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return [at, *(path for key, value in items for path in paths(value, (*at, key)))]


PATHS = [path for path in paths(YAML(typ="safe").load(GOOD)) if path]


@given(damage=st.lists(st.tuples(st.sampled_from(PATHS), JUNK), min_size=1, max_size=4))
@settings(max_examples=150, deadline=None)
def test_never_anything_but_an_input_error(damage: list[tuple[tuple[str | int, ...], Any]]) -> None:
    """Whatever stands where in a scenario, it is accepted or refused with messages, never with a traceback."""
    good = parse_yaml(GOOD, name="mine.yaml", base=Path())
    data = deepcopy(good.data)
    for path, junk in damage:
        with suppress(KeyError, IndexError, TypeError):  # earlier damage took its place away
            parent: Any = data
            for part in path[:-1]:
                parent = parent[part]
            parent[path[-1]] = deepcopy(junk)
    source = YamlSource("mine.yaml", Path(), data, good.lines)
    with suppress(InputError):
        check_scenario(source, lambda name: name)


def test_collected_errors_need_errors() -> None:
    """There is no collection of no mistakes."""
    with pytest.raises(ValueError, match="at least one"):
        CollectedInputError([])


def test_hosts_and_their_regions_exist(tmp_path: Path) -> None:
    """A host leads to a region of the scenario, and a phase moves hosts that it names; both with the nearest name."""
    text = GOOD.replace("phases:", "hosts: {api.openai.com: us-west}\nphases:")
    text = text.replace("for: 30s}", "for: 30s, hosts: {apii.openai.com: eu}}")
    assert mistakes(text, tmp_path) == [
        "9: hosts.api.openai.com: found the unknown region 'us-west', expected one of 'us-east' or 'eu' (did you mean 'us-east'?)",
        "13: phases[2].hosts.apii.openai.com: found the host 'apii.openai.com', which no `hosts` of the scenario names, expected one of 'api.openai.com'",
    ]
    assert read(GOOD.replace("phases:", "hosts: {api.openai.com: eu}\nphases:"), tmp_path).hosts == {
        "api.openai.com": "eu"
    }
