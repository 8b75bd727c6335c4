"""`windtunnel init`: what it writes runs as it is written, and nothing is overwritten."""

from __future__ import annotations

import sys
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from tests.ci.steps import Job, read
from windtunnel.harness.cli.main import app
from windtunnel.harness.errors import InputError
from windtunnel.harness.inputs.gallery import load_scenario, scenario_names

pytestmark = pytest.mark.slow
BIN = str(Path(sys.executable).parent)
APP = """
from openai import AsyncOpenAI


async def summarise(text: str) -> str:
    async with AsyncOpenAI() as client:
        answer = await client.chat.completions.create(
            model="gpt-4.1-mini", messages=[{"role": "user", "content": text}]
        )
    return answer.choices[0].message.content


def plain(text: str) -> str:
    return text


def both(one, other): ...
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with a module that makes calls; the command is started there."""
    (tmp_path / "myapp.py").write_text(APP)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def init(*options: str) -> list[str]:
    """What was printed by a command that must succeed."""
    shown = CliRunner().invoke(app, ["init", "--yes", *options])
    assert shown.exit_code == 0, shown.output + str(shown.exception)
    return shown.stdout.splitlines()


def files_in(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*.y*ml")}


def shortened(folder: Path) -> None:
    """A few seconds in place of forty, and two seeds, so that a test can play them."""
    path = folder / "resilience" / "scenario.yaml"
    path.write_text(path.read_text().replace("for: 10s", "for: 2s").replace("for: 20s", "for: 3s"))
    workflow = folder / ".github" / "workflows" / "windtunnel.yml"
    if not workflow.exists():
        return
    workflow.write_text(workflow.read_text().replace("--seeds 20", "--seeds 2"))


def test_what_it_writes_runs_as_written_on_github(project: Path) -> None:
    """Install, play and check of the workflow, step by step; then a baseline, with which the check compares."""
    assert init("--target", "myapp:summarise")[:3] == [
        "resilience/scenario.yaml",
        "resilience/client.yaml",
        ".github/workflows/windtunnel.yml",
    ]
    shortened(project)
    steps = read(project / ".github" / "workflows" / "windtunnel.yml")["jobs"]["windtunnel"]["steps"]
    job = Job(project, BIN, fakes={"pip": ""})
    assert job.play(steps) == 0, job.printed
    assert "## windtunnel: ✓ passed" in job.summary
    assert (project / "windtunnel-out" / "check.xml").is_file()
    again = [{"run": "windtunnel baseline write windtunnel-out/run -o resilience/baseline.json"}, steps[-2]]
    assert job.play(again) == 0, job.printed
    assert "same: what it did is equal in all 2 seeds" in job.printed


def test_what_it_writes_for_gitlab_is_a_job(project: Path) -> None:
    """Its script names the files that were written."""
    init("--target", "myapp:summarise", "--ci", "gitlab")
    job = read(project / ".gitlab" / "windtunnel.yml")["windtunnel"]
    assert "windtunnel run resilience/scenario.yaml" in job["script"][3]
    assert files_in(project) == {
        "resilience/scenario.yaml",
        "resilience/client.yaml",
        ".gitlab/windtunnel.yml",
    }


@pytest.mark.parametrize("kind", ["async", "async-stream", "plain", "plain-stream"])
def test_an_example_of_each_kind_runs_as_written(project: Path, kind: str) -> None:
    """A function with its set-up and prompts, whose every call is recorded, on the virtual clock."""
    assert init("--example", kind, "--ci", "none")[:4] == [
        "resilience/scenario.yaml",
        "resilience/client.yaml",
        "resilience/my_client.py",
        "resilience/prompts.jsonl",
    ]
    shortened(project)
    command = ["run", "resilience/scenario.yaml", "--clock", "virtual", "--out", "out"]
    shown = CliRunner().invoke(app, command)
    assert shown.exit_code == 0, shown.output + str(shown.exception)
    calls, attempts = (
        pq.read_table(project / f"out/cells/{kind}-0/{table}.parquet") for table in ("calls", "attempts")
    )
    healthy = calls.filter(pc.equal(calls["phase"], "healthy"))
    assert set(healthy["outcome"].to_pylist()) == {"ok"}
    assert set(healthy["call_id"].to_pylist()) <= set(attempts["call_id"].to_pylist())
    if kind.endswith("stream"):
        assert None not in healthy["first_token_s"].to_pylist()


@pytest.mark.parametrize("name", scenario_names())
def test_any_scenario_of_the_gallery_can_be_the_first(project: Path, name: str) -> None:
    """It is a valid scenario, of the user's client alone, and no expectation is about another one."""
    init("--target", "myapp:summarise", "--scenario", name, "--ci", "none")
    found = load_scenario("resilience/scenario.yaml")
    assert [Path(client).name for client in found.clients] == ["client.yaml"]
    assert found.expect
    assert all(one.clients is None for one in found.expect)
    assert files_in(project) == {"resilience/scenario.yaml", "resilience/client.yaml"}


@pytest.mark.parametrize("there", ["resilience/client.yaml", ".github/workflows/windtunnel.yml"])
def test_nothing_is_overwritten(project: Path, there: str) -> None:
    """One file that is there already, and none is written."""
    path = project / there
    path.parent.mkdir(parents=True)
    path.write_text("mine")
    shown = CliRunner().invoke(app, ["init", "--yes", "--target", "myapp:summarise"])
    assert isinstance(shown.exception, InputError)
    assert there in str(shown.exception)
    assert path.read_text() == "mine"
    assert files_in(project) == {there}


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (
            [],
            "--target: found nothing, expected package.module:function, such as myapp:summarise (--example async ",
        ),
        (
            ["--target", "myapp:summarise", "--example", "plain"],
            "--example: found --target myapp:summarise as well",
        ),
        (["--target", "myapp"], "--target: found 'myapp', expected package.module:function"),
        (["--target", "noapp:summarise"], "no module 'noapp'"),
        (["--target", "myapp:summarize"], "one of its functions: summarise, plain, both"),
        (["--target", "myapp:both"], "both(one, other), expected parameters among call, prompt"),
        (["--target", "myapp:summarise", "--scenario", "retry_strom"], "did you mean 'retry_storm'?"),
        (["--target", "myapp:summarise", "--dir", "../x"], "--dir: found '../x'"),
    ],
)
def test_a_mistake_is_told_and_nothing_is_written(project: Path, options: list[str], told: str) -> None:
    """The message names the option, what was found and what was expected."""
    shown = CliRunner().invoke(app, ["init", "--yes", *options])
    assert isinstance(shown.exception, InputError)
    assert told in str(shown.exception)
    assert files_in(project) == set()


def test_what_is_not_given_is_asked_for(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal: the target, a scenario, and a CI system until the answer is one."""
    monkeypatch.setattr("windtunnel.harness.cli.init.is_terminal", lambda: True)
    shown = CliRunner().invoke(app, ["init"], input="myapp:summarise\n\njenkins\nnone\n")
    assert shown.exit_code == 0, shown.output
    assert files_in(project) == {"resilience/scenario.yaml", "resilience/client.yaml"}
