"""What the project's own pages say about files, modules, names and commands is so."""

from __future__ import annotations

import ast
import importlib.util
import re
import shlex
import textwrap
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import click
import pytest
import typer

from windtunnel.harness.cli.main import app
from windtunnel.mock_server.faults import FaultContext, streams
from windtunnel.mock_server.script import End, Head, Script, Send, Wait

ROOT = Path(__file__).parent.parent
ROOMS = ("harness", "mock_server", "reports", "scenarios")
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / ".github").glob("*.md")),
    *[page for room in ROOMS for page in sorted((ROOT / room).rglob("*.md"))],
]
pages = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))

OURS = re.compile(
    r"(?<![\w/.:-])(?:harness|mock_server|reports|scenarios|tests|\.github|\.ci|\.src)/[\w./*-]*"
)
"""A path from the top of the repository."""

SOURCE = re.compile(r"(?<![\w/.*<>-])(?:[\w*-]+/)*[\w*]+\.(?:py|js|css|j2)\b")
"""A source file, from the top or from the page's own folder."""

NAME_IN_FILE = re.compile(r"`([A-Za-z_][\w.]*)` (?:in |\()`([\w./-]+\.py)`")
"""A class, function or constant, and the file that has it: `Engine.admit` in `mock_server/engine.py`."""

INVENTED = {"my_client.py", "service.py"}
"""Files of examples, which a reader is to write."""

LINK = re.compile(r"\]\(([^)\s]+)\)")
FILLED_IN = {"X": "0.9", "SECONDS": "60", "N": "1", "S": "1", "…": "server", "LOCATION": "tests"}
"""What stands for the placeholders of commands."""


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def exists(places: Sequence[Path], path: str) -> bool:
    return any(any(place.glob(path)) if "*" in path else (place / path).exists() for place in places)


def missing(page: Path, paragraph: str) -> set[str]:
    """Files that a paragraph names and that are not there. A bare name may stand in a folder named beside it."""
    ours = {match.rstrip("./") for match in OURS.findall(paragraph)} - INVENTED
    beside = [ROOT / path if (ROOT / path).is_dir() else (ROOT / path).parent for path in ours]
    named = {path for path in SOURCE.findall(paragraph) if path not in INVENTED}
    gone = {path for path in ours if path and not exists((ROOT, page.parent), path)}
    return gone | {path for path in named if not exists((ROOT, page.parent, *beside), path)}


@pages
def test_the_files_that_a_page_names_exist(page: Path) -> None:
    """Every file of ours that a page names is there, from the top of the repository or from the page's folder."""
    paragraphs = re.split(r"\n\n|\n(?=[|\d-])", text_of(page))
    assert sorted(path for paragraph in paragraphs for path in missing(page, paragraph)) == []


def test_the_architecture_names_every_room() -> None:
    """No folder of the four packages is left out of the page that says where things are."""
    folders = {path.parent for room in ROOMS for path in (ROOT / room).glob("*/__init__.py")}
    text = text_of(ROOT / ".github" / "ARCHITECTURE.md")
    assert (
        sorted(str(one.relative_to(ROOT)) for one in folders if f"`{one.relative_to(ROOT)}/`" not in text)
        == []
    )


@pages
def test_the_names_that_a_page_finds_in_a_file_are_there(page: Path) -> None:
    """Where a page says that a class or function stands in a file, the file defines it."""
    told = NAME_IN_FILE.findall(text_of(page))
    assert [f"{name} in {path}" for name, path in told if not defines(ROOT / path, name)] == []


@cache
def definitions(path: Path) -> frozenset[str]:
    """Everything that a module defines, methods and attributes of classes as `Class.name`."""
    found = set()
    for node in ast.parse(text_of(path)).body:
        found |= set(names_of(node))
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}.{name}" for inner in node.body for name in names_of(inner)}
    return frozenset(found)


def names_of(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        yield node.name
    elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        yield node.target.id
    elif isinstance(node, ast.Assign):
        yield from (target.id for target in node.targets if isinstance(target, ast.Name))


def defines(path: Path, name: str) -> bool:
    return path.exists() and name in definitions(path)


@cache
def anchors(page: Path) -> frozenset[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    without_code = re.sub(r"^```.*?^```", "", text_of(page), flags=re.M | re.S)
    headings = re.findall(r"^#+ +(.+?) *$", without_code, flags=re.M)
    return frozenset(re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings)


@pages
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link leads to a file that exists, and every anchor to a heading of the page."""
    wrong = []
    for link in LINK.findall(re.sub(r"^```.*?^```", "", text_of(page), flags=re.M | re.S)):
        if link.startswith(("http:", "https:")):
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            wrong.append(link)
    assert wrong == []


@pages
def test_the_modules_that_a_page_runs_exist(page: Path) -> None:
    """Every `python -m windtunnel…` of a page names a module that can be run."""
    modules = set(re.findall(r"python -m (windtunnel[\w.]*)", text_of(page)))
    assert sorted(name for name in modules if not runs(name)) == []


def runs(module: str) -> bool:
    spec = importlib.util.find_spec(module)
    if spec is not None and spec.submodule_search_locations is not None:
        spec = importlib.util.find_spec(f"{module}.__main__")
    return (
        spec is not None
        and spec.origin is not None
        and "__main__" in spec.origin + text_of(Path(spec.origin))
    )


def commands(page: Path) -> Iterator[str]:
    """The command lines of a page that call `windtunnel`: in code between backticks, or in lines of a block."""
    text = text_of(page)
    for block in re.findall(r"^```\w*\n(.*?)^```", text, flags=re.M | re.S):
        for line in re.sub(r"\\\n\s*", "", block).splitlines():
            found = re.search(r"(?:^|&& |^\$ )(?:\.venv/bin/)?windtunnel ([a-z].*)", line)
            if found:
                yield found[1]
    prose = re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)
    yield from re.findall(r"`(?:\.venv/bin/)?windtunnel ([a-z][^`]*)`", prose)


def _again(words: Sequence[str]) -> list[str]:
    """Words split again, as options in brackets are one word; a condition in quotes stays one."""
    return shlex.split(" ".join(shlex.quote(word) if re.search(r" [<>]= ", word) else word for word in words))


@pages
def test_the_commands_of_a_page_can_be_given(page: Path, tmp_path: Path) -> None:
    """Every `windtunnel …` command line of a page is one that the command line understands."""
    group = typer.main.get_command(app)
    assert isinstance(group, click.Group | typer.core.TyperGroup)
    wrong = []
    for line in commands(page):
        words = [word for word in shlex.split(line.replace("\\|", "|"), comments=True) if word != "[--json]"]
        words = [word.strip("[]").split("|")[0] for word in _again(words)]
        name, given = words[0], [value_for(word, tmp_path) for word in words[1:]]
        command = group.commands.get(name)
        if command is None:
            wrong.append(f"{line}: no such command")
        elif given:
            try:
                command.make_context(name, given)
            except Exception as error:  # noqa: BLE001 - whatever kind of no it is, the page is wrong
                wrong.append(f"{line}: {error}")
    assert wrong == []


def value_for(word: str, folder: Path) -> str:
    """A word of a command line, or what may stand in its place."""
    if word in ("RUN_DIR", "DIR", "runs/stalled"):
        return str(folder)
    return FILLED_IN.get(word, "7" if word == "SEED" else word)


def test_the_worked_example_of_a_fault_works() -> None:
    """The code that CONTRIBUTING shows for a fault, put into the file that it names, does what it says."""
    example = re.search(
        r"^   ```python\n(.*?)^   ```", text_of(ROOT / ".github" / "CONTRIBUTING.md"), flags=re.M | re.S
    )
    assert example is not None
    there = {**vars(streams), "End": End}
    exec(compile(textwrap.dedent(example[1]), "CONTRIBUTING.md", "exec", dont_inherit=True), there)
    kind = there["SLOW_END"]
    script = Script((Head(200, (), "chunked"), Send(b"data: [DONE]\n\n"), End()))
    context = FaultContext(api="chat", stream=True)
    played = kind.apply(script, kind.params.model_validate({"seconds": "2s"}), context)
    assert played == Script((*script.steps[:2], Wait(2.0), End()))


def test_there_are_pages() -> None:
    """The pages that everybody reads first are among those that are checked."""
    names = {str(page.relative_to(ROOT)) for page in PAGES}
    assert {"README.md", ".github/ARCHITECTURE.md", ".github/CONTRIBUTING.md", "harness/README.md"} <= names
