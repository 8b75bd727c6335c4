"""The files of a first scenario, made from templates or from a scenario of the gallery; written all or none."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Final, Literal

from windtunnel.harness.contract.files import write_whole
from windtunnel.harness.errors import InputError, listing, nearest
from windtunnel.harness.inputs.gallery import gallery_folder, scenario_names
from windtunnel.harness.inputs.profile import TARGET
from windtunnel.harness.inputs.target import FORM, OwnCode, look_at
from windtunnel.harness.inputs.yaml_source import read_yaml

Ci = Literal["github", "gitlab", "none"]
Example = Literal["async", "async-stream", "plain", "plain-stream"]
EXAMPLE: Final = "my_client"
"""The module that an example is written to, beside its profile."""
STARTER: Final = "starter"
"""The scenario that is made for this: short, with a fault that every client meets one day."""
WORKFLOWS: Final[Mapping[Ci, str]] = {
    "github": ".github/workflows/windtunnel.yml",
    "gitlab": ".gitlab/windtunnel.yml",
}
_FOLDER: Final = r"[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a user asked for: the callable, or an example of one; a scenario, a CI system, the folder for both files."""

    target: str
    scenario: str = STARTER
    ci: Ci = "github"
    folder: str = "resilience"
    example: Example | None = None


def planned(wanted: Wanted, root: Path) -> dict[Path, str]:
    """Every file with its content. Raises `InputError` if the target cannot be called, or anything is there already."""
    if wanted.example is not None:
        if wanted.target:
            raise InputError(
                "windtunnel init",
                path="--example",
                found=f"--target {wanted.target} as well",
                expected="one of them: a function of your own, or an example of one",
            )
        wanted = replace(wanted, target=f"{EXAMPLE}:ask")
    _check(wanted, root)
    name = re.sub(r"[^a-z0-9]+", "-", wanted.target.rpartition(":")[2].lower()).strip("-")
    known = {"NAME": name or "mine", "TARGET": wanted.target, "DIR": wanted.folder}
    folder = root / wanted.folder
    found = {
        folder / "scenario.yaml": _scenario(
            wanted.scenario, known, streams="stream" in (wanted.example or "")
        ),
        folder / "client.yaml": _filled("client.yaml", known),
    }
    if wanted.example is not None:
        found |= _example(wanted.example, folder, found.pop(folder / "client.yaml"))
    if wanted.ci != "none":
        found[root / WORKFLOWS[wanted.ci]] = _filled(f"{wanted.ci}.yml", known)
    there = [path for path in found if path.exists() or path.is_symlink()]
    if there:
        names = ", ".join(str(path) for path in there)
        raise InputError(
            "windtunnel init", found=f"{names} already", expected="no such file: nothing is overwritten"
        )
    for path in found:
        above = next(one for one in path.parents if one.exists())
        if not above.is_dir():
            raise InputError("windtunnel init", found=f"{above}, a file", expected=f"a folder, for {path}")
    return found


def write(planned_files: Mapping[Path, str]) -> None:
    """Write all of them, with their folders."""
    for path, content in planned_files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, content)


def _example(kind: Example, folder: Path, profile: str) -> dict[Path, str]:
    """A module with a function of a kind and its set-up, a file of prompts, and the profile that names both."""
    for key in ("setup", "prompts"):
        profile = re.sub(rf"^# ({key}: \S+).*$", r"\1", profile, flags=re.M)
    scenario = {"client.yaml": profile.replace("name: ask", f"name: {kind}")}
    texts = {
        f"{EXAMPLE}.py": _filled(f"example-{kind}.txt", {}),
        "prompts.jsonl": _filled("prompts.jsonl", {}),
    }
    return {folder / name: text for name, text in (scenario | texts).items()}


def _check(wanted: Wanted, root: Path) -> None:
    where = "windtunnel init"
    if not re.fullmatch(TARGET, wanted.target):
        found = f"'{wanted.target}'" if wanted.target else "nothing"
        expected = f"{FORM}, such as myapp:summarise"
        hint = "" if wanted.target else "--example async writes a function to begin with"
        raise InputError(where, path="--target", found=found, expected=expected, hint=hint)
    if not re.fullmatch(_FOLDER, wanted.folder) or ".." in wanted.folder.split("/"):
        expected = "a folder below this one, of letters, digits, '.', '_' and '-'"
        raise InputError(where, path="--dir", found=f"'{wanted.folder}'", expected=expected)
    known = [STARTER, *scenario_names()]
    if wanted.scenario not in known:
        raise InputError(
            where,
            path="--scenario",
            found=f"'{wanted.scenario}'",
            expected=f"one of {listing(known)}",
            hint=nearest(wanted.scenario, known),
        )
    if wanted.example is not None:
        return  # it is not written yet
    folders = (str((root / wanted.folder).resolve()), str(root.resolve()))
    looked = look_at(OwnCode(wanted.target, folders))
    if looked.found:
        raise InputError(where, path="--target", found=looked.found, expected=looked.expected)


def _scenario(name: str, known: Mapping[str, str], *, streams: bool) -> str:
    """The starter, or a scenario of the gallery with the user's client in place of its own ones."""
    if name == STARTER:
        text = _filled("scenario.yaml", {**known, "NAME": STARTER})
        return text.replace("stream: false", "stream: true") if streams else text
    path = gallery_folder() / f"{name}.yaml"
    text = re.sub(r"\A# yaml-language-server.*\n", "", path.read_text(encoding="utf-8"))
    expect = [one for one in read_yaml(path).data.get("expect") or [] if isinstance(one, str)]
    for key in ("clients", "expect"):
        text = re.sub(rf"^{key}:.*\n(?:(?:[ #-].*)?\n)*", "", text, flags=re.M)
    lines = "".join(f"  - {one}\n" for one in expect or ["goodput >= 0.5"])
    return f"{text.rstrip()}\n\nclients: [./client.yaml]\nexpect:\n{lines}"


def _filled(template: str, known: Mapping[str, str]) -> str:
    text = files("windtunnel.harness.init").joinpath("templates", template).read_text(encoding="utf-8")
    for name, value in known.items():
        text = text.replace(f"@{name}@", value)
    return text
