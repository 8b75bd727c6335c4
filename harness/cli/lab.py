"""The part of windtunnel that is installed by `windtunnel[lab]`: what plays load and writes reports."""

from __future__ import annotations

from importlib.util import find_spec

from windtunnel.harness.errors import InputError

INSTALL = "pip install 'windtunnel[lab]'"

LAB_MODULES = (
    "gevent",
    "greenlet",
    "jinja2",
    "locust",
    "matplotlib",
    "numpy",
    "openai",
    "packaging",
    "pandas",
    "pyarrow",
    "scipy",
)
"""The modules that a command of the lab imports. They are looked for, not imported: that would take a second."""


def require_lab(command: str) -> None:
    """Raise an `InputError` that says how to install the lab, unless everything that `command` needs is there."""
    missing = [name for name in LAB_MODULES if find_spec(name) is None]
    if missing:
        raise InputError(command, hint=f"needs {', '.join(missing)}, which one line installs: {INSTALL}")
