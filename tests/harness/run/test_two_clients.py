"""What `windtunnel ab` is going to play: two profiles, and a run of each scenario."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from windtunnel.harness.errors import InputError
from windtunnel.harness.run.run import plan_for
from windtunnel.harness.run.two_clients import REPEATS, SEEDS, AbOptions, runs_of, two_profiles

SCENARIO = """
name: NAME
about: One phase.
CLOCK
load: {api: chat, stream: false, arrivals: constant, rate: 1/s, instances: 1, deadline: 4s}
phases: [{name: calm, for: 4s}]
clients: [openai-default]
"""


def scenario(folder: Path, name: str, clock: str = "") -> str:
    path = folder / f"{name}.yaml"
    path.write_text(SCENARIO.replace("NAME", name).replace("CLOCK", f"clock: {clock}" if clock else ""))
    return str(path)


def asked(*scenarios: str, **more: Any) -> AbOptions:
    return AbOptions(scenarios=scenarios, a="openai-default", b="polite", **more)


def test_one_client_against_itself_gets_two_names() -> None:
    """Cells are named after clients, so two of one name get a letter; others keep theirs."""
    assert [one.name for one in two_profiles("polite", "polite")] == ["polite-a", "polite-b"]
    assert [one.name for one in two_profiles("polite", "naive-loop")] == ["polite", "naive-loop"]


def test_each_client_may_have_an_interpreter(tmp_path: Path) -> None:
    """`--python-a` and `--python-b` replace the profiles' own; the plan has them."""
    one, other = two_profiles("polite", "polite", None, sys.executable)
    assert (one.python, other.python) == (None, sys.executable)
    runs = runs_of(asked(scenario(tmp_path, "open")), (one, other))
    assert {cell.profile.python for cell in plan_for(runs["open"]).cells} == {None, sys.executable}


def test_an_interpreter_that_cannot_play_is_refused_with_the_cure(tmp_path: Path) -> None:
    """The message names the option, and the command that makes an environment."""
    with pytest.raises(InputError) as told:
        two_profiles("polite", "polite", str(tmp_path / "nowhere"))
    assert str(told.value).startswith("windtunnel ab: --python-a: found ")
    assert "windtunnel env create" in str(told.value)


def test_seeds_on_the_virtual_clock_and_repeats_in_real_time(tmp_path: Path) -> None:
    """20 seeds by default, and enough repeats where a client needs the real clock; the scenario's own clock counts."""
    names = [scenario(tmp_path, "open"), scenario(tmp_path, "slow", "real")]
    clients = two_profiles("openai-default", "polite")
    runs = runs_of(asked(*names), clients)
    assert list(runs) == ["open", "slow"]
    assert (runs["open"].seeds, runs["open"].repeats_in_real, runs["open"].verify) == (SEEDS, REPEATS, "own")
    assert (runs["slow"].seeds, runs["slow"].repeats) == (None, REPEATS)
    plans = {name: plan_for(run) for name, run in runs.items()}
    assert {name: (plan.clock, len(plan.cells)) for name, plan in plans.items()} == {
        "open": ("virtual", 2 * SEEDS),
        "slow": ("real", 2 * REPEATS),
    }
    assert [cell.client for cell in plans["slow"].cells[:4]] == ["openai-default", "polite"] * 2
    assert {
        (a.seed, b.seed) for a, b in zip(plans["open"].cells[::2], plans["open"].cells[1::2], strict=True)
    } == {(cell.seed, cell.seed) for cell in plans["open"].cells}


def test_where_seeds_are_asked_for_no_client_falls_back_to_real_time(tmp_path: Path) -> None:
    """`--seeds 3` is the virtual clock or nothing: nobody waits hours for what was to take seconds."""
    runs = runs_of(asked(scenario(tmp_path, "open"), seeds=3), two_profiles("openai-default", "polite"))
    assert (runs["open"].seeds, runs["open"].repeats_in_real) == (3, None)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"seeds": 0}, "--seeds: found 0"),
        ({"repeats": -1}, "--repeat: found -1"),
        ({"seeds": 3, "clock": "real"}, "--seeds: found --clock real, expected --repeat"),
        ({"repeats": 3, "clock": "virtual"}, "--repeat: found --clock virtual, expected --seeds"),
    ],
)
def test_wrong_counts_are_refused(tmp_path: Path, more: dict[str, Any], said: str) -> None:
    """Before anything is played, one message says which option is wrong."""
    with pytest.raises(InputError, match=said):
        runs_of(asked(scenario(tmp_path, "open"), **more), two_profiles("openai-default", "polite"))


def test_two_scenarios_of_one_name_are_refused(tmp_path: Path) -> None:
    """Each scenario has a folder of its name, so names differ."""
    one = scenario(tmp_path, "open")
    with pytest.raises(InputError, match="'open' twice"):
        runs_of(asked(one, one), two_profiles("openai-default", "polite"))
