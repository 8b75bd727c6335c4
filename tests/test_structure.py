"""The shape of the house: who may import whom, and what may stand at the top."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("harness", "mock_server", "reports", "scenarios")
MAY_IMPORT = {
    "mock_server": {"mock_server"},
    "harness": {"harness", "mock_server"},
    "scenarios": {"scenarios", "harness", "mock_server"},
    "reports": {"reports", "harness.contract"},
}
# The command line may reach the reports, lazily: inside a function, never when it is imported.
LAZY = {"harness/cli/main.py": {"reports"}}
TOP_LEVEL = {
    "pyproject.toml",
    "README.md",
    "LICENSE",
    "harness",
    "scenarios",
    "mock_server",
    "reports",
    "tests",
}


def modules(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def our_imports(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Every import of one of our packages below `tree`: (dotted name, line)."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            if name.startswith("windtunnel."):
                yield name.removeprefix("windtunnel."), node.lineno


def allowed(name: str, rules: set[str]) -> bool:
    return any(name == rule or name.startswith(rule + ".") for rule in rules)


@pytest.mark.parametrize("package", PACKAGES)
def test_packages_import_only_what_they_may(package: str) -> None:
    """Data flows one way: no package imports one that comes after it."""
    wrong = []
    for path in modules(package):
        here = str(path.relative_to(ROOT))
        lazy = LAZY.get(here, set())
        tree = ast.parse(path.read_text())
        at_import = {line for node in tree.body for _, line in our_imports(node) if not is_function(node)}
        for name, line in our_imports(tree):
            if allowed(name, MAY_IMPORT[package]) or (allowed(name, lazy) and line not in at_import):
                continue
            wrong.append(f"{here}:{line} imports {name}")
    assert wrong == []


def is_function(node: ast.AST) -> bool:
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)


CLOCKLESS = [
    "mock_server/engine.py",
    "mock_server/rules.py",
    "mock_server/script.py",
    "mock_server/provider/calls.py",
    "mock_server/provider",
    "mock_server/faults",
    "mock_server/api",
    "harness/arrivals.py",
]


@pytest.mark.parametrize("place", CLOCKLESS)
def test_the_engine_reads_no_clock_and_does_no_io(place: str) -> None:
    """Time and chance are arguments: nothing inside the engine imports a clock, a socket, a thread or `random`."""
    forbidden = {"time", "random", "socket", "threading", "asyncio", "secrets", "uuid", "aiohttp", "datetime"}
    root = ROOT / place
    files = [root] if root.suffix else sorted(root.rglob("*.py"))
    assert files
    wrong = []
    for path in files:
        for node in ast.walk(ast.parse(path.read_text())):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module]
            wrong += [f"{path.name}: {name}" for name in names if name.split(".")[0] in forbidden]
    assert wrong == []


def test_the_top_level_stays_as_it_is() -> None:
    """Dotfiles, the four packages, tests, README, LICENSE and pyproject.toml: no more is kept."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    kept = {line.split("/")[0] for line in listed.stdout.splitlines()}
    assert {name for name in kept if not name.startswith(".")} == TOP_LEVEL


@pytest.mark.parametrize("package", PACKAGES)
def test_every_package_has_its_manual(package: str) -> None:
    """A reader finds a README in every package."""
    assert (ROOT / package / "README.md").stat().st_size > 500
