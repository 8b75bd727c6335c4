"""A YAML file as plain data that remembers on which line each key stands.

The node tree is walked before anything is built from it: that is what knows the lines, and what notices a
key that is written twice (of which a mapping would silently keep one).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from windtunnel.harness.errors import CollectedInputError, InputError

Loc = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class YamlSource:
    """The data of one YAML mapping, and where it stands.

    `name` is how the file is called in messages; `base` is the directory against which file names in it are
    resolved; `lines` maps a key path to its line, from 1; `scalars` to the text as it was written;
    `duplicates` are the mistakes that the data no longer shows.
    """

    name: str
    base: Path
    data: dict[str, Any]
    lines: dict[Loc, int] = field(default_factory=dict)
    scalars: dict[Loc, str] = field(default_factory=dict)
    duplicates: tuple[InputError, ...] = ()

    def line(self, loc: Sequence[str | int]) -> int | None:
        """The line of a key path; of its nearest parent where the path itself is not in the file."""
        for length in range(len(loc), -1, -1):
            line = self.lines.get(tuple(loc[:length]))
            if line is not None:
                return line
        return None

    def error(
        self, loc: Sequence[str | int], *, found: str = "", expected: str = "", hint: str = ""
    ) -> InputError:
        """A mistake at a key path of this file."""
        return InputError(
            self.name, line=self.line(loc), path=key_path(loc), found=found, expected=expected, hint=hint
        )


def key_path(loc: Sequence[str | int]) -> str:
    """`("phases", 1, "for")` → `phases[1].for`."""
    text = ""
    for part in loc:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def read_yaml(path: str | Path) -> YamlSource:
    """Read a YAML file whose top level is a mapping. Raises InputError when it cannot be read as one."""
    file = Path(path)
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(file, found="no such file", expected="a YAML file") from None
    except IsADirectoryError:
        raise InputError(file, found="a directory", expected="a YAML file") from None
    except (OSError, UnicodeDecodeError) as problem:
        raise InputError(file, found=f"an unreadable file ({problem})", expected="a YAML file") from problem
    return parse_yaml(text, name=str(path), base=file.parent)


def parse_yaml(text: str, *, name: str, base: Path) -> YamlSource:
    """Parse YAML text whose top level is a mapping. Raises InputError with the line of a syntax error."""
    yaml = YAML(typ="safe", pure=True)
    yaml.allow_duplicate_keys = True
    try:
        node = yaml.compose(text)
        data = yaml.load(text)
    except MarkedYAMLError as problem:
        mark = problem.problem_mark or problem.context_mark
        raise InputError(
            name,
            line=None if mark is None else mark.line + 1,
            found="text that is not YAML",
            expected="a YAML mapping",
            hint=_complaint(problem),
        ) from problem
    except (YAMLError, ValueError, RecursionError) as problem:
        raise InputError(
            name, found="text that is not YAML", expected="a YAML mapping", hint=str(problem).split("\n")[0]
        ) from problem
    if not isinstance(data, dict):
        found = "an empty file" if data is None else f"a {_kind(data)}"
        raise InputError(name, line=1, found=found, expected="a YAML mapping (`key: value` lines)")
    walk = _Walk(name)
    walk.visit(node, ())
    return YamlSource(name, base, data, walk.lines, walk.scalars, tuple(walk.duplicates))


def fail(errors: Sequence[InputError]) -> None:
    """Raise what was collected: nothing, the one mistake, or all of them together."""
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise CollectedInputError(errors)


def _complaint(problem: MarkedYAMLError) -> str:
    """Return the parser's message, with the line on which the unfinished part begins."""
    line = "" if problem.context_mark is None else f" begun on line {problem.context_mark.line + 1}:"
    context = f"{problem.context}{line} " if problem.context else ""
    return f"{context}{problem.problem or 'it cannot be read'}"


def _kind(data: object) -> str:
    names = {list: "list", str: "text", int: "number", float: "number", bool: "boolean"}
    return names.get(type(data), type(data).__name__)


class _Walk:
    """Collects lines, scalars and duplicate keys from a node tree; an alias counts at its anchor alone."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.lines: dict[Loc, int] = {}
        self.scalars: dict[Loc, str] = {}
        self.duplicates: list[InputError] = []
        self._seen: set[int] = set()

    def visit(self, node: Node | None, loc: Loc) -> None:
        if node is None or id(node) in self._seen:
            return
        self._seen.add(id(node))
        self.lines.setdefault(loc, node.start_mark.line + 1)
        if isinstance(node, ScalarNode):
            self.scalars[loc] = str(node.value)
        elif isinstance(node, SequenceNode):
            for index, item in enumerate(node.value):
                self.visit(item, (*loc, index))
        elif isinstance(node, MappingNode):
            self._mapping(node, loc)

    def _mapping(self, node: MappingNode, loc: Loc) -> None:
        first: dict[str, int] = {}
        for key, value in node.value:
            word, line = str(key.value), key.start_mark.line + 1
            if word in first and word != "<<":
                self.duplicates.append(
                    InputError(
                        self.name,
                        line=line,
                        path=key_path((*loc, word)),
                        found="the key a second time",
                        expected=f"it once (it is on line {first[word]} already)",
                    )
                )
                continue
            first[word] = line
            self.lines[(*loc, word)] = line
            self.visit(value, (*loc, word))
