"""A latency-aware client on the virtual clock: how it leaves a region that falls silent, and comes back."""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd
from rich.console import Console

from windtunnel.harness.run.progress import reporter
from windtunnel.harness.run.run import RunOptions, run

PROFILE = """
name: own
about: It chooses for each call.
driver: httpx2-async
timeouts: {connect: 1s, read: 4s}
pool: {connections: 100}
region: {choose: latency_aware, order: [home, away], explore: 0.0, probe: 5s}
"""
SCENARIO = """
name: dark
about: Home is silent for 20 s.
provider:
  regions: {home: {link: {rtt: 40ms}}, away: {link: {rtt: 200ms}}}
  answer: {first_token: 10ms, tokens: 1}
load: {api: chat, arrivals: constant, rate: 4/s, deadline: 10s}
phases:
  - {name: before, for: 10s}
  - {name: silent, for: 20s, provider: {regions: {home: {reachable: silent}}}}
  - {name: after, for: 20s}
clients: [own.yaml]
warmup: 0s
"""


def test_it_probes_a_dark_region_and_comes_home_with_the_first_answer(tmp_path: Path) -> None:
    """Every `probe` one call is tried there; with the first that is answered all are at home again."""
    (tmp_path / "own.yaml").write_text(PROFILE)
    (tmp_path / "dark.yaml").write_text(SCENARIO)
    options = RunOptions(str(tmp_path / "dark.yaml"), out=tmp_path / "out", clock="virtual", verify=False)
    assert run(options, reporter(Console(file=sys.stderr))).failures == ()
    cell = tmp_path / "out" / "cells" / "own-0"
    calls = pd.read_parquet(cell / "calls.parquet").sort_values("intended_s")
    attempts = pd.read_parquet(cell / "attempts.parquet")
    assert set(calls["outcome"]) == {"ok"}
    left = calls[(calls["intended_s"] > 14) & (calls["intended_s"] < 30)]
    assert set(left["region"]) == {"away"}
    tried = attempts[(attempts["region"] == "home") & attempts["started_s"].between(14.5, 29.9)]
    gaps = tried["started_s"].sort_values().diff().dropna()
    assert len(tried) in (2, 3)
    assert gaps.between(5.0, 6.5).all()
    back = calls[calls["intended_s"] > 30 + 5 + 1]
    assert set(back["region"]) == {"home"}
