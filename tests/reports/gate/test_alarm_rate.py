"""How true the comparison is, on a few draws; the whole of it is a command whose result stands in reports/README.md."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from windtunnel.reports.gate.alarm_rate import (
    PAIRS,
    PLANTS,
    Pair,
    amplify,
    drawn,
    false_alarms,
    found,
    lose_a_tenth,
    read_pairs,
    small,
)
from windtunnel.reports.metrics.figure import Figure, FiguresByPhase

REAL = Path(__file__).parent / "real_pairs.json"
"""A client that was played twice in real time, 40 times over, on a machine that had more to do than it could."""


def metrics(folder: Path, pairs: int = 20) -> Path:
    """metrics.json of a client that was played twice, `pairs` times over, with noise of its own."""
    draw = np.random.default_rng(4)

    def figures() -> dict[str, Any]:
        values = {
            "offered": 60,
            "goodput": float(draw.binomial(60, 0.95)) / 60,
            "amplification": float(draw.normal(1.2, 0.05)),
            **{f"wait_{point}_s": float(draw.lognormal(-1, 0.3)) for point in ("p50", "p90", "p99")},
            "recovered": bool(draw.random() < 0.9),
            "hang_p50_s": None,
        }
        return {name: {"value": value, "low": None, "high": None} for name, value in values.items()}

    cells = [
        {"client": client, "repeat": repeat, "overall": figures(), "phases": {"bad": figures()}}
        for repeat in range(pairs)
        for client in ("x-a", "x-b")
    ]
    path = folder / "metrics.json"
    path.write_text(json.dumps({"scenario": "s", "clock": "real", "cells": cells}))
    return path


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> list[Pair]:
    return read_pairs(metrics(tmp_path_factory.mktemp("pairs")))


def test_records_are_read_and_kept_small(tmp_path: Path) -> None:
    """What is kept of a metrics.json gives the same pairs, without what no comparison reads."""
    path = metrics(tmp_path)
    kept = tmp_path / "small.json"
    whole = read_pairs(path)
    kept.write_text(json.dumps(small(whole)))
    assert kept.stat().st_size < path.stat().st_size / 3
    again = read_pairs(kept)
    assert len(whole) == 20
    assert again[3][1].value("goodput") == pytest.approx(whole[3][1].value("goodput"), abs=1e-5)
    assert set(again[0][0].phases) == {"bad"}
    assert again[0][0].of("bad")["hang_p50_s"] == Figure(None)
    bound = FiguresByPhase(
        overall={"time_to_recover_s": Figure(9.5, censored=True), "recovered": Figure(False)}
    )
    kept.write_text(json.dumps(small([(bound, bound)])))
    assert read_pairs(kept) == [(bound, bound)]


def test_a_draw_turns_pairs_and_tears_none(pairs: list[Pair]) -> None:
    """Every pair of a draw is one of the records, with its sides in either order."""
    chosen = drawn(pairs, np.random.default_rng(1))
    known = {frozenset(map(id, pair)) for pair in pairs}
    assert len(chosen) == len({frozenset(map(id, pair)) for pair in chosen}) == PAIRS
    assert all(frozenset(map(id, pair)) in known for pair in chosen)


def test_few_false_alarms_and_plants_are_found() -> None:
    """On records of real time, of 25 comparisons of a client with itself at most four raise an alarm, and of 5 plants
    of each kind 4 are found; the command does it 200 and 50 times."""
    real = read_pairs(REAL)
    assert len(real) == 40
    tally = false_alarms(real, 25)
    assert (tally.alarms <= 4, tally.of) == (True, 25)
    for metric, plant in PLANTS.values():
        assert found(real, metric, plant, 5) >= 4


def test_plants_are_what_they_say(pairs: list[Pair]) -> None:
    """A tenth of B's good calls goes, and nothing of A's; attempts per call are 1.2 and 1.5 in the mean."""
    draw = np.random.default_rng(2)
    lost = [lose_a_tenth(pair, draw) for pair in pairs]
    before, after = (np.mean([b.number("goodput") for _, b in them]) for them in (pairs, lost))
    assert after / before == pytest.approx(0.9, abs=0.03)
    assert [a for a, _ in lost] == [a for a, _ in pairs]
    more = [amplify(pair, draw) for pair in pairs]
    assert np.mean([a.number("amplification") for a, _ in more]) == pytest.approx(1.2, abs=0.04)
    assert np.mean([b.number("amplification") for _, b in more]) == pytest.approx(1.5, abs=0.06)
