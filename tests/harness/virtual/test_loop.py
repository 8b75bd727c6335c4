"""The loop whose clock jumps."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windtunnel.harness.virtual.loop import TICK, DeadlockError, SpinError, VirtualLoop, tick_from


@pytest.fixture
def loop() -> Iterator[VirtualLoop]:
    made = VirtualLoop()
    yield made
    made.close()


def end(loop: VirtualLoop) -> None:
    """Cancel what still runs."""
    for task in asyncio.all_tasks(loop):
        task.cancel()
        loop.run_until_complete(asyncio.gather(task, return_exceptions=True))


def test_a_day_passes_at_once(loop: VirtualLoop) -> None:
    """Sleeping takes virtual time, and hardly any real time."""
    before = time.monotonic()
    loop.run_until_complete(asyncio.sleep(86_400.0))
    assert loop.time() == pytest.approx(86_400.0)
    assert time.monotonic() - before < 60.0


def test_equal_deadlines_keep_their_order(loop: VirtualLoop) -> None:
    """Timers of the same moment ring in the order in which they were set, however many there are."""
    rang: list[int] = []
    for number in range(200):
        loop.call_at(5.0, rang.append, number)
    loop.call_at(6.0, loop.stop)
    loop.run_forever()
    assert rang == list(range(200))


def test_who_waits_for_a_moment_gets_there(loop: VirtualLoop) -> None:
    """A wait until a time ends at or behind it, also where floats do not add up, and needs few rounds."""
    rounds = 0

    async def until(moment: float) -> None:
        nonlocal rounds
        while (left := moment - loop.time()) > 0:  # what is tested
            rounds += 1
            await asyncio.sleep(left)

    for k in range(1, 200):
        loop.run_until_complete(until(k * 0.1 + 1e-14))
    assert rounds < 800


@pytest.mark.parametrize("delay", [1e-15, 1e-9, 1e-6, 0.3])
def test_a_positive_delay_takes_time(loop: VirtualLoop, delay: float) -> None:
    """Nothing that asks for a delay gets none: the clock moves by a tick at least."""
    before = loop.time()
    loop.run_until_complete(asyncio.sleep(delay))
    assert loop.time() >= before + TICK / 2


def test_a_deadlock_is_an_error(loop: VirtualLoop) -> None:
    """Waiting for what nobody will ever do raises instead of hanging."""
    with pytest.raises(DeadlockError):
        loop.run_until_complete(loop.create_future())


def test_polling_for_a_timer_is_an_error(loop: VirtualLoop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Time is not moved on for who polls with sleep(0): it raises, with whoever is due again, and no timer rings."""
    monkeypatch.setattr("windtunnel.harness.virtual.loop.IDLE_PASSES", 100)
    rang: list[float] = []
    loop.call_later(3.0, lambda: rang.append(loop.time()))

    async def poll() -> None:
        while not rang:  # noqa: ASYNC110  # what is tested
            await asyncio.sleep(0)

    polling = loop.create_task(poll())
    with pytest.raises(SpinError) as caught:
        loop.run_until_complete(polling)
    assert (rang, loop.time()) == ([], 0.0)
    assert [getattr(one._callback, "__self__", None) for one in caught.value.who] == [polling]
    end(loop)


def test_polling_for_nothing_is_an_error(loop: VirtualLoop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Code that spins while no timer is set raises instead of hanging."""
    monkeypatch.setattr("windtunnel.harness.virtual.loop.IDLE_PASSES", 100)

    async def spin() -> None:
        while True:  # noqa: ASYNC110  # what is tested
            await asyncio.sleep(0)

    with pytest.raises(SpinError):
        loop.run_until_complete(spin())
    end(loop)


def test_executors_run_inline(loop: VirtualLoop) -> None:
    """What is handed to an executor is done at once, in this thread; its exception belongs to the future."""
    assert loop.run_until_complete(loop.run_in_executor(None, int, "7")) == 7
    with pytest.raises(ValueError, match="seven"):
        loop.run_until_complete(loop.run_in_executor(None, int, "seven"))


def test_cancelled_timers_are_thrown_away(loop: VirtualLoop) -> None:
    """Of a thousand timers that were cancelled few are kept, and the others fire in their order."""
    fired: list[int] = []

    async def main() -> None:
        timers = [loop.call_later(600.0 - number / 10, fired.append, number) for number in range(1000)]
        for number, timer in enumerate(timers):
            if number % 100:
                timer.cancel()
        await asyncio.sleep(1.0)
        assert len(loop._scheduled) < 200
        await asyncio.sleep(600.0)

    loop.run_until_complete(main())
    assert fired == list(range(900, -1, -100))


MOMENTS = st.floats(0.0, 1e6) | st.integers(0, 10**9).map(lambda ticks: ticks / 1e6)
DELAYS = st.floats(0.0, 1e4) | st.integers(0, 10**6).map(lambda ms: ms / 1e3)


@given(MOMENTS)
def test_a_tick_is_the_first_that_is_not_before(moment: float) -> None:
    """Rounding goes up, also where a product of floats lies on the wrong side; a whole microsecond stays."""
    tick = tick_from(moment)
    assert moment <= tick < moment + 1.001e-6 + 1e-9 * moment
    assert tick_from(tick) == tick


@settings(deadline=None)
@given(st.lists(st.tuples(DELAYS, DELAYS), min_size=1, max_size=20))
def test_no_deadline_is_early_or_late(waits: list[tuple[float, float]]) -> None:
    """However deadlines are set, and at whatever moment, each is kept to within two ticks, and in few passes."""
    loop = VirtualLoop()
    found: list[tuple[float, float]] = []
    passes = 0
    one_pass = loop._run_once

    def counted() -> None:
        nonlocal passes
        passes += 1
        one_pass()

    loop._run_once = counted  # type: ignore[method-assign]  # counts what is tested

    async def one(start: float, limit: float) -> None:
        await asyncio.sleep(start)
        for kind in range(5):
            due = loop.time() + limit
            if kind == 0:
                with anyio.move_on_after(limit):
                    await anyio.sleep_forever()
            elif kind == 1:
                with anyio.CancelScope(deadline=due):
                    await asyncio.sleep(1e9)
            elif kind == 2:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(limit):
                        await asyncio.sleep(1e9)
            elif kind == 3:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(loop.create_future(), limit)
            else:
                while (left := due - loop.time()) > 0:  # noqa: ASYNC110  # what is tested
                    await asyncio.sleep(left)
            found.append((due, loop.time()))

    async def main() -> None:
        await asyncio.gather(*(one(start, limit) for start, limit in waits))

    loop.run_until_complete(main())
    loop.close()
    assert [(due, at) for due, at in found if not due <= at <= due + 2.1e-6] == []
    assert passes < 100 * len(found)


def test_waiting_for_ever_is_a_deadlock(loop: VirtualLoop) -> None:
    """A timer that never rings is set by who sleeps without end, and wakes nobody."""
    with pytest.raises(DeadlockError):
        loop.run_until_complete(asyncio.sleep(float("inf")))
    end(loop)
