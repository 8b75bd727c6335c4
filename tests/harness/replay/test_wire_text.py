"""Bytes on the wire in words."""

from __future__ import annotations

import pytest

from windtunnel.harness.replay.wire_text import answer_text, quoted, request_text

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n"


def chunk(text: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(text), text)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (HEAD, "HTTP/1.1 200 OK"),
        (chunk(b'data: {"choices":[{"delta":{"content":"to be"}}]}\n\n'), "content 'to be'"),
        (
            chunk(b'data: {"choices":[{"delta":{"content":"or "}}]}\n\n')
            + chunk(b'data: {"choices":[{"delta":{"content":"not"}}]}\n\n'),
            "content 'or not'",
        ),
        (
            chunk(b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n')
            + chunk(b"data: [DONE]\n\n")
            + b"0\r\n\r\n",
            "finish_reason stop · [DONE] · last chunk",
        ),
        (b"0\r\n\r\n", "last chunk"),
        (chunk(b": still here\n\n"), "comment"),
        (chunk(b'event: x\ndata: {"type":"response.output_text.delta","delta":"a"}\n\n'), "content 'a'"),
        (chunk(b'data: {"type":"response.created"}\n\n'), "response.created"),
        (chunk(b'data: {"choices":[],"usage":{"total_tokens":3}}\n\n'), "usage"),
        (chunk(b'data: {"choi'), "event '{\"choi'"),
        (
            b'HTTP/1.1 503 Service Unavailable\r\n\r\n{"error": {"message": "no \\"room\\" left"}}',
            'HTTP/1.1 503 Service Unavailable · "no \\"room\\" left"',
        ),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "'SSH-2.0-OpenSSH_9.6\\r\\n'"),
    ],
)
def test_answers_in_words(data: bytes, said: str) -> None:
    """What a server sent is told by its status, its events and its end."""
    assert answer_text(data) == said


def test_requests_in_words() -> None:
    """What a client sent is told by its first line and the retry that it says it is."""
    request = b"POST /v1/chat/completions HTTP/1.1\r\nX-Stainless-Retry-Count: 2\r\n\r\n"
    assert request_text(request) == "POST /v1/chat/completions HTTP/1.1, retry 2 of the SDK"
    assert request_text(b'{"model": "m"}').startswith("more of the request")


def test_quotes_are_short() -> None:
    """However much there is, a quote is a line."""
    assert len(quoted(bytes(1000))) < 300
