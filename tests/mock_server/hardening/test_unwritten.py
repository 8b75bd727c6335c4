"""What clients send is answered, and written nowhere."""

from __future__ import annotations

import json
import logging
import socket
from pathlib import Path

import pytest

from tests.mock_server.hardening.processes import PATIENCE, ServerProcess
from windtunnel.mock_server.api.forms import read_form
from windtunnel.mock_server.api.parse import parse

MARK = "s3cr3t"
PATHS = (
    "/v1/chat/completions",
    "/v1/responses",
    "/v1/conversations",
    "/v1/completions",
    "/v1/embeddings",
    "/v1/moderations",
    "/v1/images/generations",
    "/v1/audio/speech",
    "/v1/batches",
    f"/v1/{MARK}",
    f"/v1/files/{MARK}",
    f"/openai/deployments/m/chat/completions?api-version={MARK}",
    "/_windtunnel/reset",
    f"/_windtunnel/{MARK}",
)
FIELDS = {"messages": [{"role": "user", "content": MARK}], "input": MARK, "prompt": MARK, "voice": MARK}
BODIES = (
    json.dumps({"model": "m", **{name: value}}).encode()
    for name, value in (*FIELDS.items(), ("metadata", {MARK: MARK}), (MARK, MARK), ("store", MARK))
)
FORM = (
    f'--b\r\nContent-Disposition: form-data; name="purpose"\r\n{MARK}: {MARK}\r\n\r\nassistants\r\n'
    f'--b\r\nContent-Disposition: form-data; name="file"; filename="{MARK}.mp3"\r\n\r\n{MARK}\r\n--b--\r\n'
).encode()
BROKEN = (
    f"{MARK} {MARK} {MARK}\r\n\r\n".encode(),
    f"GET / HTTP/1.1\r\n{MARK} {MARK}\r\n\r\n".encode(),
    f"POST /v1/files HTTP/1.1\r\nhost: a\r\ncontent-length: 99\r\n\r\n{MARK}".encode(),
    f"POST /v1/files HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n{MARK}\r\n".encode(),
)


def request(path: str, body: bytes, kind: str) -> bytes:
    """A request with the mark wherever a client may put something of its own."""
    joint = "&" if "?" in path else "?"
    head = (
        f"POST {path}{joint}{MARK}={MARK} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer sk-{MARK}\r\n"
        f"content-type: {kind}\r\ncookie: {MARK}\r\nx-{MARK}: {MARK}\r\nopenai-organization: {MARK}\r\n"
        f"idempotency-key: {MARK}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
    )
    return head.encode() + body


def test_nothing_of_requests_is_written(tmp_path: Path) -> None:
    """Keys, headers, queries, bodies and files of requests, good and bad, are in no record and in no log."""
    bodies = [*BODIES, f'{{"{MARK}'.encode()]
    requests = [request(path, body, "application/json") for path in PATHS for body in bodies]
    for path in ("/v1/files", "/v1/audio/transcriptions", "/v1/images/edits", "/v1/uploads/upload_1/parts"):
        requests += [request(path, form, "multipart/form-data; boundary=b") for form in (FORM, FORM[:-20])]
    with ServerProcess(tmp_path) as server:
        for sent in (*requests, *BROKEN):
            with socket.create_connection(server.address, PATIENCE) as client:
                client.sendall(sent)
                client.shutdown(socket.SHUT_WR)
                while client.recv(65_536):
                    pass
        assert server.stop() == 0
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any(path.name.startswith("served-") and path.stat().st_size > 10_000 for path in files)
    assert [path for path in files if MARK.encode() in path.read_bytes()] == []
    assert server.log.read_text() == ""


def test_bad_forms_are_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    """The form's parser, which would say what it has found, is silent."""
    caplog.set_level(logging.DEBUG)
    parsed = parse(
        "POST",
        "/v1/files",
        {"authorization": "Bearer k", "content-type": "multipart/form-data; boundary=b"},
        b"--bnonsense",
        region="local",
    )
    assert parsed.problem is not None
    read_form("multipart/form-data; boundary=b", FORM)
    assert caplog.records == []
