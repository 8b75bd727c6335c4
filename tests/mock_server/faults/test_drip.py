"""An answer that trickles: every byte, in order, at a steady rate, cut anywhere."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.mock_server.scripts import sends
from windtunnel.mock_server.faults import FAULTS, FaultContext
from windtunnel.mock_server.faults.drip import MOST_PIECES, SHORTEST_PAUSE
from windtunnel.mock_server.script import Close, End, Head, Script, Send, Torn, Trickle, Wait

Play = Callable[..., Script]


def dripped(script: Script, **params: Any) -> Script:
    """The script, trickling."""
    kind = FAULTS["drip"]
    return kind.apply(script, kind.params.model_validate(params), FaultContext(api="chat", stream=True))


def waits(script: Script) -> list[float]:
    """The pauses."""
    return [step.seconds for step in script.steps if isinstance(step, Wait)]


def test_a_slow_drip_is_byte_by_byte(play: Play, whole: Script) -> None:
    """At 20 bytes a second every byte comes alone, 50 ms after the one before, and nothing waits at the end."""
    script = play("drip", whole, stream=False, bytes_per_second=20)
    size = len(sends(whole)[0].data)
    assert [len(send.data) for send in sends(script)] == [1] * size
    assert waits(script) == [0.05] * (size - 1)
    assert script.steps[-2:] == (sends(script)[-1], End())


@pytest.mark.parametrize(("rate", "size"), [(1, 1), (100, 1), (101, 2), (1000, 10), (1e9, 10_000_000)])
def test_pieces_are_never_less_than_ten_milliseconds_apart(rate: float, size: int) -> None:
    """A faster drip has larger pieces, never more timers."""
    script = dripped(Script((Head(200), Send(bytes(25)), End())), bytes_per_second=rate)
    assert len(sends(script)[0].data) == min(size, 25)
    assert all(wait >= SHORTEST_PAUSE * 0.999 for wait in waits(script))


def test_a_long_body_has_a_bounded_number_of_pieces() -> None:
    """A million bytes at ten bytes a second take their time in larger pieces, not in a million timers."""
    script = dripped(Script((Head(200), Send(bytes(1_000_000)), End())), bytes_per_second=10)
    assert len(sends(script)) == MOST_PIECES
    assert sum(waits(script)) == pytest.approx(100_000, rel=0.001)


def test_it_cuts_through_characters_and_frames() -> None:
    """A piece may end inside a UTF-8 sequence, and inside the two newlines between two events."""
    text = "data: {}é€😀\n\n".encode()
    script = dripped(Script((Head(200, framing="chunked"), Send(text, 1, "content"), End())))
    pieces = [send.data for send in sends(script)]
    assert b"".join(pieces) == text
    assert pieces[-2:] == [b"\n", b"\n"]
    with pytest.raises(UnicodeDecodeError):
        b"".join(pieces[:9]).decode()


def test_the_head_trickles_if_asked_to(play: Play, whole: Script) -> None:
    """`head: true` puts a trickle of the same pace behind the head; without it the head comes at once."""
    assert not any(isinstance(step, Trickle) for step in play("drip", whole, stream=False).steps)
    script = play("drip", whole, stream=False, bytes_per_second=200, head=True)
    assert script.steps[:2] == (whole.steps[0], Trickle(2, 0.01))


def test_a_torn_chunk_stays_torn() -> None:
    """The last piece of a torn chunk goes on promising what was missing."""
    script = dripped(Script((Head(200, framing="chunked"), Torn(b"abc", 10), Close())), bytes_per_second=100)
    assert script.steps[1:] == (
        Send(b"a"), Wait(0.01), Send(b"b"), Wait(0.01), Torn(b"c", 8), Close()
    )  # fmt: skip


@given(
    st.lists(st.tuples(st.binary(min_size=1, max_size=60), st.integers(0, 9)), max_size=8),
    st.floats(0.5, 5000),
)
def test_nothing_but_time_is_added(parts: list[tuple[bytes, int]], rate: float) -> None:
    """All bytes come in order with their tokens and roles, and never faster than the rate allows."""
    healthy = Script((Head(200, framing="chunked"), *[Send(data, n, "content") for data, n in parts], End()))
    script = dripped(healthy, bytes_per_second=rate)
    assert b"".join(send.data for send in sends(script)) == b"".join(data for data, _ in parts)
    assert [send.tokens for send in sends(script) if send.role == "content"] == [n for _, n in parts]
    assert sum(send.tokens for send in sends(script)) == sum(n for _, n in parts)
    total = sum(len(data) for data, _ in parts)
    size = max(1, math.ceil(rate * SHORTEST_PAUSE - 1e-9))
    assert sum(waits(script)) == pytest.approx(max(0, math.ceil(total / size) - 1) * size / rate)
    gone = [len(send.data) for send in sends(script)]
    assert max(gone, default=0) <= size
    assert not any(isinstance(a, Wait) and isinstance(b, Wait) for a, b in itertools.pairwise(script.steps))


@pytest.mark.parametrize("rate", [0, -1, math.inf, math.nan])
def test_a_rate_is_a_rate(rate: float) -> None:
    """A drip that never or always drips is refused."""
    with pytest.raises(ValidationError):
        FAULTS["drip"].params.model_validate({"bytes_per_second": rate})
