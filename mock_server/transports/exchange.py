"""One request and its answer: where the engine's ticket, the player, the slot's timer and the journal row meet."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING

from mock_server.script import Script
from mock_server.transports.player import TOLERANCE, Player

if TYPE_CHECKING:
    from mock_server.engine import Ticket
    from mock_server.transports.http1 import Connection
    from mock_server.transports.shell import Shell


class Exchange:
    """A request from its last byte read to its row written.

    One timer serves both the wire (the player's next step) and the slot (its end); whoever is due first sets it.
    """

    __slots__ = (
        "_admit_at",
        "_asked_at_speed",
        "_free_at",
        "_holds_slot",
        "_timer",
        "connection",
        "ending",
        "http_version",
        "number",
        "player",
        "served_id",
        "shell",
        "ticket",
        "wire_over",
    )

    def __init__(self, shell: Shell, connection: Connection, ticket: Ticket, number: int) -> None:
        self.shell = shell
        self.connection = connection
        self.ticket = ticket
        self.number = number
        self.http_version = connection.http_version
        self.served_id = shell.next_served_id()
        self.player: Player | None = None
        self.ending: str | None = None
        self.wire_over = False
        self._holds_slot = False
        self._admit_at: float | None = None
        self._asked_at_speed = -1
        self._free_at = math.inf
        self._timer: asyncio.TimerHandle | None = None

    # ---- the way in

    def arrive(self, now: float) -> None:
        """The request was read: half a round trip to the provider, and a whole one more to connect before it."""
        rtt = self.ticket.rtt_s
        if rtt > 0.0:
            self._admit_at = now + rtt * (1.5 if self.number == 0 else 0.5)
            self._arm(self._admit_at, now)
        else:
            self._admit(now)

    def _admit(self, now: float) -> None:
        self._admit_at = None
        ticket = self.ticket
        shell = self.shell
        shell.engine.admit(ticket, now)
        state = ticket.state
        if state == "granted":
            self._start(now)
        elif state == "refused":
            self._play(ticket.script, now)
        elif state == "queued":
            shell.queued[id(ticket)] = self

    def start(self) -> None:
        """The engine let the request out of the queue: it takes its slot now."""
        self._start(self.shell.now())

    def _start(self, now: float) -> None:
        shell = self.shell
        engine = shell.engine
        ticket = self.ticket
        script = engine.start(ticket, now)
        self._holds_slot = True
        self._free_at = engine.slot_free_at(ticket)
        if shell.speed_follows_slots:
            shell.slot_changed_hands()
        self._asked_at_speed = shell.speed_version
        self._play(script, now)

    def _play(self, script: Script | None, now: float) -> None:
        if script is not None and not self.wire_over:
            self.connection.answer_header = f"x-windtunnel-served: {self.served_id}\r\n"
            shell, ticket = self.shell, self.ticket
            self.player = Player(
                script.steps,
                self.connection,
                ticket,
                shell.engine.due,
                now,
                ticket.rtt_s / 2,
                shell.punctuality,
            )
        self._go_on(now)

    # ---- in time

    def wake(self) -> None:
        """Do what is due now; called by the timer, and when a slow client has read on."""
        now = self.shell.now()
        self._disarm()
        if self._admit_at is not None:
            if self._admit_at > now + TOLERANCE:
                self._arm(self._admit_at, now)
            else:
                self._admit(now)
            return
        self._go_on(now)

    def poke(self) -> None:
        """The conditions changed: ask again when things are due."""
        if self._admit_at is not None or (self.player is None and not self._holds_slot):
            return
        if self._holds_slot:
            self._free_at = self.shell.engine.slot_free_at(self.ticket)
        self.wake()

    def _go_on(self, now: float) -> None:
        next_step = math.inf
        player = self.player
        if player is not None and not self.wire_over:
            next_step = player.play(now)
            if player.ending is not None:
                self.wire_over = True
                self.ending = player.ending
                self.connection.over()
        if self._holds_slot and self._free_at <= now + TOLERANCE:
            now = self._maybe_finish(now)
        if self._holds_slot:
            self._arm(min(next_step, self._free_at), now)
        elif self.wire_over:
            self._disarm()
            self.shell.record(self, now)
        else:
            self._arm(next_step, now)

    def _maybe_finish(self, now: float) -> float:
        """Free the slot, unless the speed has changed and it is not over yet; gives the time thereafter."""
        shell = self.shell
        if self._asked_at_speed != shell.speed_version:
            self._asked_at_speed = shell.speed_version
            self._free_at = shell.engine.slot_free_at(self.ticket)
            if self._free_at > now + TOLERANCE:
                return now
        now = shell.at_least(self._free_at)
        self._holds_slot = False
        started = shell.engine.finished(self.ticket, now)
        if shell.speed_follows_slots:
            shell.slot_changed_hands()
        if started:
            shell.start(started)
        return now

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self, at: float, now: float) -> None:
        self._disarm()
        if at < math.inf:
            self._timer = self.shell.loop.call_later(max(0.0, at - now), self.wake)

    # ---- the ways out

    def client_left(self) -> None:
        """The connection is gone before the answer was over."""
        shell = self.shell
        now = shell.now()
        ticket = self.ticket
        self.wire_over = True
        self.ending = "left"
        self._disarm()
        if not ticket.done or self._free_at == math.inf:
            self._leave(now)
        if self._admit_at is not None and ticket.state == "identified":
            self._arm(self._admit_at, now)
        elif ticket.state != "queued":
            self._go_on(now)

    def _leave(self, now: float) -> None:
        shell = self.shell
        ticket = self.ticket
        started = shell.engine.left(ticket, now)
        if ticket.state == "gone":
            self._admit_at = None
            shell.queued.pop(id(ticket), None)
        elif self._holds_slot:
            self._free_at = shell.engine.slot_free_at(ticket)
            self._holds_slot = ticket.state == "running"
            if shell.speed_follows_slots:
                shell.slot_changed_hands()
        if started:
            shell.start(started)

    def drop(self) -> None:
        """Forget the request: the server begins anew."""
        self._disarm()
        if not self.wire_over:
            self.wire_over = True
            self.connection.abort()

    def cut(self, now: float) -> None:
        """The server ends: record the request as it stands."""
        self._disarm()
        self.shell.engine.settle(self.ticket, now)
        if self.ending is None:
            self.ending = "cut"
        self.shell.record(self, now)
