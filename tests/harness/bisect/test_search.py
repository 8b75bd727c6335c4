"""The search over every short row of releases: what changed is found, nothing else is blamed, few are tried."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import pytest

from windtunnel.harness.bisect.search import BrokenReleaseError, Change, Found, Search

LONGEST = 7
PLENTY = 1000


def apart(one: float, other: float) -> float:
    """Values differ where they are more than 1 apart; those of a truth are 10 apart."""
    return abs(one - other)


def searched(
    values: Sequence[float], broken: Sequence[int] = (), *, most: int = PLENTY
) -> tuple[Found[float], list[int]]:
    """What is found in a row of values, and which places were looked at."""
    looked: list[int] = []

    def look(place: int) -> float:
        looked.append(place)
        if place in broken:
            raise BrokenReleaseError(f"{place} is broken")
        return values[place]

    return Search(len(values), look, apart, most=most).run(), looked


def steps_of(values: Sequence[float]) -> list[tuple[int, int]]:
    """The pairs of neighbours that differ."""
    return [(i, i + 1) for i in range(len(values) - 1) if values[i] != values[i + 1]]


@pytest.mark.parametrize("length", range(2, LONGEST + 1))
def test_every_change_of_a_row_that_never_goes_back_is_found(length: int) -> None:
    """Of all rows of up to four values in a fixed order: exactly the changes there are, and each place tried once."""
    for steps in itertools.product((0, 10), repeat=length - 1):
        values = list(itertools.accumulate((0, *steps)))
        found, looked = searched(values)
        assert [(one.before, one.after) for one in found.changes] == steps_of(values)
        assert all(one.broken == () and one.open == 0 and not one.small for one in found.changes)
        assert len(looked) == len(set(looked))


@pytest.mark.parametrize("length", range(2, LONGEST + 1))
def test_what_is_blamed_has_changed_whatever_the_row(length: int) -> None:
    """Of all rows of three values, also those that go back: a blamed pair differs, and if the ends do, one is found."""
    for values in itertools.product((0, 10, 20), repeat=length):
        found, _ = searched(values)
        blamed = [(one.before, one.after) for one in found.changes]
        assert set(blamed) <= set(steps_of(values))
        assert bool(blamed) == (values[0] != values[-1])


@pytest.mark.parametrize("length", range(2, LONGEST + 1))
def test_broken_releases_are_stepped_over(length: int) -> None:
    """With every set of broken ones inside: the changes are those of the row without them, which names them."""
    for count in range(length - 1):
        for broken in itertools.combinations(range(1, length - 1), count):
            for steps in itertools.product((0, 10), repeat=length - 1):
                values = list(itertools.accumulate((0, *steps)))
                sound = [place for place in range(length) if place not in broken]
                expected = [
                    Change(one, two, tuple(range(one + 1, two)))
                    for one, two in itertools.pairwise(sound)
                    if values[one] != values[two]
                ]
                found, looked = searched(values, broken)
                assert list(found.changes) == expected
                assert len(looked) == len(set(looked))
                assert set(found.broken) <= set(broken)


@pytest.mark.parametrize("length", [2, 3, 10, 72, 1000])
def test_one_change_takes_a_logarithm_of_steps(length: int) -> None:
    """A row of a thousand releases needs twelve, its two ends included."""
    for place in range(1, length, max(1, length // 50)):
        found, looked = searched([0] * place + [10] * (length - place))
        assert [(one.before, one.after) for one in found.changes] == [(place - 1, place)]
        assert len(looked) <= 2 + math.ceil(math.log2(length))


@pytest.mark.parametrize("most", range(2, 12))
def test_the_search_stops_at_its_limit_and_says_what_is_open(most: int) -> None:
    """No place more is tried; a change is then somewhere between two releases, with so many between."""
    found, looked = searched([0] * 50 + [10] * 50, most=most)
    assert len(looked) == min(most, 8)
    (change,) = found.changes
    assert change.before <= 49 < change.after
    assert change.open == change.after - change.before - 1


def test_broken_ones_count_as_tried() -> None:
    """A row that is broken all over ends at the limit, too."""
    _, looked = searched([0] * 50 + [10] * 50, range(1, 99), most=10)
    assert len(looked) == 10


def test_a_change_in_small_steps_is_followed_to_the_largest() -> None:
    """Where the ends differ and no part does by itself, the one that differs most is named, as a small one."""
    found, _ = searched([0.0, 0.2, 0.4, 1.2, 1.3])
    (change,) = found.changes
    assert (change.before, change.after, change.small) == (2, 3, True)


def test_nothing_is_blamed_where_the_ends_agree() -> None:
    """Two are tried, and no more."""
    found, looked = searched([0, 10, 0])
    assert (found.changes, looked) == ((), [0, 2])


@pytest.mark.parametrize("end", [0, 4])
def test_an_end_that_is_broken_ends_the_search(end: int) -> None:
    with pytest.raises(BrokenReleaseError, match=f"{end} is broken"):
        searched([0] * 5, [end])
