"""Whatever code reads the time from is the virtual clock's, whatever it draws from the seed's."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

BEFORE = """
import json, sys, time as times, datetime as datetimes
from time import monotonic, time as time_, strftime
from datetime import datetime, date
from random import Random, random as random_, choice
from uuid import uuid1, uuid4
from os import urandom, getrandom
from tempfile import mkstemp, mktemp
"""
AFTER = """
import asyncio, os, random, secrets, ssl, tempfile, time, uuid, email.utils, logging
from windtunnel.harness.virtual.loop import VirtualLoop
from windtunnel.harness.virtual.determinism import make_deterministic, current_call
loop = VirtualLoop()
make_deterministic(loop, seed=int(sys.argv[1]))
class Own(random.Random): pass
def code(text):
    return eval(text)
async def main():
    await asyncio.sleep(3600.25)
    current_call.set("c1")
    found = {}
    for text in json.loads(sys.argv[2]):
        found[text] = [repr(code(text)), repr(code(text))]
    print(json.dumps(found))
loop.run_until_complete(main())
"""

TIMES = {
    "times.time()": 1767229200.25,
    "time_()": 1767229200.25,
    "times.time_ns()": 1767229200250000000,
    "monotonic()": 3600.25,
    "times.monotonic_ns()": 3600250000000,
    "times.perf_counter()": 3600.25,
    "times.process_time()": 0.0,
    "times.thread_time_ns()": 0,
    "times.clock_gettime(times.CLOCK_REALTIME)": 1767229200.25,
    "times.clock_gettime_ns(times.CLOCK_REALTIME)": 1767229200250000000,
    "times.clock_gettime(times.CLOCK_MONOTONIC)": 3600.25,
    "times.clock_gettime(times.CLOCK_BOOTTIME)": 3600.25,
    "times.clock_gettime_ns(times.CLOCK_MONOTONIC_RAW)": 3600250000000,
    "times.clock_gettime(times.CLOCK_PROCESS_CPUTIME_ID)": 0.0,
    "os.times().elapsed": 3600.25,
    "strftime('%Y-%m-%dT%H:%M:%S')": "2026-01-01T01:00:00",
    "tuple(times.localtime())[:6]": (2026, 1, 1, 1, 0, 0),
    "tuple(times.gmtime())[:6]": (2026, 1, 1, 1, 0, 0),
    "times.ctime()": "Thu Jan  1 01:00:00 2026",
    "times.asctime()": "Thu Jan  1 01:00:00 2026",
    "str(datetime.now())": "2026-01-01 01:00:00.250000",
    "str(datetime.now(datetimes.UTC))": "2026-01-01 01:00:00.250000+00:00",
    "str(datetime.utcnow())": "2026-01-01 01:00:00.250000",
    "str(datetime.today())": "2026-01-01 01:00:00.250000",
    "str(date.today())": "2026-01-01",
    "email.utils.formatdate(usegmt=True)": "Thu, 01 Jan 2026 01:00:00 GMT",
    "logging.makeLogRecord({}).created": 1767229200.25,
    "uuid1().node": 0x02_57_54_00_00_00,
    "str(uuid1())[14:18]": "11f0",
}
DRAWS = [
    "random.random()",
    "random_()",
    "random.Random().random()",
    "Random().random()",
    "Own().random()",
    "random.SystemRandom().random()",
    "random.randbytes(8)",
    "choice(range(10**9))",
    "random.gauss()",
    "secrets.token_hex(8)",
    "os.urandom(8)",
    "urandom(8)",
    "os.getrandom(8)",
    "getrandom(8, os.GRND_NONBLOCK)",
    "ssl.RAND_bytes(8)",
    "uuid.uuid1()",
    "uuid.uuid4()",
    "uuid4()",
    "tempfile.mktemp(dir='/')",
    "mktemp(dir='/')",
    "next(tempfile._get_candidate_names())",
]
STEADY = "random.Random(7).random()"
"""Who seeds a generator himself has what he asked for."""


def read(seed: int) -> dict[str, list[str]]:
    """What every source says, twice each, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", BEFORE + AFTER, str(seed), json.dumps([*TIMES, *DRAWS, STEADY])],
        capture_output=True,
        text=True,
        timeout=60,
        env={"TZ": "UTC"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, list[str]] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def sources() -> list[dict[str, list[str]]]:
    """Two processes with one seed, and a third with another."""
    return [read(1), read(1), read(2)]


@pytest.mark.parametrize("source", TIMES)
def test_the_time_is_the_loops(sources: list[dict[str, list[str]]], source: str) -> None:
    """Every way to read a clock gives virtual time, to the microsecond."""
    expected: Any = TIMES[source]
    assert sources[0][source][0] == repr(expected)


@pytest.mark.parametrize("source", DRAWS)
def test_chance_is_the_seeds(sources: list[dict[str, list[str]]], source: str) -> None:
    """Every way to draw gives the same again with the same seed, something else next time, and with another seed."""
    one, again, other = (found[source] for found in sources)
    assert one == again
    assert one[0] != one[1]
    assert one[0] != other[0]


def test_a_seeded_generator_stays_as_it_is(sources: list[dict[str, list[str]]]) -> None:
    """A generator with a seed of the user's draws what it draws elsewhere."""
    assert {value for found in sources for value in found[STEADY]} == {"0.32383276483316237"}
