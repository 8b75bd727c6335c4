"""A client's own base URL on the virtual clock: its name leads to a region, and moves in a phase."""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console

from windtunnel.harness.errors import InputError
from windtunnel.harness.inputs.gallery import load_profile, load_scenario
from windtunnel.harness.plan import resolve
from windtunnel.harness.run.progress import reporter
from windtunnel.harness.run.run import RunOptions, run

APPLICATION = """
from openai import AsyncOpenAI
def make(base_url):
    return AsyncOpenAI(base_url="http://{host}/v1", api_key="sk-x", max_retries=0)
async def ask(call, state):
    return await state.chat.completions.create(**call.body)
"""
OWN = """
name: own
about: One's own.
driver: python
target: {module}:ask
setup: {module}:make
timeouts: {{}}
pool: {{}}
"""
SCENARIO = """
name: moving
about: A name moves.
provider: {regions: {us-east: {}, eu-central: {}}, answer: {first_token: 10ms, tokens: 1}}
hosts: {api.openai.com: us-east}
load: {api: chat, arrivals: constant, rate: 1/s, deadline: 4s}
phases:
  - {name: before, for: 4s}
  # Only now are connections opened anew: the old ones end.
  - {name: moved, for: 4s, hosts: {api.openai.com: eu-central}, provider: {regions: {us-east: {reachable: refused}}}}
clients: [own.yaml]
warmup: 0s
"""


def played(folder: Path, host: str) -> Path:
    """Play it with a client whose base URL has this host; gives the run directory."""
    module = f"dials_{host.replace('.', '_')}"
    (folder / f"{module}.py").write_text(APPLICATION.format(host=host))
    (folder / "own.yaml").write_text(OWN.format(module=module))
    (folder / "moving.yaml").write_text(SCENARIO)
    options = RunOptions(str(folder / "moving.yaml"), out=folder / "out", clock="virtual", verify=False)
    assert run(options, reporter(Console(file=sys.stderr))).failures == ()
    return folder / "out"


def test_a_name_leads_to_its_region_and_moves(tmp_path: Path) -> None:
    """Both sides agree about where each call went."""
    cell = played(tmp_path, "api.openai.com") / "cells" / "own-0"
    for table in ("served", "calls"):
        rows = pd.read_parquet(cell / f"{table}.parquet")
        regions = rows.sort_values("arrived_s" if table == "served" else "intended_s")["region"].tolist()
        assert regions[:4] == ["us-east"] * 4
        assert set(regions[5:]) == {"eu-central"}  # the call at the edge finds its connection gone


def test_a_host_that_is_not_named_ends_the_run(tmp_path: Path) -> None:
    """As an error of the input, with the host and those that there are."""
    with pytest.raises(
        InputError, match=r"client own: hosts: found a connection to api.example.org.*api.openai.com"
    ):
        played(tmp_path, "api.example.org")


def test_a_program_of_its_own_cannot_be_told(tmp_path: Path) -> None:
    """Refused before anything starts."""
    (tmp_path / "own.yaml").write_text(OWN.format(module="never_imported"))
    (tmp_path / "moving.yaml").write_text(SCENARIO.replace("own.yaml", "litellm-router"))
    scenario = load_scenario(tmp_path / "moving.yaml")
    with pytest.raises(InputError, match=r"scenario moving: hosts: .*litellm-router \(driver exec\)"):
        resolve(scenario, [load_profile("litellm-router")], clock="real")
