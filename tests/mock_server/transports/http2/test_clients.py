"""What clients on httpx make of HTTP/2's own faults: the request that one is drawn for, one beside it, the next one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import httpx2
import pytest

from windtunnel.mock_server.script import End, Head, Script, Send, Wait

TEXT = (("content-type", "text/plain"),)
SLOW = Script((Head(200, TEXT, framing="chunked"), Send(b"x"), Wait(0.3), Send(b"y"), End()))
BODY = {"model": "gpt-4.1-mini", "messages": [{"role": "user", "content": "hello"}]}
OK = "200"


async def _three(url: str, fault: str, read: float) -> tuple[str, str, str]:
    """How the request with the fault ends, the one that is under way beside it, and the next one."""
    begun = asyncio.Event()
    timeout = httpx2.Timeout(20, read=read)

    async with httpx2.AsyncClient(http1=False, http2=True, timeout=timeout) as client:

        async def ask(**headers: str) -> str:
            sent = {
                "authorization": "Bearer k",
                **{name.replace("_", "-"): it for name, it in headers.items()},
            }
            try:
                async with client.stream("POST", url, json=BODY, headers=sent) as answer:
                    async for _ in answer.aiter_bytes():
                        begun.set()
            except Exception as error:  # noqa: BLE001 - which one it is, is the question
                begun.set()
                return f"{type(error).__module__.partition('.')[0]}.{type(error).__name__}"
            return str(answer.status_code)

        beside = asyncio.create_task(ask(x_windtunnel_call="slow"))
        await begun.wait()
        own = await ask(x_windtunnel_fault=fault)
        return own, await beside, await ask()


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("stream_reset", ("httpx2.RemoteProtocolError", OK, OK)),
        ("refused_stream", ("httpx2.RemoteProtocolError", OK, OK)),
        ("goaway", ("httpx2.LocalProtocolError", "h2.ProtocolError", OK)),
        ("calm_down", ("httpx2.RemoteProtocolError", "httpx2.RemoteProtocolError", OK)),
        ("one_stream", (OK, OK, OK)),
        ("window_stall; seconds=50ms", (OK, OK, OK)),
        ("window_stall; seconds=30s", (OK, OK, "httpx2.ReadTimeout")),
    ],
)
def test_what_httpx2_makes_of_it(
    serve: Callable[..., Any], fault: str, expected: tuple[str, str, str]
) -> None:
    """As the manual's table says. After GOAWAY its h2 reads nothing more, so answers under way are lost to it."""
    provider = {"answer": {"first_token": "20ms", "tokens": 4, "tokens_per_second": 1000}}
    server = serve(
        {"provider": provider},
        scripts=lambda ticket: SLOW if ticket.request.call_id == "slow" else None,
    )
    url = f"http://127.0.0.1:{next(iter(server.ports.values()))}/v1/chat/completions"
    assert asyncio.run(_three(url, fault, read=1.0 if "30s" in fault else 20.0)) == expected
