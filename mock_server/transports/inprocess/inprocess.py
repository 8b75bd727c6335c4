"""The mock without sockets, for tests whose client is mocked at its transport: respx, or a MockTransport.

    tunnel = InProcess(plan)
    respx.post("https://api.openai.com/v1/chat/completions").mock(side_effect=tunnel.handle)
    httpx2.Client(transport=httpx2.MockTransport(tunnel.handle))

Time is virtual: a stall of a minute takes none. Timeouts, which mocked transports do not enforce, are read from
`request.extensions["timeout"]`, and the library's own exceptions are raised. Requests take turns: a request
begins at the virtual time at which the one before it was last read.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NoReturn

from windtunnel.mock_server.api.parse import parse
from windtunnel.mock_server.engine import Engine, Happened, Ticket
from windtunnel.mock_server.errors import PlanError, WindtunnelServerError
from windtunnel.mock_server.faults.listener import ClosedParams
from windtunnel.mock_server.plan.plan import Plan
from windtunnel.mock_server.rules import FaultUse
from windtunnel.mock_server.script import Close, Head, Script
from windtunnel.mock_server.transports.inprocess.library import MAX_HEAD, SYN_WAITS_S, Library, RecordingWire
from windtunnel.mock_server.transports.player import Player


class HangsForeverError(WindtunnelServerError):
    """The answer will never go on, and the request has no read timeout that would end the wait."""


class InProcess:
    """An engine in virtual time. `now` is seconds from t0; `tickets` are the engine's tickets of all requests."""

    def __init__(self, plan: Plan, *, region: str | None = None) -> None:
        """Raises `PlanError` for a region with a link, a middle, rules for connections, or one that falls silent."""
        self.engine = Engine(plan)
        self.region = region if region is not None else plan.provider.default_region
        if self.engine.ever(self.region, lambda settings: settings.link):
            expected = "an rtt in its place: a mock without sockets has no connections"
            raise PlanError(f"provider.regions.{self.region}.link", "a link", expected)
        if self.engine.falls_silent(self.region):
            expected = "open or refused: a mock without sockets has no connections that could be silent"
            raise PlanError(f"provider.regions.{self.region}.reachable", "silent", expected)
        if self.engine.ever(self.region, lambda settings: settings.connections):
            where = f"provider.regions.{self.region}.connections"
            raise PlanError(where, "rules for connections", "none: a mock without sockets has no connections")
        if self.engine.ever(self.region, lambda settings: settings.middle):
            where = f"provider.regions.{self.region}.middle"
            raise PlanError(where, "a proxy", "none: a mock without sockets has no connections")
        if self.region in plan.provider.secured:
            where = f"provider.regions.{self.region}.tls"
            raise PlanError(where, "TLS", "no TLS: a mock without sockets has no connections")
        self.now = 0.0
        self.tickets: list[Ticket] = []
        self._at_work: dict[Ticket, InProcessExchange] = {}
        self.exchanges: list[InProcessExchange] = []
        """All requests with their answers, in order."""
        self._hosts: set[str] = set()
        self._closed_by: FaultUse | None = None
        self.resets = 0
        """How often all connections have been reset."""

    def handle(self, request: Any) -> Any:
        """Answer a request of httpx or httpx2 with a response of the same library, or raise its exceptions.

        The body is streamed: what goes wrong in the middle of it is raised while it is read.
        """
        library = Library(request)
        exchange = self._begin(request, library)
        head = exchange.head()
        return library.module.Response(
            head.status, headers=list(head.headers), stream=library.stream(exchange), request=request
        )

    def set_plan(self, plan: Plan) -> None:
        """Put another plan in force; requests under way go on."""
        self.engine.set_plan(plan, self.now)
        self._listen()
        self.advance(self.now)

    def advance(self, until: float) -> None:
        """Let virtual time pass: slots come free, queued requests start, phases change."""
        while (at := self.engine.next_change(self.now)) <= until:
            self.now = max(self.now, at)
            self._follow(self.engine.advance(self.now))
        self.now = max(self.now, until)

    def left(self, ticket: Ticket) -> None:
        """Note that the client of a request has left."""
        self.engine.left(ticket, self.now)
        if ticket.state in ("ended", "gone"):
            self._at_work.pop(ticket, None)
        self.advance(self.now)

    def _follow(self, happened: Happened) -> None:
        """End the requests that another one has cancelled, and start those that may. Raises what a bug has raised."""
        self._listen()
        for _, error in happened.failed:
            raise error
        for ticket in happened.ended:
            self._at_work.pop(ticket, None)
        for ticket in happened.cancelled:
            if ticket in self._at_work:
                self._at_work.pop(ticket).stop()
        for ticket in happened.started:
            if ticket.state == "granted":
                self._at_work[ticket].start()

    def _begin(self, request: Any, library: Library) -> InProcessExchange:
        self._listen()
        host = str(request.url.host)
        if host not in self._hosts:
            self._knock(library)
        body = request.read()
        path = request.url.raw_path.decode("ascii")
        parsed = parse(request.method, path, request.headers, body, region=self.region)
        ticket = self.engine.identify(parsed, self.now)
        self.tickets.append(ticket)
        exchange = InProcessExchange(self, ticket, library)
        self.exchanges.append(exchange)
        if host not in self._hosts:
            exchange.connect()
            self._hosts.add(host)
        self.advance(self.now + ticket.rtt_s / 2)
        self.engine.admit(ticket, self.now)
        if ticket.state != "refused":
            self._at_work[ticket] = exchange
        if ticket.early is not None:
            exchange.play(ticket.early)
        if ticket.state == "queued":
            exchange.wait()
        elif ticket.state == "granted":
            exchange.start()
        elif ticket.script is not None:
            exchange.play(ticket.script)
        self.advance(self.now)
        return exchange

    def _listen(self) -> None:
        """Open or close the region's port as the plan says now; a reset ends the connections that exist."""
        use = self.engine.listening(self.region, self.now)
        if use != self._closed_by:
            self._closed_by = use
            if use is not None and isinstance(use.params, ClosedParams) and use.params.established == "reset":
                self._hosts.clear()
                self.resets += 1

    def _knock(self, library: Library) -> None:
        """Send SYNs until the port is open. Raises the library's exceptions, as a client does that cannot connect."""
        latest = self.now + library.timeout("connect")
        for wait in SYN_WAITS_S:
            use = self.engine.listening(self.region, self.now)
            if use is None:
                return
            if use.kind.name == "refuse":
                library.fail("ConnectError", "[Errno 111] Connection refused")
            if self.now + wait > latest:
                self.advance(latest)
                library.fail("ConnectTimeout", "timed out")
            self.advance(self.now + wait)
        library.fail("ConnectTimeout", "[Errno 110] Connection timed out")


class InProcessExchange:
    """One request and its answer."""

    over_s: float | None = None
    """When the client had all of it, or left."""

    def __init__(self, mock: InProcess, ticket: Ticket, library: Library) -> None:
        self._mock = mock
        self._ticket = ticket
        self._library = library
        self._wire = RecordingWire()
        self._player: Player | None = None
        self._next = math.inf
        self._heard_at = mock.now
        self._resets = mock.resets
        self._over = False
        self._answered = False

    @property
    def ticket(self) -> Ticket:
        """What the engine knows of the request."""
        return self._ticket

    @property
    def player(self) -> Player | None:
        """What has played the answer; None for one that never began."""
        return self._player

    def connect(self) -> None:
        """Open a connection, which takes a round trip."""
        mock = self._mock
        limit = self._library.timeout("connect")
        if self._ticket.rtt_s > limit:
            mock.advance(mock.now + limit)
            self._over, self.over_s = True, mock.now
            self._library.fail("ConnectTimeout", "timed out")
        mock.advance(mock.now + self._ticket.rtt_s)
        self._heard_at = mock.now

    def wait(self) -> None:
        """Wait in the queue, until the request starts or a time limit is reached."""
        script = self._mock.engine.waiting(self._ticket, self._mock.now)
        if script is not None:
            self.play(script)

    def start(self) -> None:
        """Start the request, which has been granted a slot."""
        script = self._mock.engine.start(self._ticket, self._mock.now)
        if not self._over and self._ticket.early is None:
            self.play(script)

    def stop(self) -> None:
        """Stop the answer of cancelled work: one under way ends where it is, one that has not begun never comes."""
        if self._ticket.early is not None:
            return
        if self._player is None:
            self.play(Script((Close(),)))
        else:
            self._player.stop(self._mock.now)
            self._next = self._mock.now

    def play(self, script: Script) -> None:
        """Play the answer from now on."""
        mock = self._mock
        shift = self._ticket.rtt_s / 2
        self._player = Player(
            script.steps,
            self._wire,
            self._ticket,
            mock.engine.due,
            mock.now,
            shift,
            None,
            self._ticket.admitted_s,
        )
        self._next = mock.now

    def head(self) -> Head:
        """Wait for status and headers. Raises the library's exceptions."""
        wire = self._wire
        while wire.answer is None:
            if wire.garbage:
                self._fail("RemoteProtocolError", "illegal status line")
            self._until_more("Server disconnected without sending a response.")
        if wire.head_size > MAX_HEAD:
            self._fail("RemoteProtocolError", "Receive buffer too long")
        return wire.answer

    def chunks(self) -> Iterator[bytes]:
        """The body as it arrives. Raises the library's exceptions."""
        wire = self._wire
        received = 0
        while True:
            out, wire.out = wire.out, []
            for data in out:
                received += len(data)
                yield data
            if wire.garbage:
                self._fail("RemoteProtocolError", "illegal chunk header")
            if wire.complete:
                self._over, self.over_s = True, self._mock.now
                return
            detail = "incomplete chunked read"
            if wire.length is not None:
                detail = f"received {received} bytes, expected {wire.length}"
            self._until_more(f"peer closed connection without sending complete message body ({detail})")

    def leave(self) -> None:
        """Close the response; before its end the client has left."""
        if self._over:
            return
        self._over, self.over_s = True, self._mock.now
        self._note_end(complete=False)
        self._mock.left(self._ticket)

    def _note_end(self, *, complete: bool) -> None:
        """Tell the engine, once, that nothing more is sent: a like request that follows may be a retry."""
        if not self._answered:
            self._answered = True
            self._mock.engine.answered(self._ticket, self._mock.now, complete=complete)

    def _until_more(self, when_closed: str) -> None:
        """Let time pass until bytes or an end arrive; raise what the library raises when they do not."""
        mock, wire = self._mock, self._wire
        answer = wire.answer
        deadline = self._heard_at + self._library.timeout("read")
        while not wire.out and not wire.complete and not wire.garbage and wire.answer is answer:
            player = self._player
            if mock.resets != self._resets or (player is not None and player.ending == "abort"):
                self._fail("ReadError", "[Errno 104] Connection reset by peer")
            if player is not None and player.ending is not None:
                self._fail("RemoteProtocolError", when_closed)
            at = min(self._next, mock.engine.next_change(mock.now))
            if at > deadline:
                mock.advance(deadline)
                self._fail("ReadTimeout", "timed out")
            if at == math.inf:
                self.leave()
                raise HangsForeverError("the answer never goes on, and the request has no read timeout")
            mock.advance(at)
            if self._player is not None and self._next <= mock.now:
                self._play_on(self._player)
        self._heard_at = mock.now

    def _play_on(self, player: Player) -> None:
        """Play what is due now."""
        mock = self._mock
        self._next = player.play(mock.now)
        if player.ending is not None:
            if player.limit is not None:
                mock.engine.given_up(self._ticket, player.limit, mock.now)
            self._note_end(complete=player.ending == "end")
            mock.advance(mock.now)

    def _fail(self, name: str, message: str) -> NoReturn:
        self.leave()
        self._library.fail(name, message)
