"""The yardstick of the mock: an aiohttp handler that reads the body and returns given bytes and headers.

Run as `python -m windtunnel.harness.calibrate.bare_server ANSWER.json`; prints one JSON line `{"base_url": …}` once
ready. ANSWER.json: `{"headers": [[name, value], …], "body": text}`.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import uvloop
from aiohttp import web

from windtunnel.mock_server.server.end_with_parent import die_with_parent

# aiohttp writes these itself.
HOP_HEADERS = {"content-length", "date", "server", "connection", "transfer-encoding"}


async def serve(answer: dict[str, Any]) -> None:
    """Serve the answer on every path until the process is ended."""
    body = answer["body"].encode()
    headers = [(name, value) for name, value in answer["headers"] if name.lower() not in HOP_HEADERS]

    async def handler(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(body=body, headers=headers)

    application = web.Application(client_max_size=2**26)
    application.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    print(json.dumps({"base_url": f"http://127.0.0.1:{port}/v1"}), flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    die_with_parent()
    uvloop.run(serve(json.loads(Path(sys.argv[1]).read_text())))
