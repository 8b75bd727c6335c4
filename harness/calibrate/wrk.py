"""Requests per second under wrk, a load generator that costs a fraction of the server it drives."""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from windtunnel.harness.calibrate.closed_loop import BODY
from windtunnel.harness.calibrate.pinned import pinned
from windtunnel.harness.errors import MeasurementError

CONNECTIONS = 32
INSTALL = "wrk is not installed: apt-get install wrk"
RATE = re.compile(r"Requests/sec: *([\d.]+)")
WRONG = re.compile(r"(Non-2xx[^\n]*|Socket errors[^\n]*)")


def installed() -> bool:
    """Whether there is a wrk on the path."""
    return shutil.which("wrk") is not None


async def requests_per_second(port: int, seconds: float, folder: Path, cores: Sequence[int] = ()) -> float:
    """What one thread of wrk with 32 connections got answered, each request a call of its own.

    Raises `MeasurementError` if any answer was not a 200 or any connection broke.
    """
    script = folder / "post.lua"
    script.write_text(post())
    command = [
        "wrk",
        "-t1",
        f"-c{CONNECTIONS}",
        f"-d{seconds:.0f}s",
        "-s",
        str(script),
        f"http://127.0.0.1:{port}",
    ]
    process = await asyncio.create_subprocess_exec(
        *pinned(cores, command), stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE
    )
    try:
        printed, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return rate(printed.decode())


def rate(printed: str) -> float:
    """The figure in what wrk printed. Raises `MeasurementError` where answers were wrong, or there is none."""
    wrong = WRONG.search(printed)
    found = RATE.search(printed)
    if wrong or not found:
        raise MeasurementError(f"calibrate: wrk says {wrong[1] if wrong else printed.strip()[-200:]!r}")
    return float(found[1])


def post() -> str:
    """The script of wrk: a small non-streamed chat completion, as `closed_loop` sends it."""
    body = BODY.decode().replace('"', '\\"')
    return (
        "local run, n = os.time(), 0\n"
        "function request()\n"
        "  n = n + 1\n"
        '  local headers = {["Content-Type"] = "application/json", ["Authorization"] = "Bearer sk-windtunnel",\n'
        '                   ["x-windtunnel-call"] = "w" .. run .. "-" .. n}\n'
        f'  return wrk.format("POST", "/v1/chat/completions", headers, "{body}")\n'
        "end\n"
    )
