"""Several faults on one answer: the engine applies them layer by layer, wherever they come from."""

from __future__ import annotations

import pytest

from tests.mock_server.engines import arrive, body, engine_with
from windtunnel.mock_server.script import FOREVER, Abort, End, Wait


def test_a_fault_that_a_request_asks_for_takes_its_place_among_those_of_the_rules() -> None:
    """The header's fault acts in its layer, not behind all rules: the answer is cut before it is cut into pieces."""
    engine = engine_with(rules=[{"fault": "fragment", "with": {"bytes": 3}}])
    ticket = arrive(engine, 0.0, fault_header="reset; at=after_chunks 2")
    assert ticket.faults == ("reset", "fragment")
    assert ticket.script is not None
    assert body(ticket) == b"t" * 5
    assert ticket.script.steps[-1] == Abort()


@pytest.mark.parametrize(
    ("seconds", "held"), [("2s", 2.0), ("forever", FOREVER)], ids=["two seconds", "without an end"]
)
def test_a_slot_is_held_for_the_rules_own_fault_and_no_other(seconds: str, held: float) -> None:
    """Of a stall that holds the slot and pieces that do not, the stall alone prolongs it, whatever comes behind."""
    stall = {"fault": "stall", "with": {"seconds": seconds}, "holds_slot": True}
    ticket = arrive(engine_with(rules=[{"fault": "fragment"}, {"fault": "buffered"}, stall]), 0.0)
    assert ticket.faults == ("buffered", "stall", "fragment")
    assert ticket.fault_hold_s == held
    assert ticket.script is not None
    assert ticket.script.steps[-1] == (End() if seconds == "2s" else Wait(FOREVER))
