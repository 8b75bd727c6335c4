"""A wheel, installed elsewhere: what a user of the released package gets."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `windtunnel` command of a wheel in an environment of its own (dependencies come from this one)."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    tracked = (
        "pyproject.toml",
        "README.md",
        "LICENSE",
        ".src",
        "harness",
        "mock_server",
        "reports",
        "scenarios",
    )
    subprocess.run(["cp", "-a", *(str(ROOT / name) for name in tracked), str(source)], check=True)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
    subprocess.run(
        [*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", str(folder), str(source)],
        check=True,
        timeout=110,
    )
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder / "venv")], check=True)
    site = next((folder / "venv" / "lib").glob("python*")) / "site-packages"
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    wheel = next(folder.glob("windtunnel-*.whl"))
    python = str(folder / "venv" / "bin" / "python")
    subprocess.run([*pip, "--python", python, "install", "--no-deps", "--no-index", str(wheel)], check=True)
    return folder / "venv" / "bin" / "windtunnel"


def ask(command: Path, *arguments: str, cwd: Path) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [str(command), *arguments], cwd=cwd, env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_wheel_brings_the_gallery(installed: Path, tmp_path: Path) -> None:
    """Scenarios and clients are in the wheel, and come from it, not from the checkout."""
    scenarios = json.loads(ask(installed, "list", "scenarios", "--json", cwd=tmp_path))
    clients = json.loads(ask(installed, "list", "clients", "--json", cwd=tmp_path))
    assert {"retry_storm", "healthy", "stalled_streams"} <= {entry["name"] for entry in scenarios}
    assert {"openai-default", "retry-budget"} <= {entry["name"] for entry in clients}
    assert all(str(installed.parent.parent) in entry["file"] for entry in scenarios)


def test_a_users_own_folders_of_the_same_names_do_no_harm(installed: Path, tmp_path: Path) -> None:
    """In a directory with its own `harness/`, `scenarios/` and `reports/`, a whole run still uses ours."""
    for name in ("harness", "scenarios", "reports", "mock_server"):
        package = tmp_path / name
        package.mkdir()
        (package / "__init__.py").write_text("raise ImportError('the wrong package')\n")
    (tmp_path / "short.yaml").write_text(
        "name: short\nabout: Two seconds of health.\nseed: 1\nwarmup: 1s\n"
        "load: {api: chat, stream: false, arrivals: constant, rate: 5/s, deadline: 5s}\n"
        "phases:\n  - {name: only, for: 2s}\nclients: [openai-default]\n"
    )
    printed = ask(installed, "run", "short.yaml", "--out", "out", cwd=tmp_path)
    assert printed.splitlines()[-1] == "out"
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert metrics["clients"]["openai-default"]["overall"]["offered"]["value"] == 10
