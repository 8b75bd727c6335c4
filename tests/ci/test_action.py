"""The GitHub Action and the workflow, played step by step as shell: no Action runs here."""

from __future__ import annotations

import json
import sys
import xml.etree.ElementTree as Xml
from pathlib import Path
from typing import Any

import pytest

from tests.ci.steps import Job, defaults, read

GITHUB = Path(__file__).parents[2] / ".github"
ACTION = GITHUB / "actions" / "windtunnel" / "action.yml"
WORKFLOW = GITHUB / "workflows" / "newest-openai.yml"
MANUAL = GITHUB.parent / "reports" / "README.md"
pytestmark = pytest.mark.slow
BIN = str(Path(sys.executable).parent)

SCENARIO = """
name: {name}
about: A second of calls.
seed: 1
load: {{api: chat, arrivals: constant, rate: 5/s, deadline: 10s}}
warmup: 0s
phases: [{{name: p, for: 1s}}]
clients: [httpx2-async-default]
expect: ["goodput >= 0.9"]
"""


def job(folder: Path, *, fakes: dict[str, str] | None = None, **inputs: str) -> Job:
    """A job in which the action is used with `inputs`."""
    given = defaults(read(ACTION)) | {name.replace("_", "-"): value for name, value in inputs.items()}
    (folder / "mine.yaml").write_text(SCENARIO.format(name="mine"))
    github: dict[str, Any] = {
        "token": "t",
        "repository": "us/ours",
        "event": {"pull_request": {"number": "7"}},
    }
    return Job(folder, BIN, {"inputs": given, "github": github}, fakes=fakes or {})


def play(found: Job) -> int:
    return found.play(read(ACTION)["runs"]["steps"])


def test_the_action_leaves_run_files_and_summary(tmp_path: Path) -> None:
    """A scenario that holds: exit 0, outputs, the three files, the run directory, and the summary of the job."""
    found = job(
        tmp_path, scenarios="mine.yaml", install="", expect="amplification <= 1.5\n\nwait_p99_s <= 9\n"
    )
    assert play(found) == 0, found.printed
    assert found.fill("${{ steps.check.outputs.exit-code }}") == "0"
    assert Xml.parse(tmp_path / found.fill("${{ steps.check.outputs.junit }}")).getroot().get("tests") == "3"
    assert (tmp_path / found.fill("${{ steps.check.outputs.markdown }}")).read_text() in found.summary
    assert (tmp_path / "windtunnel-out" / "run" / "report.html").is_file()
    assert found.calls == []


def test_a_failed_check_fails_the_action_and_is_told(tmp_path: Path) -> None:
    """Exit 1 with an annotation; the files are there, and the comment is made all the same."""
    gh = 'case "$*" in *--edit-last*) exit 1;; esac'
    found = job(
        tmp_path, fakes={"gh": gh}, scenarios="mine.yaml", install="", expect="goodput >= 2", comment="true"
    )
    assert play(found) == 1, found.printed
    assert "::error title=windtunnel%3A mine::httpx2-async-default: goodput" in found.printed
    assert json.loads((tmp_path / "windtunnel-out" / "check.json").read_text())["exit_code"] == 1
    assert [call.split("--body-file")[0] for call in found.calls] == [
        "gh pr comment 7 --repo us/ours --edit-last ",
        "gh pr comment 7 --repo us/ours ",
    ]


def test_a_mistake_in_the_scenario_ends_it(tmp_path: Path) -> None:
    """Exit 2, and nothing is checked or commented."""
    found = job(tmp_path, fakes={"gh": ""}, scenarios="none.yaml", install="", comment="true")
    assert play(found) == 2
    assert "none.yaml" in found.printed
    assert found.calls == []


def test_inputs_are_no_shell(tmp_path: Path) -> None:
    """What an input holds is never run: values reach the shell as variables."""
    action = read(ACTION)
    assert all("${{" not in step.get("run", "") for step in action["runs"]["steps"])
    found = job(
        tmp_path,
        fakes={"pip": ""},
        scenarios="mine.yaml",
        install="x; touch evil",
        expect='x"; touch evil; "',
    )
    assert play(found) == 2, found.printed
    assert found.calls == ["pip install --quiet --disable-pip-version-check x; touch evil"]
    assert not (tmp_path / "evil").exists()


def test_the_workflow_compares_the_newest_release_with_the_known_one(tmp_path: Path) -> None:
    """Its steps, then those of the action with what it hands over: one scenario with the same version is the same."""
    workflow = read(WORKFLOW)
    one = workflow["jobs"]["newest"]
    (tmp_path / "mine.yaml").write_text(SCENARIO.format(name="mine"))
    env = {"SCENARIOS": "mine.yaml", "CLIENTS": "httpx2-async-default", "SEEDS": "2"}
    assert set(env) == set(one["env"])
    found = Job(tmp_path, BIN, {}, env, fakes={"pip": ""})
    assert found.play(one["steps"]) == 0, found.printed
    used = next(step for step in one["steps"] if step.get("uses") == "./.github/actions/windtunnel")
    given = {name: found.fill(str(value)) for name, value in used["with"].items()}
    found.contexts["inputs"] = defaults(read(ACTION)) | given
    assert play(found) == 0, found.printed
    assert "same: what it did is equal in all 2 seeds" in found.printed
    assert [call.split()[-1] for call in found.calls] == [".[lab]", "openai<4"]


@pytest.mark.parametrize("path", [ACTION, WORKFLOW], ids=lambda path: path.name)
def test_every_action_that_is_used_has_a_version(path: Path) -> None:
    """Another's action is named with its version, and no step is left without a shell where one is needed."""
    content = read(path)
    steps = content["runs"]["steps"] if "runs" in content else content["jobs"]["newest"]["steps"]
    used = [step["uses"] for step in steps if "uses" in step]
    assert all(one.startswith("./") or "@v" in one for one in used)
    assert all("run" in step or "uses" in step for step in steps)
    if "runs" in content:
        assert all(step.get("shell") == "bash" for step in steps if "run" in step)


def test_the_example_for_gitlab_runs_as_it_is_written(tmp_path: Path) -> None:
    """The script of the manual's job, line by line; what it keeps is there afterwards."""
    block = MANUAL.read_text(encoding="utf-8").split("```yaml\n# .gitlab-ci.yml\n")[1].split("```")[0]
    (tmp_path / "gitlab.yml").write_text(block)
    one = read(tmp_path / "gitlab.yml")["windtunnel"]
    (tmp_path / "mine.yaml").write_text(SCENARIO.format(name="mine"))
    found = Job(tmp_path, BIN, env={"GITHUB_ACTIONS": ""}, fakes={"pip": ""})
    assert found.play([{"run": "\n".join(one["script"])}]) == 0, found.printed
    assert Xml.parse(tmp_path / one["artifacts"]["reports"]["junit"]).getroot().get("failures") == "0"
    assert all((tmp_path / path).is_dir() for path in one["artifacts"]["paths"])
    assert "::error" not in found.printed
