"""What calibrate concludes from the same scenario on both clocks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ks_2samp

from windtunnel.harness.calibrate import agreement
from windtunnel.harness.calibrate.command import parts
from windtunnel.harness.calibrate.fidelity import (
    CALM,
    CALM_CLIENTS,
    CROWDED,
    CROWDED_CLIENTS,
    NARROW,
    Play,
    calm_findings,
    crowded_findings,
    scenario_file,
)
from windtunnel.harness.calibrate.verdicts import finding
from windtunnel.harness.inputs.gallery import load_profile, load_scenario
from windtunnel.harness.plan import resolve


def calls(waits: list[float], outcomes: list[str] | None = None, attempts: int = 1) -> pd.DataFrame:
    return pd.DataFrame(
        {"outcome": outcomes or ["ok"] * len(waits), "attempts": attempts, "wait_s": waits},
        index=[f"c{number}" for number in range(len(waits))],
    )


def test_both_scenarios_are_ones(tmp_path: Path) -> None:
    """What fidelity plays resolves on both clocks, with the pool that is too small in the crowded one."""
    (tmp_path / "narrow-pool.yaml").write_text(NARROW)
    for name, how, clients in (("calm", CALM, CALM_CLIENTS), ("crowded", CROWDED, CROWDED_CLIENTS)):
        scenario = load_scenario(scenario_file(tmp_path, name, how, clients))
        profiles = [load_profile(client) for client in scenario.clients]
        for clock in ("real", "virtual"):
            assert len(resolve(scenario, profiles, clock=clock).cells) == 2  # type: ignore[arg-type]  # the table has the two names


def test_a_call_is_the_same_by_outcome_and_attempts() -> None:
    """Another outcome, another number of attempts or a missing call are a difference; another wait is not."""
    one = calls([1.0, 1.0, 1.0, 1.0])
    assert agreement.same_share(one, calls([9.0] * 4)) == 1.0
    assert agreement.same_share(one, calls([1.0] * 4, ["ok", "ok", "timeout", "ok"])) == 0.75
    assert agreement.same_share(one, calls([1.0] * 4, attempts=2)) == 0.0
    assert agreement.same_share(one, calls([1.0] * 3)) == 0.75


def test_the_distance_is_that_of_kolmogorov_and_smirnov() -> None:
    """With ties and without, the distance is SciPy's; a sample is at distance 0 from itself, and 1 from a later one."""
    draws = np.random.default_rng(3)
    for digits in (1, 9):
        one, other = draws.normal(0, 1, 200).round(digits), draws.normal(0.3, 1, 150).round(digits)
        assert agreement.distance(one, other) == pytest.approx(ks_2samp(one, other).statistic)
    assert agreement.distance([1.0, 2.0], [1.0, 2.0]) == 0.0
    assert agreement.distance([1.0, 2.0], [3.0]) == 1.0


def test_chance_is_that_of_the_test() -> None:
    """Two samples of 1,000 of one distribution are 0.061 apart in one of twenty cases."""
    assert agreement.chance_distance(1000, 1000) == pytest.approx(0.0607, abs=1e-4)


def test_shares_are_apart_by_half_their_differences() -> None:
    """All the same is 0, nothing the same is 1, and a tenth that fails otherwise is a tenth."""
    ok = pd.Series(["ok"] * 10)
    assert agreement.share_apart(ok, ok) == 0.0
    assert agreement.share_apart(ok, pd.Series(["timeout"] * 10)) == 1.0
    assert agreement.share_apart(ok, pd.Series(["ok"] * 9 + ["timeout"])) == pytest.approx(0.1)


def test_without_saturation_calls_and_quantiles_are_judged() -> None:
    """A wait that is 4 % longer fails the aim of 3 %, and calls that are the same meet theirs."""
    virtual, real = calls([1.04] * 10), calls([1.0] * 10)
    same, *quantiles = calm_findings("a", Play({"a": virtual}, frozenset()), Play({"a": real}, frozenset()))
    assert (same.value, same.met) == (100.0, True)
    assert [one.met for one in quantiles] == [False] * 3
    assert [one.value for one in quantiles] == pytest.approx([4.0] * 3)


def test_in_saturation_the_spread_of_real_runs_is_the_limit() -> None:
    """A distance up to that of the two real runs is met, a larger one is not."""
    reals = [
        Play({"a": calls(list(np.linspace(0, 1, 500) + shift))}, frozenset[str]()) for shift in (0.0, 0.2)
    ]
    within = Play({"a": calls(list(np.linspace(0.1, 1.1, 500)))}, frozenset())
    beyond = Play({"a": calls(list(np.linspace(1, 2, 500)))}, frozenset())
    assert crowded_findings("a", within, reals)[0].met is True
    assert crowded_findings("a", beyond, reals)[0].met is False


def test_a_real_run_that_is_not_sound_judges_nobody() -> None:
    """Where the real run is not valid, figures are shown, and there is no verdict."""
    play, unsound = (
        Play({"a": calls([1.0] * 5)}, frozenset()),
        Play({"a": calls([1.0] * 5)}, frozenset({"a"})),
    )
    found = [*calm_findings("a", play, unsound), *crowded_findings("a", play, [play, unsound])]
    assert {one.met for one in found} == {None}
    assert all("too busy" in one.note for one in found)


def metrics(passed: bool, *, valid: bool = True) -> dict[str, Any]:
    result = "passed" if passed else "failed"
    expectation = {"client": "a", "metric": "goodput", "phase": "after", "limit": ">= 0.6", "result": result}
    return {
        "cells": [{"client": "a", "state": "valid" if valid else "invalid"}],
        "clients": {"a": {"overall": {"recovered": {"value": True}}}},
        "expectations": [expectation],
    }


def test_verdicts_are_compared_client_by_client() -> None:
    """The same expectations passed are the same verdict; what differs is named, and unsound cells are left out."""
    assert finding("s", metrics(True), metrics(True)).met is True
    differs = finding("s", metrics(True), metrics(False))
    assert differs.met is False
    assert "a: goodput@after >= 0.6 is passed virtually, failed really" in differs.note
    unsound = finding("s", metrics(True), metrics(False, valid=False))
    assert unsound.met is None
    assert "not judged" in unsound.note


def test_fidelity_is_measured_when_it_is_asked_for() -> None:
    """A whole calibration leaves fidelity out, since it takes minutes of real time; asked for, it is measured alone."""
    assert "fidelity" not in parts(long=True, only=(), peers=None)
    assert parts(long=False, only=("fidelity",), peers=None) == ("fidelity",)
