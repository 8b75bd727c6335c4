"""Columns come as arrays that are small and mean the same as the records."""

from __future__ import annotations

import string

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from windtunnel.reports.read import columns
from windtunnel.reports.read.columns import Records, column_of, keys_of, positions, taken

TEXTS = ["", "a", "b", "ab", "ba", "abcdefgh", "abcdefghi", "abcdefgh\0", "x" * 64, "x" * 63 + "y", "é", "\0"]
TABLE = pa.table(
    {
        "call_id": ["c", "a", None, "b"],
        "n": [1, 2, None, 4],
        "w": ["x", None, "y", "x"],
        "f": [True, None, False, True],
    }
)


def test_equal_texts_have_equal_keys_and_others_do_not() -> None:
    """Whatever piece of a table a text stands in; null has the key 0, and no text has."""
    keys = keys_of(pa.array(TEXTS))
    assert len(set(keys.tolist())) == len(TEXTS)
    assert 0 not in keys
    again = keys_of(pa.array(["other", *TEXTS, None]).slice(1))
    assert again.tolist() == [*keys.tolist(), 0]


def test_a_hundred_thousand_ids_stay_apart() -> None:
    """Ids as a run has them, and digests that differ in their end alone."""
    texts = [f"{letter}{n}" for letter in "cws" for n in range(30_000)] + [
        "0" * 60 + a + b for a in string.hexdigits.lower() for b in string.digits
    ]
    texts = list(dict.fromkeys(texts))
    assert len(np.unique(keys_of(pa.array(texts)))) == len(texts)


def test_positions_and_what_is_taken_there() -> None:
    """As looked up by hand; what is not there is -1, and null or false."""
    index = pd.Index(keys_of(pa.array(["a", "b", "c"])))
    found = positions(keys_of(pa.array(["c", "z", None, "a"])), index)
    assert found.tolist() == [2, -1, -1, 0]
    assert taken(np.array([1.0, 2.0, 3.0]), found)[[0, 3]].tolist() == [3.0, 1.0]
    assert np.isnan(taken(np.array([1, 2, 3]), found)[1])
    assert taken(np.array([True, True, True]), found).tolist() == [True, False, False, True]
    words = taken(column_of("w", iter([pa.array(["x", "y", "x"])])), found)
    assert list(pd.Series(words).fillna("x").astype(str)) == ["x", "x", "x", "x"]


def test_records_are_asked_for_columns_as_a_frame_is() -> None:
    """A column, some columns, some rows, in another order and with a column of its own."""
    whole = Records.of(TABLE)
    assert list(whole["f"]) == [True, False, False, True]
    assert whole[["n", "w"]]["n"].isna().tolist() == [False, False, True, False]
    assert list(whole[whole["f"]].index) == [0, 3]
    assert list(whole[whole["f"]]["w"]) == ["x", "x"]
    turned = Records(whole.store.ordered(np.array([3, 2, 1, 0]), {"own": np.arange(4)}))
    assert list(turned["n"].fillna(0)) == [4, 0, 2, 1]
    assert list(turned.part(np.array([False, True, True, False]))["own"]) == [1, 2]
    assert ("own" in turned, "own" in whole, len(turned)) == (True, False, 4)


def test_a_store_keeps_only_what_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Columns asked for long ago are read again; the answers are the same."""
    monkeypatch.setattr(columns, "CACHE_BYTES", 1)
    records = Records.of(TABLE)
    first = list(records["w"].astype(str))
    assert len(records["n"]) == 4
    assert list(records["w"].astype(str)) == first
