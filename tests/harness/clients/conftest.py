"""A player process for the whole session, and a short way of writing what it shall play."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.harness.clients.fault_server import FaultServer, Handler
from windtunnel.harness.clients.drivers.openai_aiohttp import DriverMissingError, aiohttp_transport

ROOT = Path(__file__).parents[3]
BODY = {"model": "gpt-4.1-mini", "messages": [{"role": "user", "content": "Hello"}]}
Row = dict[str, Any]
DRIVERS = ("openai", "openai-async", "openai-aiohttp", "httpx2", "httpx2-async", "aiohttp", "python")
SDKS = ("openai", "openai-async", "openai-aiohttp")


@dataclass(frozen=True)
class Played:
    """The rows that a job left, and what the server saw of it."""

    calls: list[Row]
    attempts: list[Row]
    server: FaultServer

    @property
    def call(self) -> Row:
        assert len(self.calls) == 1
        return self.calls[0]


Play = Callable[..., Played]


def skip_if_missing(driver: str) -> None:
    """Skip a test of a driver that the installed SDK cannot have, with its own message as the reason."""
    if driver == "openai-aiohttp":
        try:
            aiohttp_transport()
        except DriverMissingError as error:
            pytest.skip(str(error))


@pytest.fixture(scope="session")
def player() -> Iterator[subprocess.Popen[str]]:
    environment = {**os.environ, "NO_PROXY": "127.0.0.1", "WINDTUNNEL_PARENT_PID": str(os.getpid())}
    command = [sys.executable, str(Path(__file__).parent / "client_process.py")]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, cwd=ROOT
    ) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(20) == 0


def profile_of(driver: str, **parts: Any) -> dict[str, Any]:
    """A profile that makes one try and allows a lot of time."""
    if driver == "exec":
        return {"name": "tested", "about": "A test.", "driver": driver, "timeouts": {}, "pool": {}, **parts}
    timeouts = {"connect": "5s", "read": "20s", "write": "20s", "pool": "20s", **parts.pop("timeouts", {})}
    pool = {"connections": 100, "keepalive": 10, "expiry": "5s", **parts.pop("pool", {})}
    if driver.startswith("openai"):
        parts.setdefault("sdk", {"max_retries": 0})
    if driver.endswith("aiohttp"):
        pool["keepalive"] = None
    if driver == "aiohttp":
        timeouts["write"] = None
    if driver == "python":
        parts = {"target": "targets:ask", "target_folders": [str(Path(__file__).parent)], **parts}
    return {
        "name": "tested",
        "about": "A test.",
        "driver": driver,
        "timeouts": timeouts,
        "pool": pool,
        **parts,
    }


@pytest.fixture
def play(player: subprocess.Popen[str]) -> Play:
    """`play(driver, handler, stream=…, calls=…, **parts of the profile)` plays calls against a handler."""

    def run(
        driver: str,
        handler: Handler | str,
        *,
        calls: int = 1,
        api: str = "chat",
        stream: bool = False,
        body: Row | None = None,
        warm_up: bool = False,
        cancel_after_s: float | None = None,
        **parts: Any,
    ) -> Played:
        skip_if_missing(driver)
        content = {**(BODY if body is None else body), **({"stream": True} if stream else {})}
        specs = [{"call_id": f"c{n}", "api": api, "stream": stream, "body": content} for n in range(calls)]
        job = {"profile": profile_of(driver, **parts), "specs": specs, "warm_up": warm_up}
        server = FaultServer(handler if callable(handler) else lambda exchange: None)
        with server.running():
            url = server.base_url if callable(handler) else handler
            line = json.dumps({**job, "base_url": url, "cancel_after_s": cancel_after_s})
            assert player.stdin is not None
            assert player.stdout is not None
            player.stdin.write(line + "\n")
            player.stdin.flush()
            answer = player.stdout.readline()
        assert answer, "the player died; its error is above"
        rows = json.loads(answer)
        return Played(rows["calls"], rows["attempts"], server)

    return run
