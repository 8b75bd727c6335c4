"""Cold starts: what comes after idleness is slow."""

from __future__ import annotations

from typing import Any

import pytest

from tests.mock_server.engines import arrive, engine_with, finish
from windtunnel.mock_server.engine import Engine

COLD = {"after": "60s", "first_token": "5s"}
WHOLE = 0.3 + 59 / 80


def cold(**parts: Any) -> Engine:
    return engine_with(provider={"answer": {"cold_start": COLD}, **parts})


def first_token(engine: Engine, now: float, call_id: str, **parts: Any) -> float:
    """Seconds to the first token of an answer that begins at `now`."""
    return engine.due(arrive(engine, now, call_id, **parts), 0) - now


def test_the_first_answer_is_slow_and_later_ones_are_not() -> None:
    """A region begins cold; its first answer's first token comes that much later, and then it is warm."""
    engine = cold()
    first = arrive(engine, 0.0, "c0")
    assert engine.due(first, 0) == pytest.approx(5.3)
    finish(engine, first, 5.0 + WHOLE)
    assert first_token(engine, 10.0, "c1") == pytest.approx(0.3)


def test_what_begins_during_a_cold_start_waits_for_it_too() -> None:
    """Nobody overtakes the loading of the model."""
    engine = cold()
    arrive(engine, 0.0, "c0")
    assert first_token(engine, 2.0, "c1") == pytest.approx(3.3)
    assert first_token(engine, 6.0, "c2") == pytest.approx(0.3)


@pytest.mark.parametrize(("idle", "slow"), [(59.0, False), (61.0, True)])
def test_idleness_is_counted_from_the_end_of_the_last_work(idle: float, slow: bool) -> None:
    """A region is cold after `after` without any work, not without any arrival."""
    engine = cold()
    arrive(engine, 0.0, "c0")
    last = arrive(engine, 100.0, "c1")
    end = 100.0 + WHOLE
    finish(engine, last, end)
    busy = arrive(engine, end, "c2")
    finish(engine, busy, end + WHOLE)
    # c0 has never ended: the region was never idle.
    assert first_token(engine, end + WHOLE + 100, "c3") == pytest.approx(0.3)
    other = cold()
    done = arrive(other, 0.0, "c0")
    finish(other, done, 6.0)
    assert first_token(other, 6.0 + idle, "c1") == pytest.approx(5.3 if slow else 0.3)


def test_the_slot_is_held_during_a_cold_start() -> None:
    """A cold start is work: it keeps the slot."""
    engine = cold()
    assert arrive(engine, 0.0, "c0").slot_end() == pytest.approx(5.0 + WHOLE)


def test_regions_are_cold_by_themselves() -> None:
    """Traffic in one region warms no other, and a region may have cold starts of its own."""
    warm = {"answer": {"cold_start": None}}
    engine = cold(regions={"local": {}, "eu": {}, "us": warm})
    assert first_token(engine, 0.0, "c0") == pytest.approx(5.3)
    assert first_token(engine, 9.0, "c1", region="eu") == pytest.approx(5.3)
    assert first_token(engine, 9.0, "c2", region="us") == pytest.approx(0.3)


def test_a_phase_may_bring_cold_starts_to_a_busy_region() -> None:
    """A region that works when cold starts come into force is warm."""
    engine = engine_with(
        provider={"capacity": {"slots": 2}},
        phases=[
            {"name": "a", "for": "1s"},
            {"name": "b", "for": "9s", "provider": {"answer": {"cold_start": COLD}}},
        ],
    )
    arrive(engine, 0.0, "c0")
    engine.advance(1.0)
    assert first_token(engine, 1.01, "c1") == pytest.approx(0.3)
