"""The commands that a report prints run as they are printed, from any directory, and play the same again."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from tests.runs.command import Played, ask

pytestmark = pytest.mark.timeout(200)

SCENARIO = """
name: own
about: A scenario of one's own, under a name that no gallery has.
seed: 5
warmup: 0s
provider: {answer: {first_token: 50ms, tokens: 8}}
load: {api: chat, arrivals: poisson, rate: 120/min, deadline: 5s}
phases:
  - {name: broken, for: 4m, rules: [{fault: server_error, rate: 0.5}]}
clients: [./client.yaml, ./code.yaml]
"""
CLIENT = """
name: a client
about: Its file is beside the scenario.
driver: openai-async
timeouts: {connect: 5s}
pool: {connections: 10}
""".replace("a client", "client")
CODE = """
name: code
about: Code of one's own, which is beside the scenario as well.
driver: python
target: reproduced_application:ask
timeouts: {total: 5s}
pool: {connections: 10}
"""
APPLICATION = """
from openai import AsyncOpenAI


async def ask(call):
    client = call.kept.get("client")
    if client is None:
        client = call.kept["client"] = AsyncOpenAI(
            base_url=call.base_url, api_key=call.api_key, http_client=call.http_client, max_retries=1
        )
    return await client.chat.completions.create(**call.body, extra_headers=call.headers)
"""


def digests(folder: Path) -> list[str]:
    return [cell["digest"] for cell in json.loads((folder / "metrics.json").read_text())["cells"]]


def printed(folder: Path) -> list[str]:
    """The commands below 'Reproduce' of a summary."""
    text = (folder / "summary.md").read_text()
    found = re.search(r"## Reproduce\n\n```sh\n(.*?)\n```", text, re.DOTALL)
    assert found is not None
    return found[1].splitlines()


def run_as_printed(command: str, cwd: Path) -> Played:
    program, *arguments = shlex.split(command)
    assert program == "windtunnel"
    cwd.mkdir()
    return ask(*arguments, cwd=cwd)


def played_to(played: Played, cwd: Path) -> Path:
    return cwd / played.out.splitlines()[-1]


def test_own_files_are_played_again_from_anywhere(tmp_path: Path) -> None:
    """Own scenario, own clients, own code, `--out`, `--time-scale`: both commands run in another directory."""
    home = tmp_path / "home folder"
    home.mkdir()
    (home / "own.yaml").write_text(SCENARIO)
    (home / "client.yaml").write_text(CLIENT)
    (home / "code.yaml").write_text(CODE)
    (home / "reproduced_application.py").write_text(APPLICATION)
    first = ask("run", "own.yaml", "--out", "my run", "--time-scale", "1/24", "--seed", "9", cwd=home)
    assert first.code == 0, first.err
    run_command, report_command = printed(home / "my run")
    again = run_as_printed(run_command, tmp_path / "elsewhere")
    assert again.code == 0, again.err
    folder = played_to(again, tmp_path / "elsewhere")
    assert digests(folder) == digests(home / "my run")
    assert run_as_printed(report_command, tmp_path / "third").code == 0
    third = run_as_printed(printed(folder)[0], tmp_path / "fourth")  # and what was played again, again
    assert digests(played_to(third, tmp_path / "fourth")) == digests(home / "my run")


def test_the_gallery_is_played_again_by_name(tmp_path: Path) -> None:
    """A run of the gallery's own needs no file: the command goes to others, who have the same version."""
    first = ask("run", "healthy", "--clients", "polite", "--time-scale", "1/12", "--out", "run", cwd=tmp_path)
    assert first.code == 0, first.err
    command = printed(tmp_path / "run")[0]
    assert str(tmp_path) not in command
    assert "--clock virtual" in command
    again = run_as_printed(command, tmp_path / "elsewhere")
    assert digests(played_to(again, tmp_path / "elsewhere")) == digests(tmp_path / "run")


def test_one_seed_of_many_is_played_again(tmp_path: Path) -> None:
    """The command of an extreme plays that cell alone, to the same digest, for files of one's own as well."""
    (tmp_path / "own.yaml").write_text(SCENARIO.replace("./code.yaml", "polite"))
    (tmp_path / "client.yaml").write_text(CLIENT)
    first = ask("run", "own.yaml", "--seeds", "2", "--time-scale", "1/24", "--out", "run", cwd=tmp_path)
    assert first.code == 0, first.err
    found = re.search(r"To play one seed again: `(.*)`", (tmp_path / "run" / "summary.md").read_text())
    assert found is not None
    command = found[1].replace("CLIENT", "client").replace("SEED", "6")
    again = run_as_printed(command, tmp_path / "elsewhere")
    cells = {
        (cell["client"], cell["seed"]): cell["digest"]
        for cell in json.loads((tmp_path / "run" / "metrics.json").read_text())["cells"]
    }
    assert digests(played_to(again, tmp_path / "elsewhere")) == [cells["client", 6]]


def test_a_plan_that_is_none_is_refused(tmp_path: Path) -> None:
    """A file that is no plan, or a plan of another version, is the user's mistake, and named."""
    (tmp_path / "plan.json").write_text("{}")
    refused = ask("run", "plan.json", cwd=tmp_path)
    assert refused.code == 2
    assert "a plan written by windtunnel" in refused.err
