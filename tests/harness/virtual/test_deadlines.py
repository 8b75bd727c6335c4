"""No deadline of a client fires early or late on the virtual clock, whatever its float, and at whatever moment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.harness.clients.conftest import profile_of, skip_if_missing

ASYNC = ("openai-async", "openai-aiohttp", "httpx2-async", "aiohttp", "python")
LONG = "1000s"
LATE_S = 0.002
"""What a client of the real libraries needs to connect, to send and to be told, in virtual seconds."""

AIOHTTP_ROUNDS = 1.0
"""aiohttp itself puts limits of more than five seconds off to the next whole second of its loop."""

LIMITS = st.floats(0.001, 60.0) | st.integers(1, 60_000).map(lambda ms: ms / 1000)
Ask = Callable[..., list[Any]]


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    """`ask(profile, wait, blackhole)` makes a call in a process on the virtual clock."""
    command = [
        sys.executable,
        str(Path(__file__).parent / "deadline_process.py"),
        str(tmp_path_factory.mktemp("x")),
    ]
    environment = {**os.environ, "PYTHONHASHSEED": "0", "PYTHONPATH": str(Path(__file__).parents[3])}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        talk, listen = process.stdin, process.stdout

        def say(profile: dict[str, Any], wait: float = 0.0, *, blackhole: bool = False) -> str:
            talk.write(json.dumps({"profile": profile, "wait": wait, "blackhole": blackhole}) + "\n")
            talk.flush()
            return listen.readline()

        assert say(profile_of("openai-async")) == "ready\n"
        yield lambda *given, **more: json.loads(say(*given, **more))
        talk.close()
        assert process.wait(20) == 0


@pytest.mark.parametrize("layer", ["connect", "read", "total"])
@pytest.mark.parametrize("driver", ASYNC)
def test_every_driver_keeps_every_deadline(ask: Ask, driver: str, layer: str) -> None:
    """A call that hangs ends when its limit says: never before, and not later than the library itself allows."""
    skip_if_missing(driver)
    if driver == "python" and layer != "total":
        pytest.skip("a callable's own client has its own limits")

    @settings(deadline=None, max_examples=25)
    @given(LIMITS, st.floats(0.0, 5.0))
    def check(limit: float, wait: float) -> None:
        timeouts = {"connect": LONG, "read": LONG, "write": LONG, "pool": LONG} | {layer: f"{limit:.9f}s"}
        profile = profile_of(driver, timeouts=timeouts)
        began, ended, outcome, error = ask(profile, wait, blackhole=layer == "connect")
        slack = LATE_S + (AIOHTTP_ROUNDS if "aiohttp" in driver else 0.0)
        assert round(limit, 9) <= ended - began + 1e-9 <= limit + slack, (outcome, error)

    check()
