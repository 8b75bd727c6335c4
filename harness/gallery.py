"""The gallery: scenarios and client profiles by name, and files of one's own beside them.

A word that ends in `.yaml` or `.yml`, or has a slash in it, is a file; any other is a name of the gallery.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from pathlib import Path

from harness.errors import InputError, listing, nearest
from harness.profile import Profile, load_profile_file
from harness.scenario import Scenario, read_scenario
from harness.yaml_source import read_yaml


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of the gallery. `about` is its first sentence or two, on one line."""

    name: str
    about: str
    path: Path


def gallery_folder() -> Path:
    """Where the gallery is: the package `scenarios`, wherever it is installed."""
    return Path(str(files("scenarios")))


def scenario_names() -> list[str]:
    """The scenarios of the gallery, in alphabetical order."""
    return _names(gallery_folder())


def client_names() -> list[str]:
    """The client profiles of the gallery, in alphabetical order."""
    return _names(gallery_folder() / "clients")


def list_scenarios() -> list[Entry]:
    """The scenarios of the gallery with what they are about."""
    return list(_entries(gallery_folder()))


def list_clients() -> list[Entry]:
    """The client profiles of the gallery with what they are about."""
    return list(_entries(gallery_folder() / "clients"))


def load_scenario(name: str | Path) -> Scenario:
    """A scenario by name or file. Raises InputError with everything that is wrong with it."""
    path = _find(str(name), gallery_folder(), "scenario", Path())
    return read_scenario(path, partial(_client, base=path.parent))


def load_profile(name: str | Path) -> Profile:
    """A client profile by name or file. Raises InputError with everything that is wrong with it."""
    return load_profile_file(_find(str(name), gallery_folder() / "clients", "client", Path()))


def is_file(name: str) -> bool:
    """Whether a word means a file rather than a name of the gallery."""
    return "/" in name or name.endswith((".yaml", ".yml"))


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
    known = _names(folder)
    if name not in known:
        raise InputError(
            "the gallery",
            found=f"the unknown {what} '{name}'",
            expected=f"one of {listing(known)}, or a .yaml file",
            hint=nearest(name, known),
        )
    return folder / f"{name}.yaml"


def _names(folder: Path) -> list[str]:
    return sorted(path.stem for path in folder.glob("*.yaml"))


def _entries(folder: Path) -> Iterator[Entry]:
    for name in _names(folder):
        path = folder / f"{name}.yaml"
        about = str(read_yaml(path).data.get("about", ""))
        yield Entry(name, " ".join(about.split()), path)
