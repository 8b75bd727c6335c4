"""A small raw-socket HTTP server whose answers are written by the test, byte by byte."""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Exchange:
    """One request, and the means to answer it as badly as one likes."""

    connection: socket.socket
    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    number: int  # how many requests with this call id came before it

    def send(self, data: str | bytes) -> None:
        self.connection.sendall(data.encode() if isinstance(data, str) else data)

    def head(self, status: int = 200, **headers: str) -> None:
        lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        served = f"x-windtunnel-served: s{self.number}\r\n"
        self.send(f"HTTP/1.1 {status} X\r\n{served}{lines}\r\n")

    def json(self, content: Any, status: int = 200, **headers: str) -> None:
        text = content if isinstance(content, str) else json.dumps(content)
        self.head(status, content_type="application/json", content_length=str(len(text.encode())), **headers)
        self.send(text)

    def stream(self) -> None:
        self.head(content_type="text/event-stream", transfer_encoding="chunked")

    def chunk(self, text: str) -> None:
        data = text.encode()
        self.send(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    def event(self, content: Any) -> None:
        self.chunk(f"data: {content if isinstance(content, str) else json.dumps(content)}\n\n")

    def end(self) -> None:
        self.send("0\r\n\r\n")

    def until_left(self) -> None:
        """Return once the client has closed the connection."""
        with suppress(OSError):
            while self.connection.recv(1024):
                pass

    def reset(self) -> None:
        """End the connection with an RST, and the handler with it."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise ConnectionResetError


def completion(text: str = "Hello there", finish: str | None = "stop", **message: Any) -> dict[str, Any]:
    """A chat completion in one piece."""
    said = {"role": "assistant", "content": text, **message}
    choice = {"index": 0, "message": said, "finish_reason": finish, "logprobs": None}
    return {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}


def delta(text: str | None = None, finish: str | None = None, index: int = 0, **said: Any) -> dict[str, Any]:
    """A chunk of a streamed chat completion."""
    content = {**({} if text is None else {"content": text}), **said}
    choice = {"index": index, "delta": content, "finish_reason": finish, "logprobs": None}
    return {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}


def stream_of(exchange: Exchange, events: Iterable[Any]) -> None:
    """A whole healthy stream."""
    exchange.stream()
    for event in events:
        exchange.event(event)
    exchange.event("[DONE]")
    exchange.end()


Handler = Callable[[Exchange], None]


class FaultServer:
    """Accepts connections until stopped; each is served by a thread of its own."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._counts: Counter[str] = Counter()
        self._open: list[socket.socket] = []
        self.errors: list[Exception] = []
        self.requests: list[tuple[str, dict[str, str], dict[str, Any]]] = []
        self._thread = threading.Thread(target=self._accept)
        self._workers: list[threading.Thread] = []

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}/v1"

    @contextmanager
    def running(self) -> Iterator[FaultServer]:
        self._thread.start()
        try:
            yield self
        finally:
            self._socket.shutdown(socket.SHUT_RDWR)
            self._socket.close()
            for connection in self._open:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            for thread in (self._thread, *self._workers):
                thread.join(10)
        assert self.errors == []

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self._open.append(connection)
            worker = threading.Thread(target=self._serve, args=(connection,))
            self._workers.append(worker)
            worker.start()

    def _serve(self, connection: socket.socket) -> None:
        reader = connection.makefile("rb")
        with connection, reader, suppress(OSError):
            try:
                while request := self._read(reader):
                    path, headers, body = request
                    call = headers.get("x-windtunnel-call", "")
                    number = self._counts[call]
                    self._counts[call] += 1
                    self.requests.append(request)
                    self._handler(Exchange(connection, path, headers, body, number))
            except OSError:
                return
            except Exception as error:  # noqa: BLE001  # shown by `running`, in the test's own thread
                self.errors.append(error)

    def _read(self, reader: Any) -> tuple[str, dict[str, str], dict[str, Any]] | None:
        line = reader.readline()
        if not line:
            return None
        headers = {}
        while (header := reader.readline().strip()) != b"":
            name, _, value = header.decode().partition(":")
            headers[name.lower()] = value.strip()
        body = json.loads(reader.read(int(headers.get("content-length", 0))) or b"{}")
        return line.split()[1].decode(), headers, body
