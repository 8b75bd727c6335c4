"""The examples of 'Your own function' in the manual are played as they stand there."""

from __future__ import annotations

import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from windtunnel.harness.cli.main import app

pytestmark = pytest.mark.slow
MANUAL = Path(__file__).parents[3] / "harness" / "README.md"
SECTION = re.search(r"### Your own function\n(.*?)\n### ", MANUAL.read_text(encoding="utf-8"), re.DOTALL)
assert SECTION is not None
EXAMPLES = re.findall(
    r"```python\n(# my_client\.py\n.*?)```\n\n```yaml\n(.*?)```(?:\n\n```json\n(.*?)```)?",
    SECTION[1],
    re.DOTALL,
)
PROFILE = "name: mine\nabout: Mine.\ndriver: python\ntimeouts: {total: 20s}\npool: {connections: 10}\n"
SCENARIO = """\
name: small
about: One refusal for each call of the second phase.
warmup: 0s
clients: [./mine.yaml]
load: {api: chat, arrivals: constant, rate: 2/s, deadline: 10s}
phases:
  - {name: calm, for: 3s}
  - {name: refused, for: 3s, rules: [{fault: rate_limit_requests, first: 1}]}
"""


def test_the_examples_are_found() -> None:
    """One of each: plain text, prompts, a set-up, windtunnel's tools."""
    assert len(EXAMPLES) == 4
    assert sum(bool(prompts) for _, _, prompts in EXAMPLES) == 1


@pytest.mark.parametrize("example", EXAMPLES, ids=["text", "prompts", "setup", "tools"])
def test_an_example_is_played_as_it_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, example: tuple[str, str, str]
) -> None:
    """Every call of a healthy provider is well, and every attempt is recorded."""
    code, profile, prompts = example
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_client.py").write_text(code)
    (tmp_path / "mine.yaml").write_text(PROFILE + profile)
    (tmp_path / "prompts.jsonl").write_text(prompts)
    (tmp_path / "small.yaml").write_text(SCENARIO)
    shown = CliRunner().invoke(app, ["run", "small.yaml", "--clock", "virtual", "--out", "out"])
    assert shown.exit_code == 0, shown.output + str(shown.exception)
    cell = tmp_path / "out" / "cells" / "mine-0"
    calls, attempts, served = (
        pq.read_table(cell / f"{table}.parquet").to_pylist() for table in ("calls", "attempts", "served")
    )
    assert {row["outcome"] for row in calls if row["phase"] == "calm"} == {"ok"}
    assert len(attempts) == len(served) > len([row for row in calls if row["phase"]])
