"""One request and its answer: connects the engine's ticket, the player, the slot's timer and the served row."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from contextvars import copy_context
from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec

from windtunnel.mock_server.script import Close, Script
from windtunnel.mock_server.transports.failures import FAILED, FULL
from windtunnel.mock_server.transports.limits import LARGE, MAX_ANSWER
from windtunnel.mock_server.transports.player import TOLERANCE, Player, content_at

if TYPE_CHECKING:
    from windtunnel.mock_server.engine import Engine, Ticket
    from windtunnel.mock_server.server.server import Server
    from windtunnel.mock_server.transports.wire import Requester

_P = ParamSpec("_P")

SERVED_HEADER = "x-windtunnel-served"
"""The header of every answer that names its row in the journal."""

_AT_WORK = ("queued", "granted", "running")
"""States of a ticket whose work is not over."""


def _step(method: Callable[Concatenate[Exchange, _P], None]) -> Callable[Concatenate[Exchange, _P], None]:
    """Wrap a step so that an exception in it ends this exchange, and nothing else."""

    @wraps(method)
    def step(exchange: Exchange, /, *args: _P.args, **kwargs: _P.kwargs) -> None:
        try:
            method(exchange, *args, **kwargs)
        except Exception as error:  # noqa: BLE001 - any bug ends this exchange alone
            exchange.failed(error)

    return step


class Exchange:
    """A request from its last byte read to its row written.

    Its timer is for the way in and for the wire, the player's next step. When the slot ends is the engine's affair.
    """

    __slots__ = (
        "_admit_at",
        "_context",
        "_preparing",
        "_timer",
        "_waiting",
        "connects",
        "delivered_s",
        "ending",
        "engine",
        "http_version",
        "number",
        "player",
        "requester",
        "served_id",
        "server",
        "ticket",
        "wire_over",
    )

    def __init__(
        self,
        server: Server,
        engine: Engine,
        requester: Requester,
        ticket: Ticket,
        *,
        number: int,
        connects: bool,
    ) -> None:
        self.server = server
        self.engine = engine
        self.requester = requester
        self.ticket = ticket
        self.number = number
        self.connects = connects
        self.http_version = requester.http_version
        self.served_id = server.next_served_id()
        self.player: Player | None = None
        self.ending: str | None = None
        self.delivered_s: float | None = None
        """When the last byte reaches the client's end of the link; None without a link, or without an end."""
        self.wire_over = False
        self._context = copy_context()
        self._preparing = False
        self._waiting = False
        self._admit_at: float | None = None
        self._timer: asyncio.TimerHandle | None = None

    @property
    def script(self) -> Script | None:
        """The script being played, or the one that will be; None if not decided yet."""
        return self.ticket.early or self.ticket.script

    def on_behalf(self, step: Callable[..., None], *args: Any) -> None:
        """Have `step` done in the context in which this request arrived, and not in that of whom it waited for.

        The server has one timer for all requests. On the virtual clock the context says whose call it is.
        """
        self._context.copy().run(step, *args)

    # ---- the way in

    @_step
    def arrive(self, now: float) -> None:
        """Admit the request after half a round trip; the first one of a connection takes another one, to connect."""
        rtt = self.ticket.rtt_s
        size = self.engine.outgoing(self.ticket, now)
        if size > LARGE and (size > MAX_ANSWER or not self.server.incoming.take(self, size)):
            self._refuse_full(now)
        elif rtt > 0.0:
            self._admit_at = now + rtt * (1.5 if self.connects else 0.5)
            self._arm(self._admit_at)
        else:
            self._admit(now)

    def _refuse_full(self, now: float) -> None:
        """Refuse a request whose answer would take more memory than there is for all."""
        self._wire_ends("close", now)
        self.requester.refuse(503, FULL)
        self.requester.over()
        self.server.record(self, now)

    def _admit(self, now: float) -> None:
        self._admit_at = None
        steps = self.engine.preparation(self.ticket, now)
        if steps is None:
            self._decide(now)
        else:
            self._preparing = True
            self.server.long_work.add(steps, self._prepared)

    @_step
    def _prepared(self, error: Exception | None) -> None:
        """Go on once the answer is prepared. A request whose client left meanwhile still arrives, as any would."""
        self._preparing = False
        if error is not None:
            raise error
        if self.ticket in self.server.exchanges:  # else the server began anew, or ended
            self._decide(self.server.clock.now())

    def _decide(self, now: float) -> None:
        ticket = self.ticket
        self.engine.admit(ticket, now)
        state = ticket.state
        if state == "granted":
            self._start(now)
        elif state == "refused":
            self._play(ticket.script, now)
        elif state == "queued":
            if ticket.early is not None:
                self._play(ticket.early, now)
            elif (script := self.engine.waiting(ticket, now)) is not None:
                self._waiting = True
                self._play(script, now)
            self.server.scheduler.follow(self.engine, now)

    @_step
    def start(self) -> None:
        """Start the request in its slot, which it has waited for in the queue."""
        if self.ticket.state == "granted":  # its client may have left meanwhile
            self._start(self.server.clock.now())

    def _start(self, now: float) -> None:
        script = self.engine.start(self.ticket, now)
        if self.player is None or self._waiting:
            self._waiting = False
            self._play(script, now)
        else:  # the client of background work has been answered, and `script` is that answer
            self._continue(now)
        self.server.scheduler.follow(self.engine, now)

    def _play(self, script: Script | None, now: float) -> None:
        if script is not None and self.wire_over and self.ticket.abandoned:
            at = content_at(script.steps, self.ticket, self.engine.due, now)
            self._note_next_content(at + self.ticket.rtt_s / 2)
        if script is not None and not self.wire_over:
            server, ticket = self.server, self.ticket
            self.player = Player(
                script.steps,
                self.requester.wire,
                ticket,
                self.engine.due,
                now,
                ticket.rtt_s / 2,
                server.punctuality,
                ticket.admitted_s,
                # So that a client can name the request that the journal records.
                ((SERVED_HEADER, self.served_id),),
            )
        self._continue(now)

    # ---- in time

    @_step
    def wake(self) -> None:
        """Do what is due now. Called by the timer, and when a slow client has read on."""
        now = self.server.clock.now()
        self._disarm()
        if self._preparing:
            return
        if self._admit_at is not None:
            if self._admit_at > now + TOLERANCE:  # woken by the connection, not by the timer
                self._arm(self._admit_at)
            else:
                self._admit(now)
            return
        self._continue(now)

    @_step
    def update_due_times(self) -> None:
        """Compute anew when the next step is due, after a change of speed or plan."""
        if self._admit_at is None and (self.player is not None or self.ticket.state == "running"):
            self.wake()

    @_step
    def work_over(self, error: Exception | None = None) -> None:
        """Go on after the slot's time is over. Bytes that are due with its end leave before another request starts.

        `error` is a bug that kept the work from ending.
        """
        self._continue(self.server.clock.now())
        if error is not None:
            raise error

    def _continue(self, now: float) -> None:
        next_step = math.inf
        player, ticket, server = self.player, self.ticket, self.server
        if player is not None and not self.wire_over:
            next_step = player.play(now)
            if player.ending is not None:
                # First of all, since how the answer ended is told by the status that the limit has given it.
                if player.limit is not None:
                    self.engine.given_up(ticket, player.limit, now)
                    self._waiting = False
                self._wire_ends(player.ending, now)
                arrives = self.requester.connection.arrives_at() if player.ending == "end" else None
                if arrives is not None:
                    self.delivered_s = now + max(0.0, arrives - self.server.loop.time())
                self.requester.over()
                if player.limit is not None:
                    server.scheduler.follow(self.engine, now)
        # The timer may fire a moment early. The last byte must not reach a client before the slot is free: it may
        # send its next request at once.
        if ticket.slot_ends_s <= now + TOLERANCE:
            now = server.clock.now_at_least(ticket.slot_ends_s)
            server.scheduler.follow(self.engine, now)
        if not self.wire_over:
            self._arm(next_step)
            return
        self._disarm()
        # Background work may still be queued or running; its row is written when that has ended, too.
        if ticket.state not in _AT_WORK and ticket in server.exchanges:
            server.record(self, now)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self, at: float) -> None:
        self._disarm()
        if at < math.inf:
            self._timer = self.server.clock.call_at(at, self.wake)

    # ---- the ways out

    @_step
    def client_left(self) -> None:
        """Note that the connection was lost before the answer was over."""
        server = self.server
        now = server.clock.now()
        ticket = self.ticket
        if self.player is not None and not ticket.done:
            self._note_next_content(self.player.next_content_at())
        self._wire_ends("left", now)
        self._disarm()
        self.engine.left(ticket, now)
        if ticket.state == "gone":
            self._admit_at = None
        server.scheduler.follow(self.engine, now)
        if self._preparing and ticket.state == "identified":
            return
        # Half a round trip away from a client that has left, the request still arrives at the provider.
        if self._admit_at is not None and ticket.state == "identified":
            self._arm(self._admit_at)
        else:
            self._continue(now)

    def _note_next_content(self, at: float) -> None:
        """Note when the client, which has left, would have had more of its answer."""
        self.ticket.next_content_s = at if at < math.inf else None

    @_step
    def cancelled(self) -> None:
        """Stop after another request has ended this one's work: a stream ends where it is; an answer that had not
        begun never comes."""
        now = self.server.clock.now()
        if not self.wire_over and self.ticket.early is None:
            if self.player is None or self._waiting:
                self._waiting = False
                self._play(Script((Close(),)), now)
                return
            self.player.stop(now)
        self._continue(now)

    def failed(self, error: Exception) -> None:
        """Give up after a bug: the client gets a 500, or an RST if it has some of its answer, and the slot is freed."""
        server, ticket = self.server, self.ticket
        server.counters.failures.note(error)
        self._disarm()
        self._admit_at = None
        now = server.clock.now()
        try:
            self.engine.give_up(ticket, now)
            if not self.wire_over:
                self._send_failure(now)
            server.record(self, now)
            server.scheduler.follow(self.engine, now)
        except Exception as another:  # noqa: BLE001 - what cannot even be given up is forgotten
            server.counters.failures.note(another)
            self.drop()
            server.forget(self)

    def _wire_ends(self, ending: str, now: float) -> None:
        """Note that nothing more is sent to the client, and how that came."""
        self.wire_over = True
        self.ending = ending
        self.engine.answered(self.ticket, now, complete=ending == "end")

    def _send_failure(self, now: float) -> None:
        self._wire_ends("failed", now)
        if self.player is None or self.player.status is None:
            self.requester.refuse(500, FAILED)
        else:
            self.requester.wire.abort()
        self.requester.over()

    def drop(self) -> None:
        """Reset the connection and write no row; for a server that begins anew."""
        self._disarm()
        if not self.wire_over:
            self.wire_over = True
            self.requester.wire.abort()
            self.requester.over()

    def cut_and_drop(self, now: float) -> None:
        """Record the request as it stands and reset its connection; for a plan that was deleted."""
        self.cut(now)
        self.drop()

    def cut(self, now: float) -> None:
        """Record the request as it stands; for a server that ends."""
        self._disarm()
        self.engine.settle(self.ticket, now)
        if self.ending is None:
            self.ending = "cut"
        self.server.record(self, now)
