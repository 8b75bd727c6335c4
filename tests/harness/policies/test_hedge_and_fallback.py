"""Several tries of one call: hedges, other targets, shadows; and events that cross each other on their way."""

from __future__ import annotations

from typing import Any

import pytest

from windtunnel.harness.inputs.profile import Profile
from windtunnel.harness.policies.call import Begin, Call, CallEnding, Cancel, Command, Done, Policies, Wake
from windtunnel.harness.policies.failure import Failure
from windtunnel.harness.policies.policy import HEDGE, LOCAL, PRIMARY

ERROR = Failure("status", ValueError(), 500)
WRONG = Failure("status", ValueError(), 400)
HEDGED: dict[str, Any] = {"hedge": {"quantile": 0.95, "after": 20, "extra_tokens": 0.1}}
ELSEWHERE: dict[str, Any] = {"to": [{"region": "other"}, {"local": {}}]}


class World:
    """An instance whose time is set by the test."""

    def __init__(self, *, targets: tuple[str, ...] = (), **parts: Any) -> None:
        self.now = 0.0
        profile = {
            "name": "tested",
            "about": "A test.",
            "driver": "httpx2",
            "timeouts": {},
            "pool": {},
            **parts,
        }
        self.policies = Policies.of(
            Profile.model_validate(profile),
            now=lambda: self.now,
            wall=lambda: 0.0,
            draw=lambda call, n: 0.5,
            targets=targets,
        )

    def healthy(self, calls: int, first_content_s: float = 1.0) -> None:
        """Calls whose first content comes after so long."""
        for _ in range(calls):
            call = self.policies.call("c", tokens=100)
            call.begin()
            self.now += first_content_s
            call.content(0)
            assert call.ended(0, None) == [Done(CallEnding(None))]

    def fails(self, target: str = PRIMARY, failure: Failure = ERROR) -> None:
        """A call whose first try is on this target, and fails."""
        call = self.policies.call("c")
        assert call.begin()[0] == Begin(0, target)
        call.ended(0, failure)
        call.cut_off()

    def hedged(self) -> Call:
        """A call that is slower than 95 of 100, and has been hedged."""
        self.healthy(20)
        call = self.policies.call("c", tokens=100)
        assert call.begin() == [Begin(0), Wake(1.0)]
        self.now += 1.0
        assert call.woke() == [Begin(1)]
        return call


def test_nothing_is_hedged_before_enough_was_measured() -> None:
    """With 19 first contents there is no quantile yet; with 20 there is."""
    world = World(**HEDGED)
    world.healthy(19)
    assert world.policies.call("c").begin() == [Begin(0)]
    world.healthy(1)
    assert world.policies.call("c").begin() == [Begin(0), Wake(1.0)]


@pytest.mark.parametrize("winner", [0, 1])
def test_the_first_try_with_content_wins_and_the_other_is_cancelled(winner: int) -> None:
    """Whichever it is: the loser is cancelled at once, and the winner's end is the call's."""
    call = World(**HEDGED).hedged()
    assert call.content(winner) == [Cancel(1 - winner)]
    assert call.ended(winner, None) == [Done(CallEnding(None))]
    assert call.state.tries[1 - winner].cancelled


def test_what_a_loser_says_after_it_was_cancelled_changes_nothing() -> None:
    """Its content, its failure and its success may all have been on their way when it was cancelled."""
    call = World(**HEDGED).hedged()
    call.content(1)
    assert call.content(0) == []
    assert call.ended(0, ERROR) == []
    assert call.ended(1, None) == [Done(CallEnding(None))]
    assert call.ended(0, None) == []
    assert call.woke() == []
    assert call.begin is not None


def test_a_try_that_fails_leaves_the_call_to_the_other_one() -> None:
    """No retry is made while another try may still succeed; when both have failed, the last failure counts."""
    call = World(**HEDGED).hedged()
    assert call.ended(0, ERROR) == []
    assert call.ended(1, WRONG) == [Done(CallEnding(WRONG))]


def test_an_answer_in_one_piece_cancels_the_other_try_too() -> None:
    """Its end may be told before its content: then the end cancels the other."""
    call = World(**HEDGED).hedged()
    assert call.ended(1, None) == [Cancel(0), Done(CallEnding(None))]


def test_hedges_stay_below_their_share_of_the_tokens() -> None:
    """After 20 calls of 100 tokens and this one, a tenth is 210: two hedges, and no third."""
    world = World(**HEDGED)
    world.healthy(20)
    made = []
    for _ in range(4):
        call = world.policies.call("c", tokens=100)
        call.begin()
        world.now += 1.0
        made.append(call.woke() == [Begin(1)])
        call.cut_off()
    assert made == [True, True, False, False]


def test_a_refused_hedge_is_not_asked_for_again() -> None:
    """A timer that would ring at once, for ever, would hold the process."""
    world = World(hedge={"quantile": 0.95, "after": 1, "extra_tokens": 0.01})
    world.healthy(1)
    call = world.policies.call("c", tokens=100)
    call.begin()
    world.now += 1.0
    assert call.woke() == []


def test_a_timer_of_an_earlier_try_starts_no_hedge() -> None:
    """The first try failed and the next one began; the timer that was set for the first rings late."""
    world = World(fallback=ELSEWHERE, targets=("b", LOCAL), **HEDGED)
    world.healthy(20)
    call = world.policies.call("c", tokens=100)
    call.begin()
    world.now += 0.9
    assert call.ended(0, ERROR) == [Begin(1, "b"), Wake(1.0)]
    world.now += 0.1
    assert call.woke() == [Wake(pytest.approx(0.9))]


def test_a_hedge_neither_waits_for_the_limiter_nor_passes_it() -> None:
    """A hedge that would have to wait for its turn is not made, and takes none."""
    world = World(limiter={"rpm": 6, "burst": 100}, hedge={"after": 1, "extra_tokens": 1.0})
    world.healthy(1)
    world.healthy(98, 0.0)
    call = world.policies.call("c", tokens=100)
    commands = call.begin()
    assert commands[0] == Begin(0)
    world.now += 1.0
    assert [one for one in call.woke() if isinstance(one, Begin)] == []


def test_a_hedge_may_go_to_another_region() -> None:
    """Where there is one, and the profile says so."""
    world = World(targets=(HEDGE,), hedge={"after": 1, "extra_tokens": 1.0, "region": "other"})
    world.healthy(1)
    call = world.policies.call("c")
    call.begin()
    world.now += 1.0
    assert call.woke() == [Begin(1, HEDGE)]


def test_a_call_goes_from_target_to_target() -> None:
    """Region B after the first one, then the local model; after the last there is nothing."""
    world = World(fallback=ELSEWHERE, targets=("b", LOCAL))
    call = world.policies.call("c")
    assert call.begin() == [Begin(0)]
    assert call.ended(0, ERROR) == [Begin(1, "b")]
    assert call.ended(1, ERROR) == [Begin(2, LOCAL)]
    assert call.ended(2, ERROR) == [Done(CallEnding(ERROR))]


def test_what_is_the_requests_own_fault_goes_nowhere_else() -> None:
    """A 400 would be one everywhere."""
    call = World(fallback=ELSEWHERE, targets=("b",)).policies.call("c")
    call.begin()
    assert call.ended(0, WRONG) == [Done(CallEnding(WRONG))]


def test_every_target_has_its_own_retries() -> None:
    """The second target is tried as often as the first."""
    retries = {"kind": "fixed", "tries": 2, "base": "1s"}
    call = World(fallback=ELSEWHERE, targets=("b",), retries=retries).policies.call("c")
    steps: list[Command] = list(call.begin())
    for number in range(4):
        if isinstance((last := call.ended(number, ERROR))[0], Wake):
            last = [*last, *call.woke()]
        steps += last
    assert steps == [
        Begin(0),
        Wake(1.0),
        Begin(1),
        Begin(2, "b"),
        Wake(1.0),
        Begin(3, "b"),
        Done(CallEnding(ERROR)),
    ]


def test_an_open_breaker_sends_calls_elsewhere_and_its_probes_bring_them_back() -> None:
    """Open: region B at once. Half open: two probes on the first region, whose success closes it."""
    world = World(
        breaker={"rate": 0.5, "calls": 2, "window": "20s", "open": "30s", "probes": 2},
        fallback=ELSEWHERE,
        targets=("b", LOCAL),
    )
    world.fails()
    world.fails()
    assert world.policies.call("c").begin() == [Begin(0, "b")]
    world.now += 30
    probes = [world.policies.call("c") for _ in range(2)]
    assert [probe.begin() for probe in probes] == [[Begin(0)], [Begin(0)]]
    assert world.policies.call("c").begin() == [Begin(0, "b")]
    for probe in probes:
        probe.ended(0, None)
    assert world.policies.call("c").begin() == [Begin(0)]


def test_a_target_that_was_left_is_probed_by_one_call_at_a_time() -> None:
    """After two failures in a row calls go elsewhere; every 10 s one asks, and its success brings all back."""
    world = World(fallback={**ELSEWHERE, "leave_after": 2, "probe": "10s"}, targets=("b",))
    world.fails()
    world.fails()
    assert world.policies.call("c").begin() == [Begin(0, "b")]
    world.now += 10
    world.fails()  # the probe
    assert world.policies.call("c").begin() == [Begin(0, "b")]
    world.now += 10
    probe = world.policies.call("c")
    assert probe.begin() == [Begin(0)]
    assert world.policies.call("c").begin() == [Begin(0, "b")]
    probe.ended(0, None)
    assert world.policies.call("c").begin() == [Begin(0)]


def test_a_shadow_finds_the_way_back_and_no_call_waits_for_it() -> None:
    """The copy is ended at its first content; the call is served elsewhere, whatever becomes of the copy."""
    fallback = {**ELSEWHERE, "leave_after": 1, "probe": "10s", "shadow": True}
    world = World(fallback=fallback, targets=("b",))
    world.fails()
    world.now += 10
    call = world.policies.call("c")
    assert call.begin() == [Begin(0, "b"), Begin(1)]
    assert call.ended(1, ERROR) == []
    assert call.content(0) == []
    assert call.ended(0, None) == [Done(CallEnding(None))]
    world.now += 10
    call = world.policies.call("c")
    assert call.begin() == [Begin(0, "b"), Begin(1)]
    assert call.content(1) == [Cancel(1)]
    assert world.policies.call("c").begin() == [Begin(0)]
    assert call.ended(0, None) == [Done(CallEnding(None))]


def test_a_shadow_that_has_shown_nothing_ends_with_its_call() -> None:
    """It is cancelled, and the next probe comes when it is due."""
    fallback = {**ELSEWHERE, "leave_after": 1, "probe": "10s", "shadow": True}
    world = World(fallback=fallback, targets=("b",))
    world.fails()
    world.now += 10
    call = world.policies.call("c")
    call.begin()
    assert call.ended(0, None) == [Cancel(1), Done(CallEnding(None))]
    assert world.policies.call("c").begin() == [Begin(0, "b")]


def test_a_call_that_is_cut_off_gives_back_what_it_holds() -> None:
    """A probe of a half-open breaker that was cancelled leaves its place to the next call."""
    world = World(breaker={"rate": 0.5, "calls": 1, "window": "20s", "open": "30s", "probes": 1})
    world.fails()
    assert world.policies.call("c").begin() == [Done(CallEnding(None, "breaker"))]
    world.now += 30
    probe = world.policies.call("c")
    assert probe.begin() == [Begin(0)]
    assert world.policies.call("c").begin() == [Done(CallEnding(None, "breaker"))]
    probe.cut_off()
    assert world.policies.call("c").begin() == [Begin(0)]
