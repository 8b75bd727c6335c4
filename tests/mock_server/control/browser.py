"""A headless Chromium, told what to do over its DevTools protocol."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import aiohttp

PATIENCE = 30.0
"""Seconds after which a test gives up: far more than anything here takes."""

_UNTIL = """new Promise((found, gone) => {
  const begin = performance.now();
  const look = () => {
    let value = null;
    try { value = (%s); } catch (error) { value = null; }
    if (value) found(value);
    else if (performance.now() - begin > %d) gone(new Error("never: " + %s));
    else setTimeout(look, 20);
  };
  look();
})"""


@contextmanager
def chromium(profile: Path) -> Iterator[str]:
    """A browser; gives where its DevTools are."""
    command = [
        shutil.which("chromium") or "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
        f"--user-data-dir={profile}", "--remote-debugging-port=0", "about:blank",
    ]  # fmt: skip
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace"
    ) as process:
        try:
            assert process.stderr is not None
            listening = (re.search(r"DevTools listening on ws://([^/]+)/", line) for line in process.stderr)
            found = next((one for one in listening if one), None)
            assert found is not None, "chromium ended before it listened"
            yield f"http://{found[1]}"
        finally:
            process.kill()


class Tab:
    """A page of the browser. `complaints` are its errors and warnings, `requests` the URLs that it asked for."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._sent = 0
        self.complaints: list[str] = []
        self.requests: list[str] = []

    async def tell(self, method: str, **params: Any) -> dict[str, Any]:
        """One command of the protocol; gives its result."""
        self._sent += 1
        await self._socket.send_json({"id": self._sent, "method": method, "params": params})
        while True:
            message = await self._socket.receive_json(timeout=PATIENCE + 10)
            self._note(message)
            if message.get("id") == self._sent:
                assert "error" not in message, message
                return dict(message["result"])

    def _note(self, message: dict[str, Any]) -> None:
        params = message.get("params", {})
        if message.get("method") in ("Runtime.exceptionThrown", "Log.entryAdded"):
            self.complaints.append(json.dumps(params))
        elif message.get("method") == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])

    async def value(self, expression: str) -> Any:
        """The value of a JavaScript expression, awaited if it is a promise."""
        result = await self.tell(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True, userGesture=True
        )
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    async def until(self, expression: str) -> Any:
        """The value of an expression, once it is true."""
        return await self.value(_UNTIL % (expression, PATIENCE * 1000, json.dumps(expression)))

    async def size(self, width: int, height: int = 1000, *, dark: bool = False) -> None:
        """Another window, and what its reader prefers."""
        await self.tell(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await self.tell("Emulation.setEmulatedMedia", features=[scheme])


@asynccontextmanager
async def tab(devtools: str, url: str) -> AsyncIterator[Tab]:
    """A new page that goes to `url`, with a session of its own."""
    async with aiohttp.ClientSession() as session:
        async with session.put(f"{devtools}/json/new?about:blank") as answer:
            target = await answer.json(content_type=None)
        async with session.ws_connect(target["webSocketDebuggerUrl"], max_msg_size=0) as socket:
            page = Tab(socket)
            for domain in ("Page", "Runtime", "Log", "Network"):
                await page.tell(f"{domain}.enable")
            await page.tell("Page.navigate", url=url)
            yield page
        async with session.get(f"{devtools}/json/close/{target['id']}"):
            pass
