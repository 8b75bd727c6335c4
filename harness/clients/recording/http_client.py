"""Recording of what goes through `http.client`: requests, urllib3, urllib, and http.client itself.

    HTTPConnection.endheaders ──► an AttemptRow, the call's header ─┐
                  .connect, .send, .getresponse ────────────────────┼──► Trace
    HTTPResponse.read, read1, readline, _safe_read … ──► chunks ────┤
                .close, the end of the body ──► closed ─────────────┘

The methods of both classes are replaced in this process, once. A request that belongs to no call is passed through.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from http.client import HTTPConnection, HTTPResponse
from types import SimpleNamespace
from typing import Any, Protocol

from windtunnel.harness.clients.base import CALL_HEADER
from windtunnel.harness.clients.recording.httpx2 import Book, Trace

OURS = "_windtunnel"
"""The attribute of a connection, or of a response, that has its attempt."""

LEFT = "_windtunnel_left"
LINE_END = b"\r\n"
READS = ("read", "read1", "readline", "peek", "_safe_read")
"""Ways to read a body that give bytes; urllib3 reads chunks by the last one."""


class Asking(Protocol):
    """The call that a request belongs to; `recorded` here, or by the server alone.

    When its function is over, what is in `left` is called: an answer that nobody has read or closed is kept by an
    exception, perhaps for ever.
    """

    @property
    def book(self) -> Book: ...

    @property
    def call_id(self) -> str: ...

    @property
    def recorded(self) -> bool: ...

    @property
    def left(self) -> list[Callable[[], None]]: ...


def watch_http_client(asked: Callable[[str, int], Asking | None]) -> None:
    """Record each request from now on of which `asked`, by host and port, gives the call."""
    _watch_requests(asked)
    _watch_answers()
    for name in READS:
        _watch_reading(name)
    _watch_reading_into()
    _watch_end()


def _watch_requests(asked: Callable[[str, int], Asking | None]) -> None:
    original, original_send = HTTPConnection.endheaders, HTTPConnection.send

    @wraps(original)
    def endheaders(self: Any, *arguments: Any, **named: Any) -> None:
        asking = asked(self.host, self.port)
        trace = None if asking is None else _begun(self, asking)
        vars(self)[OURS] = trace
        if trace is None or asking is None:
            original(self, *arguments, **named)
            return
        vars(self)[LEFT] = asking.left
        try:
            with_connect(self, trace, lambda: original(self, *arguments, **named))
        except BaseException as error:
            _broken(self, trace, error)
            raise

    @wraps(original_send)
    def send(self: Any, data: Any) -> None:
        trace = vars(self).get(OURS)
        try:
            original_send(self, data)
        except BaseException as error:
            if trace is not None:
                _broken(self, trace, error)
            raise
        if trace is not None:
            trace.sent()

    HTTPConnection.endheaders = endheaders  # type: ignore[method-assign]  # begins an attempt
    HTTPConnection.send = send  # type: ignore[method-assign]  # the last piece sent is when it was sent


def with_connect(connection: Any, trace: Trace, work: Callable[[], None]) -> None:
    """Do `work`; if it connects, that is noted."""
    if connection.sock is not None:
        work()
        return
    connect = connection.connect

    def connect_and_note() -> None:
        trace.begins("connect")
        connect()
        trace.ends("connect")
        if connection.sock is not None:
            trace.connected(connection.sock)

    connection.connect = connect_and_note
    try:
        work()
    finally:
        del connection.connect


def _begun(connection: Any, asking: Asking) -> Trace | None:
    """Open the attempt of the request whose headers are in the connection's buffer, and mark it."""
    headers = {}
    places = {}
    for place, line in enumerate(connection._buffer[1:], 1):
        name, colon, value = line.decode("latin-1").partition(":")
        if colon:
            headers[name.lower()] = value.strip()
            places[name.lower()] = place
    given = dict(headers)
    headers.setdefault(CALL_HEADER, asking.call_id)
    target = connection._buffer[0].split()[1].decode("latin-1") if connection._buffer else ""
    url = SimpleNamespace(path=target.partition("?")[0], host=connection.host)
    trace = asking.book.trace(headers, url) if asking.recorded else None
    for name, value in sorted(headers.items()):
        if name not in given:
            connection.putheader(name, value)
        elif value != given[name]:
            connection._buffer[places[name]] = f"{name}: {value}".encode("latin-1")
    return trace


def _broken(connection: Any, trace: Trace, error: BaseException) -> None:
    trace.failed(error)
    trace.closed()
    vars(connection)[OURS] = None


def _watch_answers() -> None:
    original = HTTPConnection.getresponse

    @wraps(original)
    def getresponse(self: Any) -> Any:
        trace = vars(self).get(OURS)
        if trace is None:
            return original(self)
        if self.sock is not None:
            trace.uses(self.sock)
        try:
            answer = original(self)
        except BaseException as error:
            _broken(self, trace, error)
            raise
        vars(self)[OURS] = None
        version = {9: "0.9", 10: "1.0"}.get(answer.version, "1.1")
        trace.answered(answer.status, answer.headers, version)
        vars(answer)[OURS] = body = _Body(trace)
        vars(self)[LEFT].append(body.left)
        if answer.isclosed():  # it has no body
            body.over(answer)
        elif answer.chunked:
            answer.fp = _SizeLines(answer.fp, body)  # type: ignore[assignment]  # it has all of it
        return answer

    HTTPConnection.getresponse = getresponse  # type: ignore[method-assign]  # fills in the attempt


class _Body:
    """The body of one answer. `inside`: the library reads for itself; `ended`: its last chunk was seen."""

    __slots__ = ("_trace", "ended", "inside")

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self.inside = False
        self.ended = False

    def took(self, data: Any) -> None:
        if data:
            self._trace.chunk(bytes(data))

    def failed(self, error: BaseException) -> None:
        self._trace.failed(error)

    def left(self) -> None:
        """The function that got the answer is over."""
        if not self.inside:
            self._trace.closed()

    def over(self, answer: Any) -> None:
        """Nothing more is read of it."""
        trace = self._trace
        if trace.row.ended_s is None:
            whole = self.ended if answer.chunked else not answer.length
            trace.row.body_complete = whole and trace.row.error_type is None
            trace.closed()


class _SizeLines:
    """The stream below a chunked body: sees by the lines with the sizes of chunks which one is the last."""

    def __init__(self, stream: Any, body: _Body) -> None:
        self._stream = stream
        self._body = body

    def readline(self, *limit: Any) -> Any:
        try:
            line: bytes = self._stream.readline(*limit)
        except BaseException as error:
            self._body.failed(error)  # urllib3 reads these lines itself
            raise
        if not self._body.ended and (digits := line.split(b";")[0].strip()):
            self._body.ended = not digits.strip(b"0")
        return line

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _watch_reading(name: str) -> None:
    original = getattr(HTTPResponse, name)

    @wraps(original)
    def read(self: Any, *arguments: Any, **named: Any) -> Any:
        body = vars(self).get(OURS)
        if body is None or body.inside:
            return original(self, *arguments, **named)
        body.inside = True
        try:
            data = original(self, *arguments, **named)
        except BaseException as error:
            body.failed(error)
            raise
        finally:
            body.inside = False
        between_chunks = name == "_safe_read" and data == LINE_END
        if name != "peek" and not between_chunks:
            body.took(data)
        if self.isclosed():
            body.over(self)
        return data

    setattr(HTTPResponse, name, read)


def _watch_reading_into() -> None:
    original: Any = HTTPResponse.readinto

    @wraps(original)
    def readinto(self: Any, buffer: Any) -> Any:
        body = vars(self).get(OURS)
        if body is None or body.inside:
            return original(self, buffer)
        body.inside = True
        try:
            size = original(self, buffer)
        except BaseException as error:
            body.failed(error)
            raise
        finally:
            body.inside = False
        body.took(memoryview(buffer)[:size])
        if self.isclosed():
            body.over(self)
        return size

    HTTPResponse.readinto = readinto  # type: ignore[method-assign, assignment]  # records what is read


def _watch_end() -> None:
    original = HTTPResponse.close

    @wraps(original)
    def close(self: Any) -> None:
        body = vars(self).get(OURS)
        try:
            original(self)
        finally:
            if body is not None and not body.inside:
                body.over(self)

    HTTPResponse.close = close  # type: ignore[method-assign]  # ends the attempt
