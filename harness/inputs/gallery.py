"""The gallery: scenarios and client profiles by name, and files of one's own beside them.

A word that ends in `.yaml` or `.yml`, or has a slash in it, is a file; any other is a name of the gallery. So is
`incidents/NAME`, for the incidents seen in public, which are found as NAME alone as well: so reports call them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from pathlib import Path

from windtunnel.harness.errors import InputError, listing, nearest
from windtunnel.harness.inputs.profile import Profile, load_profile_file
from windtunnel.harness.inputs.scenario import Scenario, read_scenario
from windtunnel.harness.inputs.traces.settings import TrafficTrace
from windtunnel.harness.inputs.yaml_source import read_yaml

INCIDENTS = "incidents"


@dataclass(frozen=True, slots=True)
class GalleryEntry:
    """One file of the gallery. `about` is its first sentence or two, on one line."""

    name: str
    about: str
    path: Path


def gallery_folder() -> Path:
    """Where the gallery is: the package `scenarios`, wherever it is installed."""
    return Path(str(files("windtunnel.scenarios")))


def scenario_names() -> list[str]:
    """The scenarios of the gallery in alphabetical order, then the incidents."""
    return _scenario_names(gallery_folder())


def client_names() -> list[str]:
    """The client profiles of the gallery, in alphabetical order."""
    return _names(gallery_folder() / "clients")


def list_scenarios() -> list[GalleryEntry]:
    """The scenarios of the gallery with what they are about."""
    return list(_entries(gallery_folder(), scenario_names()))


def list_clients() -> list[GalleryEntry]:
    """The client profiles of the gallery with what they are about."""
    return list(_entries(gallery_folder() / "clients", client_names()))


def load_scenario(
    name: str | Path, *, time_scale: float | None = None, trace: TrafficTrace | None = None
) -> Scenario:
    """A scenario by name or file, in the time in which it is played: `time_scale` replaces the scenario's own.

    A `trace`, whose file is relative to the working directory, replaces its traffic.

    Raises InputError with everything that is wrong with it.
    """
    path = _find(str(name), gallery_folder(), "scenario", Path())
    scenario = read_scenario(path, partial(_client, base=path.parent))
    if trace is not None:
        scenario = scenario.with_trace(trace, Path())
    return scenario.played(time_scale)


def load_profile(name: str | Path, *, python: str | None = None) -> Profile:
    """A client profile by name or file. Raises InputError with everything that is wrong with it.

    `python`: the path of the interpreter that plays it, in place of its own.
    """
    return load_profile_file(_find(str(name), gallery_folder() / "clients", "client", Path()), python=python)


def is_file(name: str) -> bool:
    """Whether a word means a file rather than a name of the gallery."""
    if name.endswith((".yaml", ".yml")):
        return True
    return "/" in name and name.partition("/")[0] != INCIDENTS


def _client(name: str, base: Path) -> str:
    """What a scenario in the directory `base` calls a client, as it is called from anywhere."""
    path = _find(name, gallery_folder() / "clients", "client", base)
    return str(path) if is_file(name) else name


def _find(name: str, folder: Path, what: str, base: Path) -> Path:
    if is_file(name):
        path = base / name
        if not path.is_file():
            raise InputError(
                path, found="no such file" if not path.exists() else "no file", expected=f"a {what} file"
            )
        return path
    known = _scenario_names(folder) if what == "scenario" else _names(folder)
    if name not in known and f"{INCIDENTS}/{name}" in known:
        name = f"{INCIDENTS}/{name}"
    if name not in known:
        raise InputError(
            "the gallery",
            found=f"the unknown {what} '{name}'",
            expected=f"one of {listing(known)}, or a .yaml file",
            hint=nearest(name, known),
        )
    return folder / f"{name}.yaml"


def _scenario_names(folder: Path) -> list[str]:
    return [*_names(folder), *(f"{INCIDENTS}/{name}" for name in _names(folder / INCIDENTS))]


def _names(folder: Path) -> list[str]:
    return sorted(path.stem for path in folder.glob("*.yaml"))


def _entries(folder: Path, names: Iterable[str]) -> Iterator[GalleryEntry]:
    for name in names:
        path = folder / f"{name}.yaml"
        about = str(read_yaml(path).data.get("about", ""))
        yield GalleryEntry(name, " ".join(about.split()), path)
