"""`vary`: every combination of settings is a cell; what cannot be one is refused with the setting."""

from __future__ import annotations

from pathlib import Path

import pytest

from windtunnel.harness.cli.several import Ended, run_several
from windtunnel.harness.contract.cells import base_of, is_among, names_of
from windtunnel.harness.errors import InputError
from windtunnel.harness.inputs.gallery import load_profile, load_scenario
from windtunnel.harness.inputs.scenario import Scenario
from windtunnel.harness.plan import CellPlan, resolve
from windtunnel.harness.run.from_plan import profiles_of, scenario_of
from windtunnel.harness.run.run import RunOptions, plan_for
from windtunnel.harness.run.two_clients import AbOptions, runs_of

SCENARIO = """
name: varied
about: Two regions and some settings.
provider: {regions: {near: {}, far: {rtt: 200ms}}, capacity: {slots: 8}}
load: {rate: 5/s, deadline: 5s, stream: true}
phases: [{name: all, for: 5s}]
clients: [openai-async-default, openai-default]
"""


def scenario(tmp_path: Path, more: str) -> Scenario:
    path = tmp_path / "varied.yaml"
    path.write_text(SCENARIO + more)
    return load_scenario(path)


def cells(tmp_path: Path, more: str) -> tuple[CellPlan, ...]:
    one = scenario(tmp_path, more)
    return resolve(one, [load_profile(name) for name in one.clients]).cells


def test_every_combination_is_a_cell_of_its_own(tmp_path: Path) -> None:
    """Each client has a cell for each combination, named after it, that plays what its name says and nothing else."""
    found = cells(tmp_path, "vary: {region: [near, far], pool: [5, null], timeouts.read: [30s, 600s]}")
    assert len(found) == 2 * 2 * 2 * 2
    first = found[1]
    assert first.client == "openai-async-default~region=near,pool=5,timeouts.read=600s"
    assert first.dir == f"cells/{first.client}-0"
    assert first.varied == {"region": "near", "pool": 5, "timeouts.read": "600s"}
    assert (first.region, first.profile.name) == ("near", "openai-async-default")
    assert (first.profile.pool.connections, first.profile.pool.keepalive) == (5, 5)
    (aiohttp,) = resolve(scenario(tmp_path, "vary: {pool: [5]}"), [load_profile("aiohttp-default")]).cells
    assert (aiohttp.profile.pool.connections, aiohttp.profile.pool.keepalive) == (5, None)
    unlimited = found[6]
    assert unlimited.client.endswith("~region=far,pool=none,timeouts.read=30s")
    assert (unlimited.profile.pool.connections, unlimited.profile.timeouts.read) == (None, 30)
    assert unlimited.region == "far"
    assert unlimited.schedule() == first.schedule(), "cells are compared call by call"
    assert len({cell.dir for cell in found}) == len(found)


def test_provider_and_load_vary_as_well(tmp_path: Path) -> None:
    """A key of the provider is the mock's in that cell alone."""
    small, large = cells(tmp_path, "vary: {provider.capacity.slots: [2, 40]}")[:2]
    assert small.server_plan["provider"]["capacity"]["slots"] == 2
    assert large.server_plan["provider"]["capacity"]["slots"] == 40
    slow, fast = cells(tmp_path, "vary: {load.rate: [1/s, 9/s]}")[:2]
    assert fast.client == "openai-async-default~load.rate=9-s"
    assert len(slow.schedule()) < len(fast.schedule())


def test_a_plan_plays_the_same_cells_again(tmp_path: Path) -> None:
    """From its plan.json a varied run is the same run, or the cells of it that are named."""
    (tmp_path / "varied.yaml").write_text(SCENARIO + "vary: {region: [near, far], pool: [5, 9]}")
    plan = plan_for(RunOptions(str(tmp_path / "varied.yaml")))
    plan.write_json(tmp_path / "plan.json")
    again = plan_for(RunOptions(str(tmp_path / "plan.json")))
    assert again.cells == plan.cells
    assert scenario_of(plan, tmp_path, None).vary == {"region": ("near", "far"), "pool": (5, 9)}
    assert [one.name for one in profiles_of(plan, None)] == ["openai-async-default", "openai-default"]
    name = "openai-default~region=far,pool=9"
    (one,) = plan_for(RunOptions(str(tmp_path / "plan.json"), [name])).cells
    assert one == next(cell for cell in plan.cells if cell.client == name)
    with pytest.raises(InputError, match=r"clients: found 'openai-default~pool=9'.*did you mean"):
        plan_for(RunOptions(str(tmp_path / "plan.json"), ["openai-default~pool=9"]))


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ("vary: [5]", r"varied.yaml:8: vary: found a list, expected a mapping of settings to lists"),
        ("vary: {pol: [5]}", r"vary.pol: found 'pol', which cannot be varied.*did you mean 'pool'"),
        ("vary: {pool: 5}", r"vary.pool: found '5', expected a list of values"),
        ("vary: {pool: []}", r"vary.pool: found an empty list, expected a list of values"),
        ("vary: {pool: [5, 5]}", r"vary.pool\[?.?1.*: found '5' again, expected every value once"),
        ("vary: {pool: [{a: 1}]}", r"found a mapping, expected text, a number"),
        (
            "vary: {pool: [5], pool.keepalive: [2]}",
            r"found 'pool.keepalive' beside 'pool', expected one of them",
        ),
        ("vary: {region: [near, moon]}", r"vary.region: found the unknown region 'moon', expected one of"),
        ("vary: {provider.capacity.slots: [-1]}", r"vary.provider.capacity.slots: found '-1'"),
        ("vary: {provider.capacity.slotz: [1]}", r"vary.provider.capacity.slotz.*unknown key"),
        (
            f"vary: {{pool: {list(range(1, 31))}, timeouts.read: {list(range(1, 31))}}}",
            r"vary: found 30 pool × 30 timeouts.read = 900 cells, expected at most 500 cells",
        ),
        (
            "vary: {pool: [5]}\nexpect: [{expect: goodput >= 1, clients: [openai-default~pool=6]}]",
            r"expect\[0\].clients\[0\]: found 'openai-default~pool=6', expected a cell.*did you mean '.*pool=5'",
        ),
        ("grid: {rows: pool}", r"grid: found a grid of cells that do not vary, expected vary"),
        ("vary: {pool: [5]}\ngrid: {rows: region}", r"grid.rows: found 'region', which does not vary"),
        (
            "vary: {pool: [5]}\ngrid: {metric: ttft_p94_s}",
            r"grid.metric: found the unknown metric.*did you mean",
        ),
        ("vary: {pool: [5]}\ngrid: {metric: offered}", r"grid.metric: found 'offered', of which neither"),
    ],
)
def test_what_cannot_be_varied_is_refused(tmp_path: Path, more: str, told: str) -> None:
    """Every mistake in `vary` or `grid` is one message with the setting."""
    with pytest.raises(InputError, match=told):
        scenario(tmp_path, more)


def test_what_a_client_cannot_be_is_refused_before_anything_is_played(tmp_path: Path) -> None:
    """A value that the profile cannot have names the setting, the value and the client."""
    with pytest.raises(InputError, match=r"scenario varied: vary.pool: found '-1'.*openai-async-default"):
        cells(tmp_path, "vary: {pool: [5, -1]}")


def test_more_cells_than_can_be_read_are_refused_with_the_sum(tmp_path: Path) -> None:
    """Clients and plays count as well."""
    one = scenario(tmp_path, f"vary: {{pool: {list(range(1, 101))}}}")
    profiles = [load_profile(name) for name in one.clients]
    told = r"vary: found 100 pool = 100 cells × 2 client\(s\) × 3 play\(s\) = 600, expected at most 500"
    with pytest.raises(InputError, match=told):
        resolve(one, profiles, repeats=3)


def test_names_of_cells() -> None:
    """A list of clients may hold names of cells, whose commas do not end them; a client means all its cells."""
    assert names_of("a, b~pool=5,http=2,c ,./d~x.yaml") == ["a", "b~pool=5,http=2", "c", "./d~x.yaml"]
    assert base_of("b~pool=5,http=2") == "b"
    assert base_of("~/clients/a=b.yaml") == "~/clients/a=b.yaml"
    assert is_among("b~pool=5", ["b"])
    assert is_among("b~pool=5", ["b~pool=5"])
    assert not is_among("b~pool=5", ["b~pool=6"])


def test_a_scenario_that_varies_is_played_alone(tmp_path: Path) -> None:
    """Several scenarios make a matrix of clients, which cells are not; `ab` compares two clients as they are."""
    (tmp_path / "varied.yaml").write_text(SCENARIO + "vary: {pool: [5, 9]}")
    varied = str(tmp_path / "varied.yaml")
    with pytest.raises(
        InputError, match=r"scenario varied: vary: found a scenario that varies among several"
    ):
        run_several(RunOptions("", out=tmp_path / "out"), [varied, "healthy"], lambda _: Ended(0))
    assert not (tmp_path / "out").exists()
    pair = (load_profile("openai-default"), load_profile("openai-async-default"))
    with pytest.raises(
        InputError, match=r"scenario varied: vary: found cells, expected a scenario without vary"
    ):
        runs_of(AbOptions(scenarios=(varied,), a="openai-default", b="openai-async-default"), pair)
    with pytest.raises(InputError, match=r"vary: found pool, expected a scenario without vary"):
        load_scenario(varied).require_no_vary("why")
