"""Every way in which an answer can end, byte for byte on a real socket."""

from __future__ import annotations

import asyncio
import errno
import re
import socket
import struct
from collections.abc import Callable
from typing import Any, cast

import pytest

from windtunnel.mock_server.provider.compiled_settings import LinkSettings, Spread
from windtunnel.mock_server.script import FOREVER, Abort, Close, End, Head, Raw, Script, Send, Step, Wait
from windtunnel.mock_server.transports.endings import close_and_linger
from windtunnel.mock_server.transports.links.linked import LinkedSocket
from windtunnel.mock_server.transports.links.path import Path

TEXT = (("content-type", "text/plain"),)
DATE = rb"date: \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT\r\n"


def _scripted(*steps: Step) -> Callable[[Any], Script]:
    return lambda _: Script(steps)


def _exactly(got: bytes, expected: bytes) -> None:
    """`expected` with DATE where the Date header stands, since its value moves."""
    pattern = re.escape(expected).replace(b"DATE", DATE)
    assert re.fullmatch(pattern, got), got


def test_end_with_content_length(serve: Callable[..., Any]) -> None:
    """A body of known length gets a Content-Length over all its sends, and the connection goes on."""
    server = serve(scripts=_scripted(Head(200, TEXT), Send(b"one "), Send(b"two", role="terminal"), End()))
    with server.connect() as client:
        for number in (1, 2):
            client.ask()
            served = f"x-windtunnel-served: s{number}\r\n".encode()
            head = client.read_until(b"\r\n\r\n")
            _exactly(
                head,
                b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n"
                + served
                + b"DATE"
                + b"content-length: 7\r\n\r\n",
            )
            assert client.read_exactly(7) == b"one two"
    assert [row["connection_request_n"] for row in server.journal.wait_for(2)] == [0, 1]


def test_end_of_a_chunked_body(serve: Callable[..., Any]) -> None:
    """Each send is one chunk, the end is the empty chunk, and the connection goes on."""
    server = serve(
        scripts=_scripted(
            Head(200, TEXT, framing="chunked"), Send(b"0123456789abcdef"), Send(b""), Send(b"xy"), End()
        )
    )
    with server.connect() as client:
        client.ask()
        client.ask()
        for _ in range(2):
            assert client.head()[1]["transfer-encoding"] == "chunked"
            assert client.read_until(b"0\r\n\r\n") == b"10\r\n0123456789abcdef\r\n2\r\nxy\r\n0\r\n\r\n"
    assert server.row()["ending"] == "end"


def test_end_of_a_body_without_framing(serve: Callable[..., Any]) -> None:
    """A body without framing ends with the connection, and the head says so."""
    server = serve(scripts=_scripted(Head(200, TEXT, framing="none"), Send(b"all of it"), End()))
    with server.connect() as client:
        client.ask()
        status, headers = client.head()
        assert (status, headers["connection"]) == (200, "close")
        assert "content-length" not in headers
        assert "transfer-encoding" not in headers
        assert client.read_to_end() == b"all of it"


def test_close_in_mid_chunk_is_a_fin(serve: Callable[..., Any]) -> None:
    """Close ends the connection with a FIN and without the last chunk."""
    server = serve(scripts=_scripted(Head(200, TEXT, framing="chunked"), Send(b"half"), Close()))
    with server.connect() as client:
        client.ask()
        client.head()
        assert client.read_to_end() == b"4\r\nhalf\r\n"
    row = server.row()
    assert (row["ending"], row["abandoned"], row["status"]) == ("close", False, 200)


def test_a_short_body_keeps_its_promise_of_more(serve: Callable[..., Any]) -> None:
    """A script may promise more bytes than it sends; the connection cannot be used again."""
    server = serve(scripts=_scripted(Head(200, TEXT, content_length=100), Send(b"short"), Close()))
    with server.connect() as client:
        client.ask()
        assert client.head()[1]["content-length"] == "100"
        assert client.read_to_end() == b"short"


def test_an_end_before_the_promised_length_closes(serve: Callable[..., Any]) -> None:
    """An answer that ends before its Content-Length leaves no connection that would be out of step."""
    server = serve(scripts=_scripted(Head(200, TEXT, content_length=100), Send(b"short"), End()))
    with server.connect() as client:
        client.ask()
        client.head()
        assert client.read_to_end() == b"short"


def test_abort_before_the_head_is_a_reset(serve: Callable[..., Any]) -> None:
    """Abort is a real RST: the client's read fails with ECONNRESET, not with an end of file."""
    server = serve(scripts=_scripted(Abort()))
    with server.connect() as client:
        client.ask()
        with pytest.raises(ConnectionResetError) as caught:
            client.read_to_end()
        assert caught.value.errno == errno.ECONNRESET
    row = server.row()
    assert (row["ending"], row["status"], row["first_byte_s"], row["abandoned"]) == (
        "abort",
        None,
        None,
        False,
    )


def test_what_was_sent_before_an_abort_arrives(serve: Callable[..., Any]) -> None:
    """The bytes written before an RST reach the client, and the RST comes after them."""
    sent = b"x" * 30_000
    server = serve(scripts=_scripted(Head(200, TEXT, framing="chunked"), Send(sent), Wait(0.05), Abort()))
    with server.connect() as client:
        client.ask()
        client.head()
        assert client.read_exactly(6 + len(sent)) == b"7530\r\n" + sent
        with pytest.raises(ConnectionResetError):
            client.read_to_end()
    assert server.row()["bytes_sent"] > len(sent)


def test_raw_bytes_are_written_as_they_are(serve: Callable[..., Any]) -> None:
    """Raw bytes are all that the client gets: no head, no framing."""
    server = serve(scripts=_scripted(Raw(b"HTTP/1.1 2OO nonsense\r\n\r\n"), Close()))
    with server.connect() as client:
        client.ask()
        assert client.read_to_end() == b"HTTP/1.1 2OO nonsense\r\n\r\n"
    assert server.row()["status"] is None


def test_silence_lasts_until_the_client_leaves(serve: Callable[..., Any]) -> None:
    """A script that waits forever sends nothing more, and its row is written when the client is gone."""
    server = serve(scripts=_scripted(Head(200, TEXT, framing="chunked"), Send(b"x"), Wait(FOREVER)))
    with server.connect() as client:
        client.ask()
        client.head()
        assert client.read_exactly(6) == b"1\r\nx\r\n"
        client.sock.settimeout(0.2)
        with pytest.raises(TimeoutError):
            client.sock.recv(1)
        assert not server.journal.rows
    row = server.row()
    assert (row["ending"], row["abandoned"], row["tokens_sent"]) == ("left", True, 0)


def test_leaving_after_the_terminal_bytes_is_not_abandoning(serve: Callable[..., Any]) -> None:
    """A client that closes once it has the whole answer has not abandoned it, even if the script goes on."""
    server = serve(
        scripts=_scripted(
            Head(200, TEXT, framing="chunked"), Send(b"done", tokens=8, role="terminal"), Wait(FOREVER)
        )
    )
    with server.connect() as client:
        client.ask()
        client.head()
        client.read_until(b"done\r\n")
    row = server.row()
    assert (row["ending"], row["abandoned"], row["tokens_sent"]) == ("left", False, 8)


def test_steps_due_together_are_one_write(serve: Callable[..., Any]) -> None:
    """Head, sends and end with no wait between them arrive in one read."""
    server = serve(
        scripts=_scripted(Head(200, TEXT, framing="chunked"), Send(b"a"), Wait(0.0), Send(b"b"), End())
    )
    with server.connect() as client:
        client.ask()
        assert client.sock.recv(65_536).endswith(b"\r\n\r\n1\r\na\r\n1\r\nb\r\n0\r\n\r\n")


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_http_1_0(serve: Callable[..., Any], framing: Any) -> None:
    """An HTTP/1.0 client gets no chunks: what would be chunked ends with the connection."""
    server = serve(scripts=_scripted(Head(200, TEXT, framing=framing), Send(b"body"), End()))
    with server.connect() as client:
        client.ask(version="1.0")
        _, headers = client.head()
        assert "transfer-encoding" not in headers
        assert headers["connection"] == "close"
        assert client.read_to_end() == b"body"
    assert server.row()["http_version"] == "1.0"


def test_a_connection_that_is_to_be_closed(serve: Callable[..., Any]) -> None:
    """`Connection: close`, from the client or from the script, ends the connection after a proper answer."""
    server = serve()
    with server.connect() as client:
        client.ask(headers={"connection": "close"})
        status, headers, _ = client.answer()
        assert (status, headers["connection"]) == (200, "close")
        assert client.read_to_end() == b""
    scripted = serve(scripts=_scripted(Head(503, (("Connection", "close"),)), Send(b"no"), End()))
    with scripted.connect() as client:
        client.ask()
        assert client.read_to_end().count(b"onnection: close") == 1


def test_own_headers_win(serve: Callable[..., Any]) -> None:
    """A script may lie: its own Date and Content-Length stand in place of the true ones, and only once."""
    lies = (("Date", "yesterday"), ("Content-Length", "3"))
    server = serve(scripts=_scripted(Head(520, lies), Send(b"four"), Close()))
    with server.connect() as client:
        client.ask()
        got = client.read_to_end()
    assert got.startswith(b"HTTP/1.1 520 \r\nDate: yesterday\r\nContent-Length: 3\r\n")
    assert got.lower().count(b"date:") == got.lower().count(b"content-length:") == 1


def test_a_slow_reader_is_waited_for(serve: Callable[..., Any]) -> None:
    """A client that does not read holds up its own answer in bounded buffers, and gets all of it later."""
    piece = b"y" * 100_000
    steps: list[Step] = [Head(200, TEXT, framing="chunked")]
    steps += [Send(piece, tokens=1)] * 150
    server = serve(scripts=_scripted(*steps, End()))
    with server.connect() as client:
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        client.ask()
        client.head()
        with server.connect() as other:
            other.send(b"GET /_windtunnel/health HTTP/1.1\r\nhost: localhost\r\n\r\n")
            assert other.answer()[0] == 200
        written = server.call(lambda: next(iter(server.mock.exchanges.values())).player.bytes_sent)
        assert written < 10_000_000
        framed = len(b"186a0\r\n") + len(piece) + 2
        for _ in range(150):
            assert client.read_exactly(framed).count(b"y") == len(piece)
        assert client.read_exactly(5) == b"0\r\n\r\n"
    assert server.row()["tokens_sent"] == 150


@pytest.mark.parametrize("linked", [False, True])
def test_a_fin_to_a_client_that_has_just_gone(linked: bool) -> None:
    """Its RST is in the kernel, and the loop has not read it: nothing is raised, and the connection ends."""
    link = LinkSettings(Spread(0.0, 0.0), 0.0, None, 0.0)

    async def play() -> list[dict[str, Any]]:
        loop = asyncio.get_running_loop()
        failures: list[dict[str, Any]] = []
        loop.set_exception_handler(lambda _, context: failures.append(context))
        lost = loop.create_future()

        class Served(asyncio.Protocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                self.transport = cast(asyncio.Transport, transport)

            def data_received(self, data: bytes) -> None:
                loop.call_at(0.0, client.close)  # lingering for no time: an RST
                if linked:
                    close_and_linger(loop, self.transport)  # its FIN is due after the client's end
                else:
                    loop.call_at(1.0, close_and_linger, loop, self.transport)

            def connection_lost(self, exc: Exception | None) -> None:
                lost.set_result(exc)

        def accept() -> asyncio.Protocol:
            return LinkedSocket(loop, Path(lambda: link, 7, 1), Served()) if linked else Served()

        server = await loop.create_server(accept, "127.0.0.1", 0)
        client = socket.create_connection(server.sockets[0].getsockname())
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.sendall(b"?")
        await asyncio.wait_for(lost, 10)
        server.close()
        return failures

    assert asyncio.run(play()) == []
