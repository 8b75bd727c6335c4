"""`windtunnel capacity` as it is played: a capacity that is known from the client's own code is found."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.runs.command import COMMAND

SCENARIO = """
name: gate
about: A wide provider of 0.3 s a call.
warmup: 0s
provider:
  capacity: {slots: 500}
  answer: {first_token: 100ms, tokens: 11, tokens_per_second: 50, tokens_per_chunk: 11}
load: {api: chat, arrivals: constant, rate: 1/s, deadline: 4s}
phases: [{name: all, for: 10s}]
clients: [./gate.yaml]
"""
PROFILE = """
name: gate
about: An application that makes one call at a time.
driver: python
target: gate:ask
timeouts: {read: 600s}
pool: {connections: 100, keepalive: 100, expiry: 5s}
retries: {kind: none, tries: 1}
"""
APPLICATION = """
import asyncio
import openai

async def ask(call):
    if not call.kept:
        call.kept["gate"] = asyncio.Semaphore(1)
        call.kept["client"] = openai.AsyncOpenAI(
            base_url=call.base_url, api_key=call.api_key, http_client=call.http_client
        )
    async with call.kept["gate"]:
        answer = await call.kept["client"].chat.completions.create(**call.body, extra_headers=call.headers)
    return answer.choices[0].message.content
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A scenario, and an application with a semaphore of one: one call at a time, of 0.3 s each."""
    (tmp_path / "gate.py").write_text(APPLICATION)
    (tmp_path / "gate.yaml").write_text(PROFILE)
    (tmp_path / "scenario.yaml").write_text(SCENARIO)
    return tmp_path


def capacity(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Play the command in `folder`."""
    command = [COMMAND, "capacity", "scenario.yaml", *options]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.timeout(600)  # ten plays, each a process of its own
def test_the_semaphore_of_an_application_is_found(folder: Path) -> None:
    """By Little's law it carries 1 call ÷ 0.3 s, between two levels; what is found is within 5 % of it."""
    true = 1 / 0.3  # the first token comes at 0.1 s, the last of 11 after ten gaps of 20 ms
    done = capacity(
        folder,
        *("--slo", "latency_p95_s <= 0.6", "--today", "1/s"),
        *("--within", "0.1", "--most", "3.5/s", "--out", "out"),
    )
    assert done.returncode == 0, done.stderr
    (client,) = json.loads((folder / "out" / "capacity.json").read_text())["clients"]
    assert client["status"] == "found"
    assert client["safe"] == pytest.approx(true, rel=0.05)
    assert client["low"] <= true
    assert client["high"] >= true
    assert client["wall"]["limit"] == "client"
    assert [(one["limit"], one["state"]) for one in client["wall"]["trials"]] == [
        ("slots", "failed"),
        ("queue", "failed"),
        ("pool", "failed"),
        ("slots + queue + pool", "failed"),
        ("instances", "passed"),
    ]
    assert "gate at 1/s: passed (latency_p95_s <= 0.6: 0.3" in done.stderr
    assert "in a short play [look 1]" in done.stderr
    assert sorted(path.name for path in (folder / "out").iterdir()) == [
        "answer.md",
        "capacity.json",
        "index.html",
        "levels.csv",
    ]


def test_what_even_one_call_a_second_breaks_is_unattainable(folder: Path) -> None:
    """Exit 1, with the figure, after one level."""
    done = capacity(folder, "--slo", "latency_p95_s <= 0.2", "--out", "out")
    assert done.returncode == 1, done.stderr
    assert "unattainable: even 1 call/s breaks latency_p95_s <= 0.2: latency_p95_s is 0.3" in done.stdout


def test_what_no_level_breaks_is_out_of_reach(folder: Path) -> None:
    """Exit 3, with the figure."""
    done = capacity(folder, "--slo", "latency_p95_s <= 1.5", "--most", "1/s", "--out", "out")
    assert done.returncode == 3, done.stderr
    assert "no level up to 1 call/s breaks latency_p95_s <= 1.5" in done.stdout


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--slo", "godput >= 1"), "--slo: found the unknown metric 'godput'"),
        (
            ("--slo", "goodput >= 1", "--clock", "sundial"),
            "--clock: found 'sundial', expected 'virtual' or 'real'",
        ),
        (("--slo", "goodput >= 1", "--today", "5"), "--today: found '5', expected a rate above zero"),
        (
            ("--slo", "goodput >= 1", "--price", "0.4"),
            "--price: found '0.4', expected US dollars for a million",
        ),
        (("--slo", "goodput >= 1", "--clients", "nobody"), "the unknown client 'nobody'"),
    ],
)
def test_wrong_input_is_told_in_one_message(folder: Path, options: tuple[str, ...], told: str) -> None:
    """Exit 2, and no folder is made."""
    done = capacity(folder, *options, "--out", "out")
    assert done.returncode == 2
    assert told in done.stderr
    assert not (folder / "out").exists()


def test_a_load_with_a_course_of_its_own_is_refused(folder: Path) -> None:
    """A daily curve would be dropped without a word: exit 2, and no folder is made."""
    text = SCENARIO.replace("arrivals: constant", "arrivals: {daily: office}")
    (folder / "scenario.yaml").write_text(text)
    done = capacity(folder, "--slo", "goodput >= 0.99", "--out", "out")
    assert done.returncode == 2
    assert "load.arrivals.daily: found a load with a course of its own" in done.stderr
    assert not (folder / "out").exists()
