"""Environments for programs on Node: a folder with what `npm install` puts there, and a record of it.

A program finds the folder by `WINDTUNNEL_ENV`, and its commands on the PATH. The package `node` brings a Node of its
own along, for what wants a newer one.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from windtunnel.harness.contract.files import read_json, write_json
from windtunnel.harness.environments.home import RECORD, env_folder
from windtunnel.harness.environments.interpreter import clean_environment
from windtunnel.harness.errors import InputError

Say = Callable[[str], None]
COMMAND = "windtunnel env create"
ARGUMENTS = ("--no-audit", "--no-fund", "--no-progress", "--loglevel", "warn")
LAST_LINES = 4
TIMEOUT_S = 20.0


@dataclass(frozen=True, slots=True)
class NpmEnvironment:
    """A made environment, with the versions of Node and of what was asked for; `warnings` are npm's, on engines."""

    folder: Path
    versions: dict[str, str]
    warnings: tuple[str, ...]


def create_npm(
    name: str, packages: Sequence[str], *, replace: bool = False, say: Say = lambda _: None
) -> NpmEnvironment:
    """Make the environment of a name. Raises InputError if there is one already, or npm cannot make it."""
    folder = env_folder(name)
    if (folder / RECORD).exists() and not replace:
        found = f"'{name}', which there is already"
        raise InputError(COMMAND, path="NAME", found=found, expected="another name, or --replace")
    npm = shutil.which("npm")
    if npm is None:
        expected = "npm, which comes with Node (nodejs.org, or your system's package nodejs)"
        raise InputError(COMMAND, path="--npm", found="no npm on the PATH", expected=expected)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        say(f"making {folder} with {npm}")
        (folder / "package.json").write_text('{"private": true}\n', encoding="utf-8")
        done = subprocess.run(
            [npm, "install", *ARGUMENTS, "--", *packages],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
            env=clean_environment(),
        )
        if done.returncode != 0:
            raise InputError(COMMAND, path="--npm", found=", ".join(packages), hint=_complaint(done.stderr))
        versions = {"node": _node_version(folder), **_installed(folder)}
        write_json(
            folder / RECORD,
            {
                "npm": list(packages),
                "with": [],
                "created": datetime.now(UTC).isoformat(timespec="seconds"),
                "versions": versions,
            },
            indent=1,
        )
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return NpmEnvironment(folder, versions, tuple(_engines(folder, versions, done.stderr)))


def _complaint(printed: str) -> str:
    """What npm says is wrong."""
    lines = [line.split(" ", 2)[-1].strip() for line in printed.splitlines() if line.startswith("npm error")]
    told = [line for line in lines if line and not line.startswith(("A complete log", "code "))]
    return "; ".join(told[:LAST_LINES]) or "npm failed"


def _node_version(folder: Path) -> str:
    """The version of the Node that programs of the environment get."""
    own = folder / "node_modules" / ".bin" / "node"
    node = str(own) if own.exists() else shutil.which("node")
    if node is None:
        return "absent"
    done = subprocess.run(
        [node, "--version"],
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT_S,
        stdin=subprocess.DEVNULL,
    )
    return done.stdout.strip().removeprefix("v") or "absent"


def _installed(folder: Path) -> dict[str, str]:
    """Version of each package that was asked for, by name."""
    names = read_json(folder / "package.json").get("dependencies", {})
    return {str(name): _manifest(folder, name).get("version", "absent") for name in names}


def _manifest(folder: Path, name: str) -> dict[str, str]:
    path = folder / "node_modules" / name / "package.json"
    found: dict[str, str] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return found


def _engines(folder: Path, versions: dict[str, str], printed: str) -> list[str]:
    """What of it wants another Node than there is, which npm installs all the same."""
    # With a Node of its own in it, npm's own Node, of which npm speaks, plays nothing.
    if "EBADENGINE" not in printed or "node" in _installed(folder):
        return []
    told = []
    for name in versions:
        wanted = json.loads(json.dumps(_manifest(folder, name).get("engines") or {}))
        if isinstance(wanted, dict) and "node" in wanted and f"'{name}@" in printed:
            told.append(
                f"{name} {versions[name]} wants Node {wanted['node']}, and this is {versions['node']}"
            )
    return told or ["npm says EBADENGINE: something in it wants another Node than this"]
