"""HTTP/2 over asyncio: h2 keeps the state of the protocol, each stream has a Requester and a Wire of its own.

    bytes ──► h2 ──► events ──► Http2Stream: head, body, whole ──► ReceivedRequest ──► Server.request_received
    bytes ◄── h2 ◄── frames ◄── Http2Wire (one a stream), on which an exchange's player plays ◄──┘

What a client may send is bounded as for HTTP/1.1 (`windtunnel.mock_server.transports.limits`); what it may make the
server do besides, by `floods`. A client that breaks the protocol gets a GOAWAY with RFC 9113's code, and a FIN.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import cast

from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    PingReceived,
    PriorityUpdated,
    RemoteSettingsChanged,
    RequestReceived,
    SettingsAcknowledged,
    StreamEnded,
    StreamReset,
    WindowUpdated,
)
from h2.exceptions import ProtocolError

from windtunnel.mock_server.script import Signal
from windtunnel.mock_server.transports.endings import close_and_linger, reset, reset_behind
from windtunnel.mock_server.transports.http2.fields import FieldList, request_head
from windtunnel.mock_server.transports.http2.floods import Allowance
from windtunnel.mock_server.transports.http2.signals import WINDOW, Signals
from windtunnel.mock_server.transports.http2.state import new_state
from windtunnel.mock_server.transports.http2.stream import Http2Stream
from windtunnel.mock_server.transports.links.linked import ARRIVES_AT
from windtunnel.mock_server.transports.player import PIECE
from windtunnel.mock_server.transports.wire import Host


class Http2Connection(asyncio.Protocol):
    """One client's connection to one region, with all its streams: see `transports.wire.OpenConnection`."""

    def __init__(self, server: Host, region: str) -> None:
        self._server = server
        self._loop = server.loop
        self._transport: asyncio.Transport | None = None
        self._h2 = new_state()
        self._streams: dict[int, Http2Stream] = {}
        self._signals = Signals(self._loop, self._h2, self._write_later)
        self._requests = 0
        self._ahead = b""
        self._reset_now: set[int] = set()
        self._over_now = False
        self._unwritten = 0
        self._writes_later = False
        self._calm = Allowance(self._loop.time)
        self._closing = False
        self.region = region
        self.connection_id = 0
        self.full = False
        self._keep_alive = server.connections.doors.keep_alive(self)
        self._handlers: dict[type[Event], Callable[..., None]] = {
            RequestReceived: self._request_received,
            DataReceived: self._data_received,
            StreamEnded: self._stream_ended,
            StreamReset: self._stream_reset,
            WindowUpdated: self._window_updated,
            RemoteSettingsChanged: self._settings_changed,
            PingReceived: self._paid,
            PriorityUpdated: self._paid,
            SettingsAcknowledged: self._settings_acknowledged,
            ConnectionTerminated: self._terminated,
        }

    @property
    def transport(self) -> asyncio.Transport | None:
        """The connection's transport; None before it is made and after it is lost."""
        return self._transport

    # ---- asyncio's callbacks

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio's callback: a client connected."""
        self._transport = cast(asyncio.Transport, transport)
        server = self._server
        self.connection_id = server.connections.add(self)
        self._greet()
        too_many = server.connections.doors.too_many(self.region)
        if too_many or len(server.connections) > server.incoming.most_connections:
            server.not_received(503)
            self._h2.close_connection(ErrorCodes.ENHANCE_YOUR_CALM)
            self._hang_up()
        self._idle()

    def taken_over(self, transport: asyncio.Transport, connection_id: int) -> None:
        """Begin on a connection that the server knows under a number already."""
        self._transport = transport
        self.connection_id = connection_id
        self._greet()
        if self._server.connections.doors.too_many(self.region):
            self._server.not_received(503)
            self._h2.close_connection(ErrorCodes.ENHANCE_YOUR_CALM)
            self._hang_up()
        self._idle()

    def connection_lost(self, exc: BaseException | None) -> None:
        """asyncio's callback: the connection is over, closed by either side."""
        self._transport = None
        self._closing = True
        self._signals.stop()
        if self._keep_alive is not None:
            self._keep_alive.busy()
        self._server.connections.remove(self)
        self._all_gone()

    def eof_received(self) -> bool | None:
        """asyncio's callback: the client sent FIN, and with it left all requests in flight."""
        if self._streams:
            self._closing = True
            self._all_gone()
            if self._transport is not None:
                self._transport.abort()
        return None

    def pause_writing(self) -> None:
        """asyncio's callback: the client reads too slowly. Nor is it read then: it could have pings answered."""
        self.full = True
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        """asyncio's callback: the client has read on."""
        self.full = False
        if self._transport is not None:
            self._transport.resume_reading()
        for stream in list(self._streams.values()):
            if stream.current is not None:
                stream.current.wake()

    def data_received(self, data: bytes) -> None:
        """asyncio's callback: bytes of frames."""
        if self._closing or (self._keep_alive is not None and self._keep_alive.received()):
            return
        try:
            events = self._h2.receive_data(data)
        except ProtocolError as error:
            # h2 has prepared a GOAWAY with the code that RFC 9113 gives it, but for a preface that is none.
            self._ahead += self._h2.data_to_send() or self._signals.goaway(error.error_code)
            self._hang_up()
            return
        except Exception as error:  # noqa: BLE001 - any bug, in h2 too, ends this connection alone
            self._server.failed(error)
            self.reset()
            return
        self._note_ended(events)
        for event in events:
            handler = self._handlers.get(type(event))
            if handler is not None:
                handler(event)
            if self._closing:
                return
        self._write_later()
        self._idle()

    def _idle(self) -> None:
        """Note that no request is under way, if so: the connection then ends by its region's rules."""
        if self._keep_alive is not None and not self._streams and not self._closing:
            self._keep_alive.idle()

    # ---- events of h2

    def _note_ended(self, events: list[Event]) -> None:
        """Forget the answers that nobody takes any more: h2 has acted on all events before the first is seen here."""
        self._reset_now = {one.stream_id for one in events if type(one) is StreamReset}
        self._over_now = any(type(one) is ConnectionTerminated for one in events)
        for stream_id, stream in self._streams.items():
            if self._over_now or stream_id in self._reset_now:
                stream.wire.forget()

    def _request_received(self, event: RequestReceived) -> None:
        stream_id, signals = event.stream_id, self._signals
        if signals.last_stream is not None and stream_id > signals.last_stream:
            return  # behind a GOAWAY: ignored (RFC 9113, section 6.8)
        if len(self._streams) >= signals.limit:
            self._paid(event)
            if not self._closing and not self._over_now and stream_id not in self._reset_now:
                self.send_reset(stream_id, ErrorCodes.REFUSED_STREAM)
            return
        number = self._requests
        self._requests = number + 1
        stream = Http2Stream(self._server, self, stream_id, number, request_head(event.headers))
        self._streams[stream_id] = stream
        if self._over_now or stream_id in self._reset_now:
            stream.wire.forget()
        stream.begin(whole=event.stream_ended is not None)

    def _data_received(self, event: DataReceived) -> None:
        size = event.flow_controlled_length
        if not size and event.stream_ended is None:  # a frame that says nothing
            self._paid(event)
            return
        if size and not self._over_now:
            self._h2.acknowledge_received_data(size, event.stream_id)
        stream = self._streams.get(event.stream_id)
        if stream is not None:
            stream.data(event.data)

    def _stream_ended(self, event: StreamEnded) -> None:
        stream = self._streams.get(event.stream_id)
        if stream is not None:
            stream.end()

    def _stream_reset(self, event: StreamReset) -> None:
        stream = self._streams.pop(event.stream_id, None)
        if stream is not None:
            stream.gone()
        self._paid(event)

    def _window_updated(self, event: WindowUpdated) -> None:
        if event.stream_id:
            stream = self._streams.get(event.stream_id)
            if stream is not None:
                self._send_on(stream)
        else:
            self._send_all_on()

    def _settings_changed(self, event: RemoteSettingsChanged) -> None:
        self._paid(event)
        self._send_all_on()  # SETTINGS_INITIAL_WINDOW_SIZE moves all windows

    def _settings_acknowledged(self, event: SettingsAcknowledged) -> None:
        self._signals.acknowledged()

    def _terminated(self, event: ConnectionTerminated) -> None:
        """The client sent GOAWAY: h2 lets nothing more be sent, not even on the streams that it has."""
        self._closing = True
        self._all_gone()
        if self._transport is not None:
            self._transport.close()

    def _paid(self, event: Event) -> None:
        """Take a frame that makes the server work and gets nobody an answer from what the client may send of them."""
        if not self._closing and not self._calm.spend():
            self._h2.close_connection(ErrorCodes.ENHANCE_YOUR_CALM)
            self._hang_up()

    def _send_all_on(self) -> None:
        for stream in list(self._streams.values()):
            self._send_on(stream)

    def _send_on(self, stream: Http2Stream) -> None:
        if stream.wire.paused and not self.full:
            stream.wire.send()
            if not stream.wire.paused and stream.current is not None:
                stream.current.wake()

    # ---- frames: what streams send

    def room(self, stream_id: int) -> int:
        """See `Frames.room`."""
        state = self._h2
        return min(state.local_flow_control_window(stream_id), state.max_outbound_frame_size)

    def send_head(self, stream_id: int, fields: FieldList, *, end: bool) -> None:
        """See `Frames.send_head`."""
        self._h2.send_headers(stream_id, fields, end_stream=end)
        self._write_later()

    def send_data(self, stream_id: int, data: bytes, *, end: bool) -> None:
        """See `Frames.send_data`. Many bytes leave at once, so that a slow reader is noticed."""
        self._h2.send_data(stream_id, data, end_stream=end)
        self._unwritten += len(data)
        if self._unwritten >= PIECE:
            self.write_out()
        else:
            self._write_later()

    def send_reset(self, stream_id: int, code: ErrorCodes) -> None:
        """See `Frames.send_reset`."""
        self._h2.reset_stream(stream_id, code)
        self._write_later()

    def stream_ended(self, stream_id: int) -> None:
        """See `Frames.stream_ended`. Behind a GOAWAY the last answer closes the connection."""
        self._streams.pop(stream_id, None)
        if not self._streams and self._signals.last_stream is not None:
            self._loop.call_soon(self._hang_up)

    def signal(self, signal: Signal) -> None:
        """See `Frames.signal`."""
        signals = self._signals
        if self._closing:
            return
        if signal.kind == "one_stream":
            signals.one_stream(signal)
        elif signal.kind == "window_stall":
            signals.window_stall(signal)
        elif signal.kind == "calm_down":
            self._write_ahead(signals.goaway(ErrorCodes.ENHANCE_YOUR_CALM))
            self._stop()
            self._loop.call_soon(self._hang_up)
        elif signals.last_stream is None:
            self._write_ahead(signals.goaway(ErrorCodes.NO_ERROR))
            if signal.seconds < math.inf:
                self._loop.call_later(signal.seconds, self._hang_up)
        self._write_later()

    def _write_ahead(self, frame: bytes) -> None:
        """Write a frame that h2 knows nothing of, behind those that it has prepared."""
        self._ahead += self._h2.data_to_send() + frame
        self._idle()

    def _write_later(self) -> None:
        if not self._writes_later:
            self._writes_later = True
            self._server.write_batch.add(self)

    def write_out(self) -> None:
        """Hand all frames to the transport."""
        self._writes_later = False
        self._unwritten = 0
        data = self._ahead + self._h2.data_to_send()
        self._ahead = b""
        transport = self._transport
        if data and transport is not None and not transport.is_closing():
            transport.write(data)

    # ---- the ways out

    def arrives_at(self) -> float | None:
        """See `OpenConnection.arrives_at`. On a link nothing is won by writing at the end of the loop's round."""
        if self._transport is None or self._transport.get_extra_info(ARRIVES_AT) is None:
            return None
        self.write_out()
        arrives: float = self._transport.get_extra_info(ARRIVES_AT)
        return arrives

    def close(self) -> None:
        """Send GOAWAY, which names the last request that was received, and a FIN."""
        self._say_goodbye()
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Reset the connection, after everything that was flushed."""
        self.write_out()
        self._stop()
        if self._transport is not None:
            reset_behind(self._loop, self._transport)

    def reset(self) -> None:
        """Reset the connection at once, whatever has not left yet."""
        self._stop()
        if self._transport is not None:
            reset(self._transport)

    def _greet(self) -> None:
        """Send the server's preface: SETTINGS, and a window as large as that of the streams."""
        state = self._h2
        state.initiate_connection()
        state.increment_flow_control_window(WINDOW - state.inbound_flow_control_window)
        self._write_ahead(b"")
        self._write_later()

    def _say_goodbye(self) -> None:
        if not self._closing:
            self._stop()
            self._h2.close_connection(last_stream_id=self._h2.highest_inbound_stream_id)
        self.write_out()

    def _stop(self) -> None:
        """Send nothing more on any stream. Whose requests these are hears of it once the connection is lost."""
        self._closing = True
        self._signals.stop()
        for stream in self._streams.values():
            stream.wire.forget()

    def _hang_up(self) -> None:
        """End the connection behind a GOAWAY; the requests in flight have lost their client."""
        if self._transport is None:
            return
        self._closing = True
        self.write_out()
        self._all_gone()
        close_and_linger(self._loop, self._transport)

    def _all_gone(self) -> None:
        self._signals.stop()
        streams, self._streams = list(self._streams.values()), {}
        for stream in streams:
            stream.gone()
