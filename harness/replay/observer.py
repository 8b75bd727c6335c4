"""Who notes what happens to one call: the network's trace, the engine's decisions, the steps of the policies.

Nothing here changes what happens. It reads what it may (no bucket is brought up to date, no draw is taken), and keeps
text alone, so that nothing lives longer than it would.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from windtunnel.harness.clients.base import Observer
from windtunnel.harness.contract.records import AttemptRow, CallRow
from windtunnel.harness.policies.call import Begin, Call, Cancel, Command, Wake
from windtunnel.harness.policies.failure import Failure
from windtunnel.harness.policies.watchdog import Watch
from windtunnel.harness.replay.timeline import ProviderView, TimelineEvent, Who
from windtunnel.harness.replay.wire_text import answer_text, is_more, request_text
from windtunnel.harness.virtual.draws import current_call
from windtunnel.harness.virtual.network.network import Network
from windtunnel.harness.virtual.network.sockets import Address
from windtunnel.mock_server.engine import Engine, Happened
from windtunnel.mock_server.provider.ticket import Ticket
from windtunnel.mock_server.script import Script, script_text

NOWHERE = ProviderView(None, "open", 0, None, 0, None)


class WatchedEngine(Engine):
    """An engine that tells of one call's requests. `tell` is called after each decision."""

    tell: Callable[[Ticket, str], None]

    def admit(self, ticket: Ticket, now: float) -> None:
        super().admit(ticket, now)
        self.tell(ticket, "admit")

    def start(self, ticket: Ticket, now: float) -> Script:
        script = super().start(ticket, now)
        self.tell(ticket, "start")
        return script

    def left(self, ticket: Ticket, now: float) -> None:
        super().left(ticket, now)
        self.tell(ticket, "left")

    def advance(self, now: float) -> Happened:
        happened = super().advance(now)
        for ticket in happened.ended:
            self.tell(ticket, "finished")
        return happened

    def state(self, region: str, now: float) -> ProviderView:
        """The region as it is; unlike `snapshot` it brings nothing up to date."""
        here = self._regions[region]
        closed = self._outages.listening(region, now, self._phase)
        levels = copy.deepcopy(here.limiter).levels(now, 1)
        level = levels[0] if levels else {}
        limits = here.settings.limits
        phases = self._plan.phases
        return ProviderView(
            phase=phases[self._phase].name if phases else None,
            port="open" if closed is None else f"closed ({closed.kind.name})",
            busy=here.slots.busy,
            slots=here.slots.total,
            queued=here.slots.waiting,
            queue=here.slots.queue_size,
            requests=_level(level.get("remaining_requests"), limits.rpm),
            tokens=_level(level.get("remaining_tokens"), limits.tpm),
        )


def _level(left: Any, limit: int | None) -> tuple[int, int] | None:
    return None if left is None or limit is None else (int(left), limit)


@dataclass(slots=True)
class _Line:
    """A connection, by its client's port. `mine`: the call was the last to send on it."""

    opened_s: float
    last_s: float
    mine: bool = False
    ended: str = ""
    used: bool = False


class Witness(Observer):
    """Notes what happens to the call `call_id`. `now` gives seconds from t0, `state` the provider at that moment.

    `over` is called when the call has ended.
    """

    def __init__(self, call_id: str, now: Callable[[], float]) -> None:
        self.call_id = call_id
        self.now = now
        self.events: list[TimelineEvent] = []
        self.row: CallRow | None = None
        self.state: Callable[[], ProviderView] = lambda: NOWHERE
        self.over: Callable[[], None] = lambda: None
        self._lines: dict[int, _Line] = {}
        self._conditions = ""

    @property
    def under_way(self) -> bool:
        """The call has begun, and not ended."""
        return bool(self.events) and self.row is None

    def mine(self) -> bool:
        """Is this code run on behalf of the call?"""
        return current_call.get() == self.call_id

    def note(self, who: Who, what: str, *, repeats: bool = False, **detail: Any) -> None:
        """Something happened now."""
        self.events.append(TimelineEvent(self.now(), who, what, self.state(), detail, repeats))

    # ---- the application and its policies

    def call_began(self, row: CallRow) -> None:
        if row.call_id != self.call_id:
            return
        late = self.now() - row.intended_s
        waited = f", {late:.3f} s after it was due" if late > 1e-3 else ""
        why = f" ({row.lateness_cause})" if row.lateness_cause else ""
        form = "streamed" if row.stream else "not streamed"
        self.note("app", f"call begins: {row.api}, {form}, instance {row.instance}{waited}{why}")

    def call_ended(self, row: CallRow, error: BaseException | None) -> None:
        if row.call_id != self.call_id:
            return
        said = "" if row.error_type is None else f": {row.error_type}"
        said += f" ({row.error_cause})" if row.error_cause and row.error_cause != row.error_type else ""
        said += f": {row.error_message}" if row.error_message else ""
        said += f" in {row.error_place}" if row.error_place else ""
        tries = "1 attempt" if row.attempts_seen == 1 else f"{row.attempts_seen} attempts"
        tokens = f", {row.tokens_received} tokens" if row.tokens_received else ""
        self.note("app", f"call ends: {row.outcome}{said} after {tries}{tokens}", outcome=row.outcome)
        self.row = row
        self.over()

    def attempt_began(self, row: AttemptRow, watch: Watch | None) -> None:
        if row.call_id != self.call_id:
            return
        again = f", the SDK's retry {row.sdk_retry_count}" if row.sdk_retry_count else ""
        self.note("sdk", f"attempt {row.attempt} begins{again}", attempt=row.attempt)
        if watch is not None:
            due, layer = watch.due()
            self.note("policy", f"watchdog {layer} would bark at {due:.3f} s", layer=layer)

    def attempt_ended(self, row: AttemptRow) -> None:
        if row.call_id != self.call_id:
            return
        error = "" if row.error_type is None else f": {row.error_type}"
        status = "no answer" if row.status is None else f"status {row.status}"
        whole = "" if row.status is None or row.body_complete else ", body not read to its end"
        what = f"attempt {row.attempt} ends: {status}{error}, {row.body_bytes} bytes of body{whole}"
        self.note("sdk", what, attempt=row.attempt)

    def content(self, call_id: str, since_s: float | None) -> None:
        if call_id == self.call_id:
            gap = "first content" if since_s is None else f"content, {since_s:.3f} s after the last"
            self.note("app", gap, repeats=since_s is not None)

    def decided(self, call: Call, command: Command) -> None:
        if call.state.call_id != self.call_id:
            return
        levels = call.says()
        levels = f" ({levels})" if levels else ""
        if isinstance(command, Begin):
            where = f" on {command.target}" if command.target else ""
            beside = ", beside the one under way" if call.state.tries[command.number].hedge else ""
            what = f"try {command.number}{where}{beside}{levels}"
            self.note("policy", what, number=command.number)
        elif isinstance(command, Wake):
            why = "for its turn at the limiter" if command.limited else "before it tries again"
            if call.under_way:
                why = "before it would begin another try beside this one"
            self.note("policy", f"waits {command.seconds:.3f} s {why}{levels}", seconds=command.seconds)
        elif isinstance(command, Cancel):
            self.note("policy", f"cancels try {command.number}", number=command.number)
        elif command.ending.gave_up:
            why = command.ending.gave_up
            self.note("policy", f"gives up: {why}{levels}", why=why)
        elif command.ending.failure is not None:
            self.note("policy", "no further try")

    def try_ended(self, call: Call, number: int, failure: Failure | None) -> None:
        if call.state.call_id == self.call_id and failure is not None:
            self.note("policy", f"try {number} failed: {failure_text(failure)}")

    # ---- the provider

    def provider_decided(self, ticket: Ticket, what: str) -> None:
        """What a `WatchedEngine` tells."""
        if ticket.call_id == self.call_id and (self.row is None or what in ("left", "finished")):
            self.note(
                "provider",
                f"attempt {ticket.attempt} {_decision(ticket, what)}",
                faults=list(ticket.faults),
                attempt=ticket.attempt,
                served=ticket.state,
            )

    def conditions_changed(self) -> None:
        """A phase, a burst, another plan."""
        state = self.state()
        now = f"phase {state.phase}, port {state.port}"
        if self.under_way and now != self._conditions:
            self.note("provider", f"conditions change: {now}")
        self._conditions = now

    # ---- the wire

    def watch(self, network: Network) -> None:
        """Hear of everything on a network."""

        def sent(at: float, here: Address, there: Address, kind: str, data: bytes) -> None:
            later = at - network.loop.time()
            if there in network.listeners:
                self._out(here[1], kind, data, later)
            else:
                self._in(there[1], kind, data, later)

        network.trace = sent

    def _out(self, port: int, kind: str, data: bytes, later: float) -> None:
        now = self.now()
        mine = self.mine()
        line = self._lines.get(port)
        if line is None:
            line = self._lines[port] = _Line(now, now)
        if kind in ("syn", "data"):
            if mine:
                self.note("wire →", self._out_text(line, port, kind, data, later), port=port, size=len(data))
            line.mine = mine
            line.used = line.used or kind == "data"
        elif line.mine:
            self.note("wire →", f"{kind} on {port}{_arrives(later)}", port=port)
        line.last_s = now

    def _out_text(self, line: _Line, port: int, kind: str, data: bytes, later: float) -> str:
        if kind == "syn":
            again = ", again" if line.mine else ""
            return f"syn from {port}{again}{_arrives(later)}"
        idle = ""
        if not line.mine or line.used:
            age, still = self.now() - line.opened_s, self.now() - line.last_s
            idle = (
                f" (opened {age:.3f} s ago, last used {still:.3f} s ago{line.ended})" if still > 1e-3 else ""
            )
        if not data:  # its bytes are noted nowhere
            return f"in TLS on {port}{idle}{_arrives(later)}"
        return f"{len(data)} bytes on {port}{idle}: {request_text(data)}{_arrives(later)}"

    def _in(self, port: int, kind: str, data: bytes, later: float) -> None:
        line = self._lines.get(port)
        if line is None:
            return
        line.last_s = self.now()
        if kind != "data":
            line.ended = f", and closed by the server's {kind}"
        if not line.mine:
            return
        if kind == "data":
            text = answer_text(data)
            what = (
                f"{len(data)} bytes on {port}: {text}{_arrives(later)}"
                if data
                else (f"in TLS on {port}{_arrives(later)}")
            )
            self.note("wire ←", what, repeats=is_more(text), port=port, size=len(data))
        else:
            self.note("wire ←", f"{kind} on {port}{_arrives(later)}", port=port)


def _arrives(later: float) -> str:
    return f", arrives {later * 1e3:.1f} ms later" if later >= 1e-3 else ""


def _decision(ticket: Ticket, what: str) -> str:
    faults = f", faults {', '.join(ticket.faults)}" if ticket.faults else ""
    script = "" if ticket.script is None else f", script: {script_text(ticket.script)}"
    if what == "start":
        return f"takes a slot{faults}{script}"
    if what == "left":
        work = (
            ""
            if ticket.started_s is None
            else f"; {ticket.tokens_billed} of {ticket.tokens_planned} tokens billed"
        )
        goes_on = ", the work goes on" if ticket.state == "running" else ""
        return f"is left by its client{goes_on}{work}"
    if what == "finished":
        return f"frees its slot; {ticket.tokens_billed} tokens billed"
    if ticket.state == "queued":
        return f"is queued behind {ticket.queue_depth}"
    if ticket.state == "refused":
        promised = ticket.retry_after_promised_s
        wait = "" if promised is None else f", told to come back after {promised:g} s"
        return f"is refused{faults}{wait}{script}"
    return f"is admitted, {ticket.in_flight} slots busy before it"


def failure_text(failure: Failure) -> str:
    """A failure as a policy sees it."""
    status = "" if failure.status is None else f" {failure.status}"
    promise = failure.headers.get("retry-after")
    wait = "" if promise is None else f", retry-after {promise}"
    return f"{failure.kind}{status} ({type(failure.error).__name__}{wait})"
