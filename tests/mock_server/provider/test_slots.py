"""Slots and the queue before them."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from windtunnel.mock_server.provider.slots import QueuePlace, Slots

moves = st.lists(
    st.one_of(
        st.just(("arrive", 0)),
        st.just(("release", 0)),
        st.tuples(st.just("withdraw"), st.integers(0, 50)),
        st.tuples(st.just("slots"), st.integers(0, 8)),
        st.tuples(st.just("queue"), st.integers(0, 8)),
    ),
    max_size=120,
)


class Watched:
    """Slots beside a plain list that says what must be true."""

    def __init__(self, slots: int, queue: int) -> None:
        self.pool: Slots[int] = Slots(slots, queue)
        self.waiting: list[int] = []
        self.next = 0

    def arrive(self, _: int) -> None:
        place = self.pool.place_for_next()
        if place is QueuePlace.SLOT:
            assert self.pool.busy < self.pool.total
            self.pool.take_slot()
        elif place is QueuePlace.QUEUE:
            assert len(self.waiting) < self.pool.queue_size
            self.waiting.append(self.next)
            self.pool.wait(self.next)
        else:
            assert self.pool.busy >= self.pool.total or self.waiting
            assert len(self.waiting) >= self.pool.queue_size
        self.next += 1

    def release(self, _: int) -> None:
        if self.pool.busy:
            self.pool.release()
            self.grant()

    def withdraw(self, index: int) -> None:
        if self.waiting:
            self.pool.withdraw(self.waiting.pop(index % len(self.waiting)))

    def slots(self, count: int) -> None:
        self.pool.total = count
        self.grant()

    def queue(self, length: int) -> None:
        self.pool.queue_size = length

    def grant(self) -> None:
        busy = self.pool.busy
        granted = self.pool.grant()
        assert granted == self.waiting[: len(granted)]
        assert self.pool.busy == busy + len(granted)
        assert not granted or self.pool.busy <= self.pool.total
        del self.waiting[: len(granted)]


@settings(deadline=None)
@given(st.integers(0, 5), st.integers(0, 5), moves)
def test_first_in_first_out_never_too_many_never_idle(
    slots: int, queue: int, steps: list[tuple[str, int]]
) -> None:
    """New work starts in order of arrival, only in free slots, and no slot is free while an item waits;
    lowering the slots pre-empts nothing."""
    watched = Watched(slots, queue)
    for move, argument in steps:
        busy = watched.pool.busy
        getattr(watched, move)(argument)
        pool = watched.pool
        assert pool.waiting == len(watched.waiting)
        assert not (pool.waiting and pool.busy < pool.total)
        assert pool.busy <= max(busy, pool.total)
        assert move == "release" or pool.busy >= busy
