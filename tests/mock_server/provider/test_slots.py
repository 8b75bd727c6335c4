"""Slots and the queue before them."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from windtunnel.mock_server.provider.slots import Capacity, Place

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
    """A capacity beside a plain list that says what must be true."""

    def __init__(self, slots: int, queue: int) -> None:
        self.capacity: Capacity[int] = Capacity(slots, queue)
        self.waiting: list[int] = []
        self.next = 0

    def arrive(self, _: int) -> None:
        place = self.capacity.offers()
        if place is Place.SLOT:
            assert self.capacity.busy < self.capacity.slots
            self.capacity.take_slot()
        elif place is Place.QUEUE:
            assert len(self.waiting) < self.capacity.queue
            self.waiting.append(self.next)
            self.capacity.wait(self.next)
        else:
            assert self.capacity.busy >= self.capacity.slots or self.waiting
            assert len(self.waiting) >= self.capacity.queue
        self.next += 1

    def release(self, _: int) -> None:
        if self.capacity.busy:
            self.capacity.release()
            self.grant()

    def withdraw(self, index: int) -> None:
        if self.waiting:
            self.capacity.withdraw(self.waiting.pop(index % len(self.waiting)))

    def slots(self, count: int) -> None:
        self.capacity.slots = count
        self.grant()

    def queue(self, length: int) -> None:
        self.capacity.queue = length

    def grant(self) -> None:
        busy = self.capacity.busy
        granted = self.capacity.grant()
        assert granted == self.waiting[: len(granted)]
        assert self.capacity.busy == busy + len(granted)
        assert not granted or self.capacity.busy <= self.capacity.slots
        del self.waiting[: len(granted)]


@settings(deadline=None)
@given(st.integers(0, 5), st.integers(0, 5), moves)
def test_first_in_first_out_never_too_many_never_idle(
    slots: int, queue: int, steps: list[tuple[str, int]]
) -> None:
    """New work starts in order of arrival, only in free slots, and no slot is free while somebody waits;
    lowering the slots pre-empts nothing."""
    watched = Watched(slots, queue)
    for move, argument in steps:
        busy = watched.capacity.busy
        getattr(watched, move)(argument)
        capacity = watched.capacity
        assert capacity.waiting == len(watched.waiting)
        assert not (capacity.waiting and capacity.busy < capacity.slots)
        assert capacity.busy <= max(busy, capacity.slots)
        assert move == "release" or capacity.busy >= busy
