"""A service for soaks: each call asks the provider, up to three times; `LEAK_BYTES` are kept of each."""

from __future__ import annotations

import json
import os
import sys
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KEPT: list[bytes] = []


class Handler(BaseHTTPRequestHandler):
    """POST with any body."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Answer with what the provider says, or with 502."""
        question = self.rfile.read(int(self.headers["content-length"])).decode()
        KEPT.append(os.urandom(int(os.environ.get("LEAK_BYTES", "0"))))
        asked = urllib.request.Request(
            f"{os.environ['OPENAI_BASE_URL']}/chat/completions",
            json.dumps({"model": "m", "messages": [{"role": "user", "content": question}]}).encode(),
            {"content-type": "application/json", "authorization": f"Bearer {os.environ['OPENAI_API_KEY']}"},
        )
        status, said = 502, b"{}"
        for _ in range(3):
            try:
                with urllib.request.urlopen(asked, timeout=10) as answer:
                    status, said = 200, answer.read()
                    break
            except OSError:
                continue
        self.send_response(status)
        self.send_header("content-length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Server(ThreadingHTTPServer):
    """Takes what comes at once."""

    request_queue_size = 128
    daemon_threads = True


if __name__ == "__main__":
    Server(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
