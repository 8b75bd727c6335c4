"""`windtunnel ab` as a user has it: played, judged, and told by the exit code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.runs.command import NOT_VALID, ask

pytestmark = pytest.mark.timeout(300)

SCENARIO = """
name: NAME
about: Refusals for some seconds.
seed: 1
provider: {answer: {first_token: 300ms, tokens: 8}}
load: {api: chat, stream: false, arrivals: poisson, rate: 5/s, instances: 1, deadline: 3s}
phases:
  - {name: calm, for: 1s}
  - {name: bad, for: 3s, rules: [{fault: overloaded, rate: 0.6}]}
clients: [./patient.yaml]
"""
CLIENT = """
name: NAME
about: So many tries.
driver: httpx2-async
timeouts: {connect: 1s, read: 2s, write: 1s, pool: 1s}
pool: {connections: 20}
retries: {kind: exponential, tries: TRIES, base: 100ms, cap: 200ms, jitter: none}
"""
OWN = """
import os

async def ask(call):
    headers = {**call.headers, "x-process": str(os.getpid())}
    answer = await call.http_client.post(f"{call.base_url}/chat/completions", json=call.body, headers=headers)
    answer.raise_for_status()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two scenarios, and two clients: one that tries again, and one that does not."""
    for name in ("first", "second"):
        (tmp_path / f"{name}.yaml").write_text(SCENARIO.replace("NAME", name))
    for name, tries in (("patient", 5), ("hasty", 1)):
        (tmp_path / f"{name}.yaml").write_text(CLIENT.replace("NAME", name).replace("TRIES", str(tries)))
    return tmp_path


def test_a_client_against_itself_is_the_same(folder: Path) -> None:
    """Equal digests in every seed of both scenarios: `same`, exit 0."""
    clients = ("--a", "./patient.yaml", "--b", "./patient.yaml")
    played = ask("ab", "./first.yaml", "./second.yaml", *clients, "--seeds", "2", "--out", "out", cwd=folder)
    assert (played.code, played.out.splitlines()[-1]) == (0, "out"), played.err
    found = json.loads((folder / "out" / "ab.json").read_text())
    assert (found["result"], [one["alike"] for one in found["scenarios"]]) == ("same", [2, 2])
    assert (folder / "out" / "second" / "report.html").is_file()


def test_a_worse_client_is_found_and_its_call_can_be_replayed(folder: Path) -> None:
    """Without retries the goodput falls: exit 1, the row on the terminal, and a replay command that runs as printed."""
    clients = ("--a", "./patient.yaml", "--b", "./hasty.yaml")
    played = ask("ab", "./first.yaml", *clients, "--seeds", "12", "--out", "out", cwd=folder)
    assert played.code == 1, played.out + played.err
    assert any(line.split()[0] == "goodput" and "✗ worse" in line for line in played.out.splitlines()[1:-2])
    command = next(line for line in played.out.splitlines() if "windtunnel replay" in line)
    replayed = ask(*command.split()[1:], cwd=folder.parent)
    assert replayed.code == 0, replayed.err


def test_code_that_is_not_the_same_again_is_not_judged(folder: Path) -> None:
    """Every seed of a user's own code is played twice; where it differs nothing is claimed: exit 3, with the reason."""
    (folder / "own.py").write_text(OWN)
    (folder / "own.yaml").write_text(
        "name: own\nabout: One's own.\ndriver: python\ntarget: own:ask\ntimeouts: {total: 2s}\n"
        "pool: {connections: 20, keepalive: 20, expiry: 5s}\nretries: {kind: none, tries: 1}\n"
    )
    clients = ("--a", "./patient.yaml", "--b", "./own.yaml")
    played = ask("ab", "./first.yaml", *clients, "--seeds", "2", "--out", "out", cwd=folder)
    assert played.code == NOT_VALID
    assert "played twice with one seed" in played.out
    assert json.loads((folder / "out" / "ab.json").read_text())["result"] == "invalid"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["./first.yaml", "--b", "no-such-client"], "no-such-client"),
        (["./nowhere.yaml", "--b", "./hasty.yaml"], "nowhere.yaml"),
        (["./first.yaml", "--b", "./hasty.yaml", "--floor", "godput=1"], "did you mean 'goodput'?"),
        (["./first.yaml", "--b", "./hasty.yaml", "--out", "."], "a directory with files in it"),
    ],
)
def test_wrong_input_is_one_message_before_anything_is_played(
    folder: Path, arguments: list[str], said: str
) -> None:
    """Exit 2, one line, and nothing is left behind."""
    before = sorted(folder.iterdir())
    played = ask("ab", *arguments, "--a", "./patient.yaml", cwd=folder)
    assert (played.code, len(played.err.splitlines())) == (2, 1), played.err
    assert said in played.err
    assert sorted(folder.iterdir()) == before
