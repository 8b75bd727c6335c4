"""Replayed arrivals that no phase holds are said before anything is played."""

from __future__ import annotations

from pathlib import Path

import pytest

from windtunnel.harness.inputs.gallery import load_profile, load_scenario
from windtunnel.harness.plan import resolve
from windtunnel.harness.run.run import beyond_the_phases

SCENARIO = """
name: replayed
about: Times of a file.
seed: 1
load: {api: chat, arrivals: {replay: times.txt}, deadline: 10s}
warmup: 0s
phases: [{name: p, for: 2s}]
clients: [httpx2-async-default]
"""


@pytest.mark.parametrize(
    ("times", "said"),
    [
        ("0\n1\n1.9\n", ""),
        ("0\n1\n2\n7\n", "replay: 2 of 4 arrivals come after the last phase (2 s): no figure counts them"),
    ],
)
def test_arrivals_after_the_last_phase_are_counted(tmp_path: Path, times: str, said: str) -> None:
    """A user learns how much of a trace is not measured, and nothing where all of it is."""
    (tmp_path / "times.txt").write_text(times)
    (tmp_path / "s.yaml").write_text(SCENARIO)
    plan = resolve(load_scenario(str(tmp_path / "s.yaml")), [load_profile("httpx2-async-default")])
    assert beyond_the_phases(plan) == said
