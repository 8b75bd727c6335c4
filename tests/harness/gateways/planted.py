"""A gateway of a few lines with a known failing, for tests: `python planted.py KIND PORT URL [URL …]`.

It passes every request on to the first URL. What else it does is its kind:

- `faithful`: nothing else;
- `loses`: it answers without Retry-After;
- `retries`: it asks up to three times itself, where the answer is a status from 500 on;
- `cuts`: of a stream it passes on two events and then says that it is done; every other byte is as it should be;
- `completes`: where the answer breaks off, it says that it is done;
- `goes_on`: it reads an answer to its end before it passes it on, whether or not anybody still waits for it;
- `fails_over`: where the answer is a status from 500 on, or none, it asks the next URL;
- `alters`: it puts a word into every answer;
- `forgets`: it drops the headers that tie a request to its call;
- `never_ready`: its health is never good;
- `dies`: it ends after ten requests, with exit code 3.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator

import aiohttp
from aiohttp import web

KIND, PORT, *URLS = sys.argv[1], int(sys.argv[2]), *sys.argv[3:]
KEPT = ("content-type", "retry-after", "retry-after-ms", "x-windtunnel-served", "x-should-retry")
DONE = b"data: [DONE]\n\n"
requests = 0


async def health(_: web.Request) -> web.Response:
    return web.Response(status=503 if KIND == "never_ready" else 200)


async def pass_on(request: web.Request) -> web.StreamResponse:
    global requests
    requests += 1
    if KIND == "dies" and requests > 10:
        print("planted: out of memory", file=sys.stderr, flush=True)
        os._exit(3)
    body = await request.read()
    sent = {
        name: value
        for name, value in request.headers.items()
        if name.lower() not in ("host", "content-length")
    }
    if KIND == "forgets":
        sent = {name: value for name, value in sent.items() if not name.lower().startswith("x-windtunnel")}
    urls = URLS if KIND == "fails_over" else URLS[:1] * (3 if KIND == "retries" else 1)
    for number, url in enumerate(urls, 1):
        last = number == len(urls)
        try:
            answer = await request.app["session"].post(
                url + request.path.removeprefix("/v1"), data=body, headers=sent
            )
        except aiohttp.ClientError:
            if last:
                return web.json_response({"error": {"message": "no provider"}}, status=502)
            continue
        if answer.status < 500 or last:
            return await hand_on(request, answer)
        answer.close()
    raise AssertionError("the last answer is handed on")


async def hand_on(request: web.Request, answer: aiohttp.ClientResponse) -> web.StreamResponse:
    headers = {name: value for name, value in answer.headers.items() if name.lower() in KEPT}
    if KIND == "loses":
        headers = {name: value for name, value in headers.items() if "retry-after" not in name.lower()}
    out = web.StreamResponse(status=answer.status, headers=headers)
    if KIND == "goes_on":
        whole = await asyncio.shield(asyncio.ensure_future(answer.read()))
        await out.prepare(request)
        await out.write(whole)
        return out
    await out.prepare(request)
    async with answer:
        async for piece in changed(answer):
            await out.write(piece)
    return out


async def changed(answer: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    events = 0
    try:
        async for piece in answer.content.iter_any() if KIND != "cuts" else answer.content:
            events += piece.startswith(b"data:")
            if KIND == "cuts" and answer.status == 200 and events > 3:
                yield b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n' + DONE
                return
            yield piece.replace(b'"content":"', b'"content":"not ') if KIND == "alters" else piece
    except aiohttp.ClientError:
        if KIND != "completes":
            raise
        yield b'\n\ndata: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n' + DONE


async def session(app: web.Application) -> AsyncIterator[None]:
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, auto_decompress=False) as made:
        app["session"] = made
        yield


app = web.Application()
app.router.add_get("/health", health)
app.router.add_post("/v1/{rest:.*}", pass_on)
app.cleanup_ctx.append(session)
web.run_app(app, host="127.0.0.1", port=PORT, print=None, handler_cancellation=KIND != "goes_on")
