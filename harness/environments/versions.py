"""Which versions a measurement was made with."""

from __future__ import annotations

import os
import platform
import sys
import sysconfig
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = (
    "windtunnel",
    "openai",
    "httpx",
    "httpcore",
    "httpx2",
    "httpcore2",
    "aiohttp",
    "uvloop",
    "locust",
    "gevent",
    "pydantic",
    "pyarrow",
    "pandas",
    "scipy",
)


def versions() -> dict[str, str]:
    """Versions of the interpreter, the system and every library that may move a result."""
    found = {"python": platform.python_version(), "system": platform.platform(), "cores": str(os.cpu_count())}
    for package in PACKAGES:
        found[package] = version_of(package)
    return found


def version_of(package: str) -> str:
    """The version of a package that is installed for this interpreter, or `absent`."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"


def installed_folders() -> list[str]:
    """The folders from which what is installed is imported; of an environment over another one, those of both."""
    own = [sysconfig.get_path(kind) for kind in ("purelib", "platlib")]
    others = [folder for folder in sys.path if Path(folder).name in ("site-packages", "dist-packages")]
    return list(dict.fromkeys([*own, *others]))
