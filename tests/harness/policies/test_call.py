"""A whole call as steps, without a clock, a socket or a thread."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from windtunnel.harness.inputs.profile import Profile, Timeouts
from windtunnel.harness.policies.budget import BudgetPolicy
from windtunnel.harness.policies.call import Begin, CallEnding, Command, Done, Policies, Wake
from windtunnel.harness.policies.clock import jitter_draws
from windtunnel.harness.policies.failure import Failure
from windtunnel.harness.policies.watchdog import Watch

TRY_S = 2.0
ERROR = Failure("status", ValueError(), 500)
THROTTLED = Failure("status", ValueError(), 429, {"retry-after": "7"})


class World:
    """Time that passes only in steps: a pause lasts as long as it says, a try lasts `TRY_S`."""

    def __init__(self, **parts: Any) -> None:
        self.now = 100.0
        profile = {
            "name": "tested",
            "about": "A test.",
            "driver": "httpx2",
            "timeouts": {},
            "pool": {},
            "retries": {"kind": "fixed", "tries": 4, "base": "1s"},
            **parts,
        }
        self.policies = Policies.of(
            Profile.model_validate(profile), now=lambda: self.now, wall=lambda: 0.0, draw=lambda call, n: 0.5
        )

    def call(self, results: list[Failure | None]) -> tuple[list[Command], CallEnding]:
        """Play one call whose tries end as given; what was done, and its ending."""
        done: list[Command] = []
        machine = self.policies.call("c0")
        left = iter(results)
        commands = machine.begin()
        while True:
            (command,) = commands  # without a hedge there is one thing at a time
            if isinstance(command, Done):
                return done, command.ending
            done.append(command)
            if isinstance(command, Begin):
                self.now += TRY_S
                commands = machine.ended(command.number, next(left))
            else:
                assert isinstance(command, Wake)
                self.now += command.seconds
                commands = machine.woke()


def test_a_call_is_tried_until_it_succeeds() -> None:
    """Tries and pauses alternate, and nothing follows a success."""
    steps, ending = World().call([ERROR, ERROR, None])
    assert steps == [Begin(0), Wake(1.0), Begin(1), Wake(1.0), Begin(2)]
    assert ending == CallEnding(None)


def test_a_call_gives_up_after_its_last_try() -> None:
    """With four tries there are three pauses, and the last failure is the call's."""
    steps, ending = World().call([ERROR] * 4)
    assert [step for step in steps if isinstance(step, Begin)] == [Begin(n) for n in range(4)]
    assert ending == CallEnding(ERROR)


def test_a_retry_that_would_not_fit_is_refused() -> None:
    """Retry-After of 7 s plus a median of 2 s does not fit into 10 s of which 2 have passed; 6 s would."""
    world = World(timeouts={"total": "10s"})
    world.call([None])
    steps, ending = world.call([THROTTLED])
    assert (steps, ending) == ([Begin(0)], CallEnding(THROTTLED, "deadline"))
    roomy = World(timeouts={"total": "12s"})
    roomy.call([None])
    assert roomy.call([THROTTLED, None])[1] == CallEnding(None)


def test_a_budget_refuses_what_it_cannot_pay() -> None:
    """An empty budget ends the call after its first failure, and says that it was the budget."""
    world = World(budget={"kind": "ratio", "deposit": 0.5, "cap": 10, "start": 0})
    assert world.call([ERROR]) == ([Begin(0)], CallEnding(ERROR, "budget"))
    assert world.call([ERROR, ERROR])[1] == CallEnding(ERROR, "budget")


def test_a_retry_that_does_not_fit_costs_nothing() -> None:
    """The budget pays only for retries that are really made."""
    world = World(timeouts={"total": "5s"}, budget={"kind": "ratio", "deposit": 1, "cap": 10, "start": 0})
    world.call([THROTTLED])
    (budget,) = (policy for policy in world.policies.all if isinstance(policy, BudgetPolicy))
    assert budget.budget.level == 1


def test_retries_take_their_turn_at_the_limiter_too() -> None:
    """The limiter stands in front of every try, not only of the first one."""
    world = World(limiter={"rpm": 6}, retries={"kind": "fixed", "tries": 2, "base": "1s"})
    steps, _ = world.call([ERROR, None])
    assert steps == [Begin(0), Wake(1.0), Wake(pytest.approx(7.0), limited=True), Begin(1)]


def test_a_call_whose_turn_comes_too_late_is_shed() -> None:
    """A call that the limiter would hold beyond the deadline is refused at once, and takes no turn."""
    world = World(limiter={"rpm": 1}, timeouts={"total": "10s"})
    world.call([None])
    assert world.call([]) == ([], CallEnding(None, "shed"))
    world.now += 60
    assert world.call([None])[1] == CallEnding(None)


@given(st.lists(st.booleans(), min_size=10, max_size=10), st.integers(1, 10), st.integers(1, 60))
def test_no_policy_makes_more_tries_than_it_may_or_starts_one_too_late(
    successes: list[bool], tries: int, total_s: int
) -> None:
    """Whatever the tries do, their number is bounded, and none begins after the deadline."""
    world = World(
        retries={"kind": "exponential", "tries": tries, "base": "1s", "jitter": "full"},
        timeouts={"total": f"{total_s}s"},
    )
    began = world.now
    steps, ending = world.call([None if success else ERROR for success in successes])
    made = [step for step in steps if isinstance(step, Begin)]
    assert 1 <= len(made) <= tries
    pauses = sum(step.seconds for step in steps if isinstance(step, Wake))
    assert pauses + TRY_S * (len(made) - 1) <= total_s
    assert world.now - began == pytest.approx(pauses + TRY_S * len(made))
    assert ending.failure is None or ending.failure is ERROR


def test_jitter_depends_on_seed_call_and_try_alone() -> None:
    """The same seed, call and try give the same draw in every process; anything else gives another one."""
    draw = jitter_draws(7)
    assert draw("c1", 0) == jitter_draws(7)("c1", 0)
    assert len({draw("c1", 0), draw("c1", 1), draw("c2", 0), jitter_draws(8)("c1", 0)}) == 4


def test_watchdogs_follow_the_course_of_a_call() -> None:
    """First content is due from the attempt on, then each content from the one before, and the total always."""
    timeouts = Timeouts.model_validate({"first_content": "20s", "between_contents": "5s", "total": "60s"})
    watch = Watch(timeouts, 0.0)
    assert watch.due() == (60.0, "total")
    watch.attempt_began(1.0)
    assert watch.due() == (21.0, "first_content")
    assert watch.content(3.0) is True
    assert watch.due() == (8.0, "between_contents")
    assert watch.content(4.0) is False
    assert watch.due() == (9.0, "between_contents")
    watch.try_over()
    assert watch.due() == (60.0, "total")
    watch.attempt_began(50.0)
    assert watch.due() == (60.0, "total")
