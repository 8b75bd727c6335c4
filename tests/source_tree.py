"""Read Python sources as a graph of imports, and find what the rules in `test_structure.py` are about.

    Source (a file) ──► imports_of ──► Import (importer, imported, line, when)
                                          │
                     circles(arrows) ◄────┴────► upward(imports, layers)

Everything here reads files and changes none; a test can hand it a small tree of its own.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

PROJECT = "windtunnel"
When = Literal["import", "call", "typing"]
"""An import happens when its module is imported, when a function is called, or for the type checker alone."""


@dataclass(frozen=True, slots=True)
class Source:
    """One Python file: its path from the root (`harness/plan/cell.py`), its module name, its text and its tree."""

    path: str
    module: str
    text: str
    tree: ast.Module


@dataclass(frozen=True, slots=True)
class Import:
    """One name that a module imports; `name` is None for `import module`."""

    importer: str
    path: str
    line: int
    module: str
    name: str | None
    when: When

    @property
    def full(self) -> str:
        return self.module if self.name is None else f"{self.module}.{self.name}"


def read_sources(root: Path, packages: Iterable[str]) -> list[Source]:
    """Return every Python file below the packages, sorted by path."""
    found = []
    for package in packages:
        for path in sorted((root / package).rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            module = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            text = path.read_text()
            found.append(Source(str(path.relative_to(root)), module, text, ast.parse(text)))
    return found


@cache
def imports_of(source: Source) -> tuple[Import, ...]:
    """Return everything that a file imports, wherever in it the statement stands."""
    return tuple(_imports(source, source.tree, "import"))


def _imports(source: Source, node: ast.AST, when: When) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            for alias in child.names:
                yield Import(source.module, source.path, child.lineno, alias.name, None, when)
        elif isinstance(child, ast.ImportFrom):
            module = _absolute(source, child)
            for alias in child.names:
                yield Import(source.module, source.path, child.lineno, module, alias.name, when)
        elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield from _imports(source, child, "call" if when == "import" else when)
        elif isinstance(child, ast.If) and _is_type_checking(child.test):
            yield from _imports(source, ast.Module(child.body, []), "typing")
            yield from _imports(source, ast.Module(child.orelse, []), when)
        else:
            yield from _imports(source, child, when)


def _absolute(source: Source, node: ast.ImportFrom) -> str:
    if node.level == 0:
        return node.module or ""
    parts = [PROJECT, *source.module.split(".")]
    if not source.path.endswith("__init__.py"):
        parts.pop()
    parts = parts[: len(parts) - (node.level - 1)]
    return ".".join([*parts, node.module] if node.module else parts)


def _is_type_checking(test: ast.expr) -> bool:
    return (isinstance(test, ast.Name) and test.id == "TYPE_CHECKING") or (
        isinstance(test, ast.Attribute) and test.attr == "TYPE_CHECKING"
    )


def our_imports(sources: Sequence[Source]) -> list[tuple[Import, str]]:
    """Return each import of one of our modules by another, with the module that is really reached."""
    modules = {source.module for source in sources}
    found = []
    for source in sources:
        for one in imports_of(source):
            if not one.module.startswith(PROJECT + "."):
                continue
            # `from package import module` reaches the module, `from module import name` the module before it.
            full = one.full.removeprefix(PROJECT + ".")
            target = full if full in modules else one.module.removeprefix(PROJECT + ".")
            if target != one.importer:
                found.append((one, target))
    return found


def circles(arrows: Iterable[tuple[str, str]]) -> set[tuple[str, ...]]:
    """Return the sets of nodes that reach each other, each sorted (Tarjan's strongly connected components)."""
    graph: dict[str, set[str]] = {}
    for start, end in arrows:
        graph.setdefault(start, set()).add(end)
        graph.setdefault(end, set())
    number: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    found: set[tuple[str, ...]] = set()

    def visit(node: str) -> None:
        number[node] = lowest[node] = len(number)
        stack.append(node)
        for other in sorted(graph[node]):
            if other not in number:
                visit(other)
                lowest[node] = min(lowest[node], lowest[other])
            elif other in stack:
                lowest[node] = min(lowest[node], number[other])
        if lowest[node] == number[node]:
            at = stack.index(node)
            component = stack[at:]
            del stack[at:]
            if len(component) > 1:
                found.add(tuple(sorted(component)))

    for node in sorted(graph):
        if node not in number:
            visit(node)
    return found


def room_of(module: str, layers: Mapping[str, Sequence[str]]) -> str:
    """Return the longest entry of its package's layers that a module belongs to; raise LookupError if none does."""
    package = module.split(".")[0]
    inner = module.removeprefix(package).removeprefix(".")
    fitting = [room for room in layers[package] if inner == room or inner.startswith(room + ".")]
    if not fitting:
        raise LookupError(f"the layers of {package} name no room for {module}")
    return max(fitting, key=len)


def upward(
    imports: Iterable[tuple[Import, str]], layers: Mapping[str, Sequence[str]]
) -> set[tuple[str, str]]:
    """Return the imports of a module by one of a lower room of the same package: (importer, imported)."""
    found = set()
    for one, target in imports:
        package = one.importer.split(".")[0]
        if target.split(".")[0] != package or package in (one.importer, target):
            continue
        order = list(layers[package])
        if order.index(room_of(one.importer, layers)) < order.index(room_of(target, layers)):
            found.add((one.importer, target))
    return found


def private_uses(sources: Iterable[Source], library: str, public: Iterable[str]) -> set[tuple[str, str]]:
    """Return what files use of a library that it does not document: (path, name).

    That is an import from a module of it that is not in `public`, and, in a file that imports the library, an
    attribute with a leading underscore: of `self` if none of the sources defines it (it is inherited), of anything
    else if this file does not define it.
    """
    sources = list(sources)
    ours = {name for source in sources for name in _defined(source.tree)}
    allowed = set(public)
    found = set()
    for source in sources:
        imports = imports_of(source)
        theirs = [one for one in imports if one.module.split(".")[0] == library]
        if not theirs:
            continue
        found |= {
            (source.path, one.full)
            for one in theirs
            if one.module not in allowed or (one.name or "").startswith("_")
        }
        here = set(_defined(source.tree))
        others = {one.module for one in imports if one.name is None and one not in theirs}
        for node in ast.walk(source.tree):
            if not isinstance(node, ast.Attribute) or not _is_private(node.attr):
                continue
            base = node.value.id if isinstance(node.value, ast.Name) else ""
            if base not in others and node.attr not in (ours if base in ("self", "cls") else here):
                found.add((source.path, node.attr))
    return found


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.endswith("__")


def _defined(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr


IGNORE = re.compile(
    r"#\s*(?:ruff:\s*)?(type: ignore|noqa)(?:\[[^\]]*\]|:\s*[A-Z]+\d+(?:,\s*[A-Z]+\d+)*)?(.*)"
)


def ignores_without_reason(source: Source) -> list[int]:
    """Return the lines of `type: ignore` and `noqa` comments after which no reason stands.

    A reason is at least two words of text after the last directive of the line.
    """
    if not IGNORE.search(source.text):
        return []  # Python's tokenizer takes seconds for all the sources, and few have such a comment.
    wrong = []
    for number, comment in _comments(source.text):
        rest = comment
        while match := IGNORE.search(rest):
            rest = match.group(2)
        if rest is not comment and len(re.findall(r"[A-Za-z`'_]{2,}", rest)) < 2:
            wrong.append(number)
    return wrong


def _comments(text: str) -> Iterator[tuple[int, str]]:
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def libraries_of(source: Source) -> set[tuple[str, int]]:
    """Return the top-level packages that are not ours and that a file imports, each with its line."""
    top = {(one.module.split(".")[0], one.line) for one in imports_of(source) if one.module}
    return {(name, line) for name, line in top if name != PROJECT}


def public_classes(sources: Iterable[Source]) -> dict[str, list[str]]:
    """Return the paths that define each public class at their top level."""
    found: dict[str, list[str]] = {}
    for source in sources:
        for node in source.tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                found.setdefault(node.name, []).append(source.path)
    return found


def exported(source: Source) -> list[str] | None:
    """Return the names in the `__all__` of a file in their order, or None if it has none."""
    for node in source.tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if any(isinstance(target, ast.Name) and target.id == "__all__" for target in targets):
            value = getattr(node, "value", None)
            if isinstance(value, ast.List | ast.Tuple):
                return [str(ast.literal_eval(one)) for one in value.elts]
    return None
