"""The loop whose clock jumps."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import pytest

from windtunnel.harness.virtual.loop import TICK, DeadlockError, SpinError, VirtualLoop


@pytest.fixture
def loop() -> Iterator[VirtualLoop]:
    made = VirtualLoop()
    yield made
    made.close()


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


def test_polling_does_not_stop_the_clock(loop: VirtualLoop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Code that polls with sleep(0) until a timer has rung gets there, as time is moved on."""
    monkeypatch.setattr("windtunnel.harness.virtual.loop.IDLE_PASSES", 100)
    rang: list[float] = []
    loop.call_later(3.0, lambda: rang.append(loop.time()))

    async def poll() -> None:
        while not rang:  # noqa: ASYNC110  # what is tested
            await asyncio.sleep(0)

    loop.run_until_complete(poll())
    assert rang == [3.0]


def test_polling_for_nothing_is_an_error(loop: VirtualLoop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Code that spins while no timer is set raises instead of hanging."""
    monkeypatch.setattr("windtunnel.harness.virtual.loop.IDLE_PASSES", 100)

    async def spin() -> None:
        while True:  # noqa: ASYNC110  # what is tested
            await asyncio.sleep(0)

    with pytest.raises(SpinError):
        loop.run_until_complete(spin())
    for task in asyncio.all_tasks(loop):
        task.cancel()
        loop.run_until_complete(asyncio.gather(task, return_exceptions=True))


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
