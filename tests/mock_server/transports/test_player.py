"""The player alone, on a wire that only remembers: when it does what."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from windtunnel.mock_server.script import (
    FOREVER,
    Abort,
    Close,
    End,
    FirstToken,
    Head,
    Raw,
    Send,
    Step,
    Tokens,
    Torn,
    Trickle,
    Wait,
)
from windtunnel.mock_server.transports.player import MOST_AT_ONCE, PIECE, TOLERANCE, Player, content_at
from windtunnel.mock_server.transports.wire import Headers


class Ticket:
    """All that a player needs of a ticket."""

    done = False


class Wire:
    """Remembers what was flushed together, and whether the ticket was done by then."""

    def __init__(self, ticket: Ticket) -> None:
        self.paused = False
        self.flushed: list[tuple[bytes, bool]] = []
        self.lengths: list[int] = []
        self.ends: list[str] = []
        self._ticket = ticket
        self._out = b""

    def head(self, head: Head, body_length: int, more: Headers = ()) -> None:
        self.lengths.append(body_length)
        self._out += b"H"

    def body(self, data: bytes) -> None:
        self._out += data

    def torn(self, data: bytes, size: int) -> None:
        self._out += b"<%d:%b" % (size, data)

    def raw(self, data: bytes) -> None:
        self._out += data

    def end(self) -> None:
        self._out += b"."

    def flush(self) -> int:
        out, self._out = self._out, b""
        self.flushed.append((out, self._ticket.done))
        return len(out)

    def flush_part(self, most: int) -> int:
        out, self._out = self._out[:most], self._out[most:]
        if out:
            self.flushed.append((out, self._ticket.done))
        return len(out)

    def close(self) -> None:
        self.ends.append("close")

    def abort(self, code: int | None = None) -> None:
        self.ends.append("abort")


class Provider:
    """A provider at a constant speed that can be changed: token k is due at `first + k / rate`."""

    def __init__(self, first: float = 1.0, rate: float = 10.0) -> None:
        self.first = first
        self.rate = rate

    def due(self, _: Any, tokens: int) -> float:
        return self.first + tokens / self.rate


def _player(*steps: Step, provider: Provider | None = None, **how: Any) -> tuple[Player, Wire, Ticket]:
    ticket = Ticket()
    wire = Wire(ticket)
    due = (provider or Provider()).due
    return Player(steps, wire, ticket, due, at=0.0, **how), wire, ticket


STREAM: tuple[Step, ...] = (
    Head(200, framing="chunked"),
    FirstToken(),
    Send(b"a", tokens=1),
    Tokens(4),
    Send(b"b", tokens=4),
    Tokens(4),
    Send(b"c", tokens=4),
    Send(b"d", role="terminal"),
    End(),
)


def test_a_stream_in_time() -> None:
    """Every token is written when it is due, and the player says when it wants to be called again."""
    player, wire, ticket = _player(*STREAM)
    assert player.play(0.0) == 1.0
    assert player.play(1.0) == 1.4
    assert player.play(1.4) == 1.8
    assert not ticket.done
    assert player.play(1.8) == math.inf
    assert [data for data, _ in wire.flushed] == [b"H", b"a", b"b", b"cd."]
    assert (player.first_byte_s, player.last_byte_s, player.tokens_sent) == (0.0, 1.8, 9)
    assert player.ending == "end"


def test_done_before_the_last_bytes() -> None:
    """The answer is marked done before the terminal bytes are written, and not earlier."""
    player, wire, _ = _player(*STREAM)
    for now in (0.0, 1.0, 1.4, 1.8):
        player.play(now)
    assert [done for _, done in wire.flushed] == [False, False, False, True]


def test_lateness_does_not_add_up() -> None:
    """Deadlines are absolute: a late call does not delay what follows, and what became due is one write."""
    player, wire, _ = _player(*STREAM)
    player.play(0.0)
    assert player.play(1.45) == 1.8
    assert [data for data, _ in wire.flushed] == [b"H", b"ab"]


def test_the_speed_may_change() -> None:
    """A token that has moved away is waited for again."""
    provider = Provider()
    player, wire, _ = _player(*STREAM, provider=provider)
    player.play(0.0)
    assert player.play(1.0) == 1.4
    provider.rate = 5.0
    assert player.play(1.4) == 1.8
    assert player.play(1.8) == 2.6
    assert [data for data, _ in wire.flushed if data] == [b"H", b"a", b"b"]


def test_work_goes_on_behind_a_wait() -> None:
    """A stall delays the bytes, not the work: what was generated meanwhile comes at once after it."""
    player, wire, _ = _player(*STREAM[:3], Wait(5.0), *STREAM[3:])
    assert player.play(0.0) == 1.0
    assert player.play(1.0) == 6.0
    assert player.play(6.0) == math.inf
    assert [data for data, _ in wire.flushed] == [b"H", b"a", b"bcd."]


def test_half_a_round_trip_shifts_everything() -> None:
    """With a shift every byte comes that much later, and waits stay as long as they are."""
    player, wire, _ = _player(*STREAM, shift=0.25)
    assert player.play(0.0) == 0.25
    assert wire.flushed == []
    assert player.play(0.25) == 1.25
    assert player.play(1.25) == 1.65


def test_waiting_forever() -> None:
    """After the last thing that time brings, only the client can end it."""
    player, wire, ticket = _player(Head(200), Wait(FOREVER))
    assert player.play(0.0) == math.inf
    assert player.ending is None
    assert not ticket.done
    assert [data for data, _ in wire.flushed] == [b"H"]


def test_ends() -> None:
    """Close and Abort flush what was sent before them, and count as the server's own end."""
    for step, name in ((Close(), "close"), (Abort(), "abort")):
        player, wire, ticket = _player(Head(200), Send(b"x"), step)
        assert player.play(0.0) == math.inf
        assert player.ending == name
        assert wire.ends == [name]
        assert ticket.done
        assert wire.lengths == [1]
        assert [data for data, _ in wire.flushed] == [b"Hx"]


def test_a_slow_reader() -> None:
    """While the wire is paused nothing is played, and large answers are handed over in pieces."""
    piece = Send(b"x" * PIECE, tokens=1)
    player, wire, _ = _player(Head(200), piece, piece, End())
    wire.paused = True
    assert player.play(0.0) == math.inf
    wire.paused = False

    def flush_and_pause() -> int:
        wire.paused = True
        return Wire.flush(wire)

    wire.flush = flush_and_pause  # type: ignore[method-assign]  # a stand-in for the test
    assert player.play(0.0) == math.inf
    assert player.tokens_sent == 1
    wire.paused = False
    player.play(0.0)
    wire.paused = False
    player.play(0.0)
    assert player.ending == "end"
    assert b"".join([data for data, _ in wire.flushed]) == b"H" + b"x" * 2 * PIECE + b"."


@given(
    steps=st.lists(
        st.one_of(
            st.builds(Send, st.binary(max_size=5), st.integers(0, 3)),
            st.builds(Wait, st.floats(0, 2)),
            st.builds(Tokens, st.integers(1, 9)),
        ),
        max_size=20,
    ),
    late=st.floats(0, 0.5),
    shift=st.floats(0, 0.5),
)
def test_any_script_is_played_once_in_order(steps: list[Any], late: float, shift: float) -> None:
    """However late the player is called, every byte is written once, in order, and never before it is due."""
    player, wire, _ = _player(Head(200, framing="chunked"), *steps, End(), shift=shift)
    now = 0.0
    for _ in range(2 * len(steps) + 5):
        at = player.play(now)
        if player.ending is not None:
            break
        assert at > now + TOLERANCE / 2
        now = at + late
    assert player.ending == "end"
    sent = b"".join([step.data for step in steps if isinstance(step, Send)])
    assert b"".join([data for data, _ in wire.flushed]) == b"H" + sent + b"."
    waits = sum(step.seconds for step in steps if isinstance(step, Wait))
    assert now >= shift + waits - TOLERANCE * (len(steps) + 2)


def test_a_trickle_hands_over_piece_by_piece() -> None:
    """What was written so far leaves in pieces, each at its moment, and what follows waits for the last one's."""
    player, wire, _ = _player(Raw(b"abcde"), Trickle(2, 0.1), Send(b"body"), End())
    assert player.play(0.0) == 0.1
    assert player.play(0.05) == 0.1
    assert player.play(0.1) == 0.2
    assert player.play(0.2) == pytest.approx(0.3)
    assert [data for data, _ in wire.flushed] == [b"ab", b"cd", b"e"]
    assert player.play(0.3) == math.inf
    assert wire.flushed[-1][0] == b"body."
    assert (player.bytes_sent, player.first_byte_s, player.last_byte_s) == (10, 0.0, 0.3)


def test_a_late_trickle_catches_up() -> None:
    """Pieces whose moments have passed are handed over together; moments are absolute."""
    player, wire, _ = _player(Raw(b"abcdef"), Trickle(2, 0.1), End())
    assert player.play(0.0) == 0.1
    assert player.play(0.25) == pytest.approx(0.3)
    assert [data for data, _ in wire.flushed] == [b"ab", b"cd", b"ef"]


def test_a_torn_chunk_reaches_the_wire_as_such() -> None:
    """The wire is told what the chunk promises, and the connection ends."""
    player, wire, ticket = _player(Head(200, framing="chunked"), Torn(b"abc", 10), Close())
    assert player.play(0.0) == math.inf
    assert wire.flushed == [(b"H<10:abc", True)]
    assert (wire.ends, ticket.done) == (["close"], True)


@pytest.mark.parametrize(
    ("steps", "at"),
    [
        ((Head(200), FirstToken(), Send(b"a", 1)), 13.0),
        ((Head(200), FirstToken(), Tokens(2), Send(b"a", 3)), 15.0),
        ((Wait(4.0), Head(200), FirstToken(), Send(b"a", 1)), 14.0),
        ((Head(200), Send(b":", role="comment"), Wait(5.0), Send(b"a", 1)), 15.0),
        ((Head(200), Wait(math.inf), Send(b"a", 1)), math.inf),
        ((Head(503), Send(b"error")), math.inf),
        ((Head(200), FirstToken(), Close()), math.inf),
    ],
)
def test_when_a_client_would_have_more_is_known(steps: tuple[Step, ...], at: float) -> None:
    """The first bytes of an answer that are no comment, behind work and waits; never behind an endless stall."""
    assert content_at(steps, None, lambda ticket, tokens: 13.0 + tokens, 10.0) == at


def test_a_large_step_leaves_in_parts() -> None:
    """Between two parts it is others' turn; done, and counted, with the last of them."""
    body = bytes(range(256)) * (MOST_AT_ONCE // 100)
    player, wire, ticket = _player(Head(200), Send(body, tokens=1, role="terminal"), End())
    played = 0
    while player.ending is None:
        assert (ticket.done, player.tokens_sent) == (False, 0)
        assert player.play(1.0) == (1.0 if player.ending is None else math.inf)
        played += 1
    assert played == -(-len(body) // MOST_AT_ONCE)
    assert b"".join([data for data, _ in wire.flushed]) == b"H" + body + b"."
    assert [done for _, done in wire.flushed].index(True) == played - 1
    assert max([len(data) for data, _ in wire.flushed]) <= MOST_AT_ONCE + 2
    assert player.tokens_sent == 1


def test_an_answer_can_be_stopped_between_two_parts() -> None:
    """What is left of a large step is not sent then."""
    player, wire, _ = _player(Head(200), Send(b"x" * (3 * MOST_AT_ONCE), role="terminal"), End())
    player.play(1.0)
    player.stop(1.0)
    assert player.play(1.0) == math.inf
    assert player.ending == "end"
    assert sum([len(data) for data, _ in wire.flushed]) == MOST_AT_ONCE + 2


def test_a_chunk_is_one_chunk_however_large() -> None:
    """A step of a chunked body is not parted: clients see where chunks begin."""
    player, wire, _ = _player(
        Head(200, framing="chunked"), Send(b"x" * (3 * MOST_AT_ONCE), role="terminal"), End()
    )
    assert player.play(1.0) == 1.0
    assert player.play(1.0) == math.inf
    assert max([len(data) for data, _ in wire.flushed]) >= 3 * MOST_AT_ONCE


def test_many_small_steps_that_are_due_together_leave_in_parts() -> None:
    """A stream of many megabytes, all of it generated by now, is written as large steps are."""
    steps = [Send(b"x" * 1_000)] * (5 * MOST_AT_ONCE // 1_000)
    player, wire, _ = _player(Head(200, framing="chunked"), *steps, Send(b".", role="terminal"), End())
    parts = [0]
    while player.ending is None:
        player.play(1.0)
        parts.append(player.bytes_sent)
    assert max([after - before for before, after in itertools.pairwise(parts)]) < MOST_AT_ONCE + PIECE
    assert len(b"".join([data for data, _ in wire.flushed])) == 1_000 * len(steps) + 3
