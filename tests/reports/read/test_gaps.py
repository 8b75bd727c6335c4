"""Pauses between contents are counted, and their quantiles are those of the sorted values, to the last bit."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

from windtunnel.reports.read import gaps
from windtunnel.reports.read.columns import Records
from windtunnel.reports.read.gaps import Gaps, keys_of

POINTS = (0.0, 0.5, 0.9, 0.95, 0.99, 0.999, 1.0)


def planted(lists: list[list[float | None] | None], group_of: list[int]) -> Gaps:
    """Of calls whose rows are in the order of the calls."""
    rows = Records.of(pa.table({"gaps_s": pa.array(lists, pa.list_(pa.float32()))}))
    return Gaps(rows, np.arange(len(group_of)), np.array(group_of))


def sorted_quantiles(values: npt.NDArray[np.float32]) -> list[float]:
    """As NumPy has them, from all the values at once, in float64."""
    return [float(np.quantile(values.astype(np.float64), point)) for point in POINTS]


def by_group(group_of: npt.NDArray[np.int64], values: npt.NDArray[np.float32], length: int) -> Gaps:
    """Calls of `length` pauses each."""
    return planted(values.reshape(-1, length).tolist(), group_of.tolist())


@pytest.mark.parametrize("kind", ["spread", "equal", "two", "negative"])
def test_the_quantiles_are_those_of_the_sorted_values(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the values are, of each group and of all, in however many pieces they come."""
    monkeypatch.setattr(gaps, "VALUES_AT_ONCE", 1_000)
    monkeypatch.setattr(gaps, "ROWS_AT_ONCE", 17)
    monkeypatch.setattr(gaps, "SLOTS_AT_ONCE", 5)
    draw = np.random.default_rng(3)
    values = {
        "spread": draw.lognormal(-4, 2, 4_000),
        "equal": np.full(4_000, 0.0125),
        "two": draw.choice([0.0125, 0.5], 4_000),
        "negative": draw.normal(0, 1, 4_000),
    }[kind].astype(np.float32)
    group_of = draw.integers(0, 3, 400)
    found = by_group(group_of, values, 10)
    assert list(found.quantiles(POINTS).values()) == sorted_quantiles(values)
    for group in range(3):
        own = values.reshape(-1, 10)[group_of == group].ravel()
        assert list(found.quantiles(POINTS, group).values()) == sorted_quantiles(own)


def test_nulls_and_calls_of_no_group_do_not_count() -> None:
    """A call without pauses, one without a list, one that is not judged, and a null among others."""
    found = planted([[0.5, None, 0.25], [], None, [9.0]], [0, 0, 0, -1])
    assert found.quantiles((0.0, 1.0)) == {0.0: 0.25, 1.0: 0.5}
    assert found.quantiles((0.0, 1.0), group=7) == {}
    assert planted([[]], [0]).quantiles(POINTS) == {}
    assert planted([], []).quantiles(POINTS) == {}


def test_keys_are_in_the_order_of_the_values() -> None:
    """From minus infinity to infinity."""
    values = np.array([-np.inf, -2.5, -1e-40, 0.0, 1e-40, 1.0, 1.0000001, 3e38, np.inf], dtype=np.float32)
    assert (np.diff(keys_of(values).astype(np.int64)) > 0).all()
