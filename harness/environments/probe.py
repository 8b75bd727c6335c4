"""`python -m windtunnel.harness.environments.probe`: what the interpreter that runs this has, as one line of JSON.

Another interpreter is asked so before it plays a cell. It must have the same windtunnel: what it plays is written down
by one and read by the other.
"""

from __future__ import annotations

import hashlib
import json
import site
import sys
from functools import cache
from importlib.metadata import distributions
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from windtunnel.harness.contract.behaviour import BEHAVIOUR
from windtunnel.harness.contract.files import PLAN_VERSION
from windtunnel.harness.environments.versions import version_of, versions

ANSWER = "interpreter: "
"""What the line begins with that tells; whatever an interpreter prints at its start is on others."""

CELL_MODULES = ("gevent", "greenlet", "httpx2", "locust", "openai", "pyarrow")
"""What plays a cell, on either clock. They are looked for, not imported."""

PLAYED_BY = ("harness", "mock_server", "scenarios")
"""The packages of windtunnel whose code takes part in a cell."""


def facts() -> dict[str, Any]:
    """What another interpreter wants to know of this one."""
    return {
        "windtunnel": version_of("windtunnel"),
        "behaviour": BEHAVIOUR,
        "plan_version": PLAN_VERSION,
        "code": str(code_folder()),
        "digest": code_digest(),
        "missing": [name for name in CELL_MODULES if find_spec(name) is None],
        "sites": site_folders(),
        "base": getattr(sys, "_base_executable", sys.executable),
        "versions": versions(),
        "packages": packages(),
    }


def code_folder() -> Path:
    """Where the code of this windtunnel stands, with links followed: an editable one is used by many environments."""
    return Path(__file__).resolve().parents[2]


@cache
def code_digest() -> str:
    """A digest of the code that plays a cell: equal in two installations that play the same."""
    whole = hashlib.sha256()
    root = code_folder()
    for package in PLAYED_BY:
        for path in sorted((root / package).rglob("*.py")):
            whole.update(path.relative_to(root).as_posix().encode())
            whole.update(path.read_bytes())
    return whole.hexdigest()[:16]


def site_folders() -> list[str]:
    """The folders from which this interpreter takes what is installed, in their order."""
    known = [*site.getsitepackages(), *([site.getusersitepackages()] if site.ENABLE_USER_SITE else [])]
    return [folder for folder in dict.fromkeys(known) if Path(folder).is_dir()]


@cache
def packages() -> dict[str, str]:
    """Every installed package with its version. Of a package that is there twice, the one that is imported."""
    found: dict[str, str] = {}
    for one in distributions():
        name = one.metadata["Name"]
        if name:
            found.setdefault(name.lower().replace("_", "-"), one.version)
    return dict(sorted(found.items()))


if __name__ == "__main__":
    print(f"\n{ANSWER}{json.dumps(facts())}", flush=True)
