"""Programs that know nothing of windtunnel: attempts per call are right, or it is said that they are not certain."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.harness.probe.planted import PROGRAMS, close_or_said, needs, probed, python, truth

HANGING = str(Path(__file__).parent / "hanging.yaml")


@pytest.mark.parametrize(
    "program",
    [
        "requests_session",
        "aiohttp_pool",
        "sdk",
        "sdk_threads_one_prompt",
        "tenacity_over_the_sdk",
        "requests_anew",
        "agent",
    ],
)
def test_attempts_per_call_of_python_programs_are_right(tmp_path: Path, program: str) -> None:
    """Own loops, the SDK, a loop above it, callers at once, steps of an agent: within 2 % of the truth, and certain."""
    code, result = probed(tmp_path / "out", python(program), min_certainty=0.9)
    assert close_or_said(tmp_path / "out", result)
    assert code == 0
    assert result["program"]["ending"]["code"] == 0


@pytest.mark.parametrize(
    "program",
    [
        "aiohttp_pool_one_prompt",
        "httpx_threads_one_prompt",
        "requests_threads_one_prompt_anew",
        "one_prompt_one_after_the_other",
        "sdk_same_prompt_without_retries",
    ],
)
def test_what_cannot_be_told_apart_is_not_told_with_certainty(tmp_path: Path, program: str) -> None:
    """Equal prompts, one after the other or on a new connection each: right, or said aloud, and exit 3 on demand."""
    code, result = probed(tmp_path / "out", python(program), min_certainty=0.9)
    sure = close_or_said(tmp_path / "out", result)
    assert code == (0 if sure else 3)
    if program.startswith(("one_prompt", "sdk_same")):
        assert not sure


def test_a_client_that_hangs_up_and_comes_back_is_one_call(tmp_path: Path) -> None:
    """Timeouts of the client's own are seen as such: who left, after how long, and that it tried again."""
    _, result = probed(tmp_path / "out", python("impatient"), scenario=HANGING)
    assert close_or_said(tmp_path / "out", result)
    left = result["figures"]["abandonment"]
    assert left["requests"] == truth(tmp_path / "out")["attempts"] - truth(tmp_path / "out")["calls"]
    assert 0.2 < left["median_after_s"] < 3


@pytest.mark.parametrize("program", ["read", "unread", "one_prompt"])
def test_attempts_per_call_of_node_programs_are_right(tmp_path: Path, program: str) -> None:
    """Node's fetch, with answers read or left unread: within 2 % of the truth; only equal prompts may be open."""
    command = [needs("node"), str(PROGRAMS / "fetch.mjs"), program]
    code, result = probed(tmp_path / "out", command, min_certainty=0.9)
    sure = close_or_said(tmp_path / "out", result)
    assert code == (0 if sure else 3)
    assert sure or program == "one_prompt"


@pytest.fixture(scope="module")
def go_program(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The Go program, built."""
    go = needs("go")
    built = tmp_path_factory.mktemp("go") / "loops"
    subprocess.run([go, "build", "-o", str(built), str(PROGRAMS / "loops.go")], check=True, timeout=110)
    return str(built)


@pytest.mark.parametrize("program", ["drained", "undrained", "one_prompt"])
def test_attempts_per_call_of_go_programs_are_right(tmp_path: Path, go_program: str, program: str) -> None:
    """Go's net/http, whose answers are read or closed unread: within 2 %; only equal prompts may be open."""
    code, result = probed(tmp_path / "out", [go_program, program], min_certainty=0.9)
    sure = close_or_said(tmp_path / "out", result)
    assert code == (0 if sure else 3)
    assert sure or program == "one_prompt"
