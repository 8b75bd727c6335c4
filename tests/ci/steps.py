"""Plays the `run:` steps of an action or a workflow as GitHub would: as shell, with its variables and files."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

SHELL = ("bash", "--noprofile", "--norc", "-eo", "pipefail", "-c")


@dataclass
class Job:
    """What a step finds: the contexts of expressions, a directory, more variables, commands that stand in for others.

    `fakes` are shell scripts by name that come first on the PATH; what they are called with is in `calls`.
    """

    folder: Path
    path: str
    contexts: dict[str, Any] = field(default_factory=dict)
    env: dict[str, str] = field(default_factory=dict)
    fakes: Mapping[str, str] = field(default_factory=dict)
    printed: str = ""

    def __post_init__(self) -> None:
        self.files = self.folder / "github"
        (self.files / "bin").mkdir(parents=True)
        for name, text in self.fakes.items():
            fake = self.files / "bin" / name
            fake.write_text(f'#!/bin/sh\necho "{name} $*" >> "{self.files}/calls"\n{text}\n')
            fake.chmod(0o755)
        for name in ("output", "summary", "calls"):
            (self.files / name).touch()

    @property
    def calls(self) -> list[str]:
        return (self.files / "calls").read_text().splitlines()

    @property
    def summary(self) -> str:
        return (self.files / "summary").read_text()

    def play(self, steps: list[dict[str, Any]]) -> int:
        """Run every step that has a `run:` and whose condition holds; gives the exit code of the first that failed."""
        failed = 0
        for step in steps:
            if "run" not in step or not self._is_due(str(step.get("if", "success()")), failed):
                continue
            failed = self._run(step) or failed
        return failed

    def _run(self, step: dict[str, Any]) -> int:
        before = (self.files / "output").read_text()
        own = {name: self.fill(str(value)) for name, value in (step.get("env") or {}).items()}
        done = subprocess.run(
            [*SHELL, self.fill(step["run"])], cwd=self.folder, env={**self._environment(), **own},
            capture_output=True, text=True, timeout=110,
        )  # fmt: skip
        self.printed += done.stdout + done.stderr
        outputs = outputs_in((self.files / "output").read_text()[len(before) :])
        if "id" in step:
            self.contexts.setdefault("steps", {})[step["id"]] = {"outputs": outputs}
        return done.returncode

    def _environment(self) -> dict[str, str]:
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith("GITHUB_")},
            "PATH": f"{self.files / 'bin'}:{self.path}:/usr/bin:/bin",
            "GITHUB_ACTIONS": "true",
            "GITHUB_OUTPUT": str(self.files / "output"),
            "GITHUB_STEP_SUMMARY": str(self.files / "summary"),
            **self.env,
        }

    def fill(self, text: str) -> str:
        """`text` with the values of its `${{ … }}`."""
        return re.sub(r"\$\{\{ *([\w.\-]+) *\}\}", lambda found: str(self._value(found[1])), text)

    def _value(self, name: str) -> Any:
        found: Any = {**self.contexts, "env": self.env}
        for part in name.split("."):
            found = found.get(part, "") if isinstance(found, dict) else ""
        return found

    def _is_due(self, condition: str, failed: int) -> bool:
        """The forms that our files use: always(), comparisons with a text, && between them."""
        parts = [part.strip() for part in condition.split("&&")]
        if failed and "always()" not in parts:
            return False
        return all(self._holds(part) for part in parts if part not in ("always()", "success()"))

    def _holds(self, part: str) -> bool:
        found = re.fullmatch(r"([\w.\-]+) (==|!=) '(.*)'", part)
        assert found is not None, f"a condition that this test cannot read: {part}"
        same = str(self._value(found[1])) == found[3]
        return same if found[2] == "==" else not same


def outputs_in(text: str) -> dict[str, str]:
    """`name=value` lines, and values of several lines between `name<<END` and END."""
    found: dict[str, str] = {}
    lines = iter(text.splitlines())
    for line in lines:
        name, several, end = line.partition("<<")
        if several and "=" not in name:
            found[name] = "\n".join(iter(partial(next, lines), end))
        else:
            name, _, found_value = line.partition("=")
            found[name] = found_value
    return found


def read(path: Path) -> dict[str, Any]:
    """A YAML file of GitHub or GitLab."""
    content: dict[str, Any] = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    return content


def defaults(action: Mapping[str, Any]) -> dict[str, str]:
    """The inputs of an action as they are if nobody says anything."""
    return {name: str(one.get("default", "")) for name, one in action["inputs"].items()}
