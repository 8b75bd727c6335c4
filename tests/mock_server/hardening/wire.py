"""Requests as bytes, and what the tests of the socket look at again and again."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

Serve = Callable[..., Any]
Ask = Callable[..., bytes]

HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nhost: mock\r\nauthorization: Bearer k\r\n"
CHAT = b'{"model":"gpt-4.1-mini","messages":[{"role":"user","content":"hello"}],"stream":true}'
FORM = (
    b'--b\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nassistants\r\n'
    b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\nhello\r\n--b--\r\n'
)
SAMPLES = {
    "length": HEAD + b"content-length: %d\r\n\r\n" % len(CHAT) + CHAT,
    "chunked": HEAD + b"transfer-encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(CHAT), CHAT),
    "form": HEAD.replace(b"chat/completions", b"files")
    + b"content-type: multipart/form-data; boundary=b\r\ncontent-length: %d\r\n\r\n" % len(FORM)
    + FORM,
}


def assert_well(server: Any) -> None:
    """The server answers, keeps nothing of what is over, and has not failed on anything."""
    with server.connect() as client:
        client.ask()
        assert client.answer()[0] == 200
    mock = server.mock
    assert server.call(lambda: (mock.incoming.held, len(mock.incoming))) == (0, 0)
    assert mock.counters.failures.by_place == {}


def refused(client: Any) -> tuple[int, str]:
    """Status and message of an error in OpenAI's form, after which the connection is closed."""
    status, headers, body = client.answer()
    error = json.loads(body)["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    assert headers["connection"] == "close"
    assert client.read_to_end() == b""
    return status, error["message"]
