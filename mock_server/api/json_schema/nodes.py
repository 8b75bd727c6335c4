"""A compiled JSON schema: nodes that can each make a valid value.

Every node knows its `height`: how many levels the flattest value under it needs, infinity if there is none.
Making a value is free near the root and takes the flattest way further down, so a recursive schema ends.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Final

from windtunnel.mock_server.api.draws import Draws
from windtunnel.mock_server.api.json_schema.formats import FORMATS
from windtunnel.mock_server.api.json_schema.patterns import matching
from windtunnel.mock_server.api.json_schema.work import Work
from windtunnel.mock_server.api.text import CHARS_PER_TOKEN, prose

FREE_LEVELS: Final = 4
FREE_VALUES: Final = 200
MOST_VALUES: Final = 10_000
MOST_CHARS: Final = 2**20
_TRIES: Final = 60


class SchemaError(ValueError):
    """No value can be made for the schema; the text says why."""


class Making:
    """One value in the making: its draws, how much of the free part of it is left, and how much may come at all."""

    __slots__ = ("_chars", "_values", "draws", "left", "work")

    def __init__(self, draws: Draws, work: Work) -> None:
        self.draws = draws
        self.work = work
        self.left = FREE_VALUES
        self._values = MOST_VALUES
        self._chars = MOST_CHARS

    def spend(self, *, values: int = 0, chars: int = 0) -> None:
        """Count what has been made. Raises SchemaError where the whole value becomes too large."""
        self.work.spend(5 * values + chars // 2)
        self._values -= values
        self._chars -= chars
        if self._values < 0 or self._chars < 0:
            raise SchemaError(
                f"its values have more than {MOST_VALUES} parts, or strings of more than {MOST_CHARS} characters"
            )

    def is_free(self, level: int) -> bool:
        """Whether there is still room for anything beyond what the schema demands."""
        self.left -= 1
        return level < FREE_LEVELS and self.left > 0


class Node:
    """One schema. `height` starts at infinity and is lowered by `measure` until nothing changes."""

    height: float = math.inf

    def measure(self) -> float:
        """The height by the heights of the nodes below."""
        return 0

    def make(self, making: Making, level: int) -> Any:
        """A value that is valid against the schema. Raises SchemaError if none is found."""
        raise NotImplementedError


class Reference(Node):
    """Stands for a node that is still being compiled, so that schemas can contain themselves."""

    target: Node

    def measure(self) -> float:
        return self.target.height

    def make(self, making: Making, level: int) -> Any:
        return self.target.make(making, level)


@dataclass(slots=True, eq=False)
class Constants(Node):
    """`const`, `enum`, null and booleans."""

    values: list[Any]
    height: float = math.inf

    def make(self, making: Making, level: int) -> Any:
        return making.draws.pick(self.values)


@dataclass(slots=True, eq=False)
class Union(Node):
    """`anyOf`, `oneOf` and several types."""

    options: list[Node]
    height: float = math.inf

    def measure(self) -> float:
        return min(option.height for option in self.options)

    def make(self, making: Making, level: int) -> Any:
        if making.is_free(level):
            making.work.spend(1 + len(self.options) // 10)
            options = [option for option in self.options if option.height < math.inf]
            return making.draws.pick(options).make(making, level)
        making.work.spend(1 + len(self.options) // 5)
        return min(self.options, key=lambda option: option.height).make(making, level)


@dataclass(slots=True, eq=False)
class Object(Node):
    """An object; `names` keeps the order of the schema. `extra` makes values of undeclared properties."""

    properties: dict[str, Node]
    required: frozenset[str]
    extra: Node | None
    least: int = 0
    most: int | None = None
    height: float = math.inf

    def measure(self) -> float:
        return 1 + max((self.properties[name].height for name in self.required), default=0)

    def make(self, making: Making, level: int) -> dict[str, Any]:
        names = self._names(making, level)
        making.spend(values=len(names))
        made = {
            name: self.properties[name].make(making, level + 1) for name in self.properties if name in names
        }
        wanted = self.least
        if self.extra is not None and not self.properties and making.is_free(level):
            wanted = max(wanted, making.draws.between(1, 2))
        if self.most is not None:
            wanted = min(wanted, self.most)
        number = 0
        while len(made) < wanted:
            if self.extra is None or self.extra.height == math.inf:
                raise SchemaError(f"the object cannot have {wanted} properties")
            number += 1
            making.spend(values=1)
            key = f"{prose(making.draws.raw(1)).strip(', ')}_{number}"
            if key not in self.properties:
                made[key] = self.extra.make(making, level + 1)
        return made

    def _names(self, making: Making, level: int) -> set[str]:
        making.work.spend(1 + len(self.properties) + len(self.required) // 10)
        names = set(self.required)
        free = making.is_free(level)
        for name, node in self.properties.items():
            if self.most is not None and len(names) >= self.most:
                break
            needed = len(names) < self.least
            if node.height < math.inf and (needed or (free and making.draws.chance(0.5))):
                names.add(name)
        return names


@dataclass(slots=True, eq=False)
class Array(Node):
    """An array: `prefix` for the first items, `items` for the others (None: there are no others)."""

    prefix: list[Node]
    items: Node | None
    least: int = 0
    most: int | None = None
    unique: bool = False
    height: float = math.inf

    def measure(self) -> float:
        return 1 + max((node.height for node in self._nodes(self.least)), default=0)

    def _nodes(self, count: int) -> Iterable[Node]:
        yield from self.prefix[:count]
        if count > len(self.prefix):
            yield self.items or Node()

    def make(self, making: Making, level: int) -> list[Any]:
        made: list[Any] = []
        seen: set[str] = set()
        count = self._count(making, level)
        for at in range(count):
            node = self.prefix[at] if at < len(self.prefix) else self.items
            if node is None or node.height == math.inf:
                break
            for _ in range(_TRIES):
                making.spend(values=1)
                value = node.make(making, level + 1)
                key = json.dumps(value, sort_keys=True) if self.unique else ""
                making.work.spend(len(key) // 20)
                if not self.unique or key not in seen:
                    seen.add(key)
                    made.append(value)
                    break
        if len(made) < self.least:
            raise SchemaError(f"the array cannot have {self.least} items")
        return made

    def _count(self, making: Making, level: int) -> int:
        if not making.is_free(level):
            return self.least
        high = max(self.least + 2, 3) if self.most is None else min(self.most, self.least + 3)
        return making.draws.between(max(self.least, min(1, high)), high)


@dataclass(slots=True, eq=False)
class Text(Node):
    """A string by length, pattern or format."""

    least: int = 0
    most: int | None = None
    pattern: str | None = None
    form: str | None = None
    height: float = math.inf

    def make(self, making: Making, level: int) -> str:
        draws = making.draws
        if self.pattern is not None:
            making.spend(chars=self.least)
            return matching(self.pattern, draws, making.work, shortest=self.least, longest=self.most)
        make = FORMATS.get(self.form or "")
        if make is not None:
            return self._formed(make, draws)
        high = self.least + 24 if self.most is None else min(self.most, self.least + 24)
        length = draws.between(max(self.least, min(3, high)), high)
        making.spend(chars=length)
        text = "".join(prose(draws.raw(1)) for _ in range(length // CHARS_PER_TOKEN + 1))[:length]
        return text.strip(", ").ljust(self.least, "o")

    def _formed(self, make: Callable[[Draws], str], draws: Draws) -> str:
        for _ in range(_TRIES):
            text = make(draws)
            if len(text) >= self.least and (self.most is None or len(text) <= self.most):
                return text
        raise SchemaError(f"no string of format '{self.form}' has the length that is asked for")


@dataclass(slots=True, eq=False)
class Number(Node):
    """An integer or a number in the closed range [low, high], both finite."""

    low: float
    high: float
    integer: bool
    step: Fraction | None = None
    height: float = field(default=math.inf)

    def make(self, making: Making, level: int) -> int | float:
        draws = making.draws
        if self.step is not None:
            return self._stepped(draws, self.step)
        if self.integer:
            return draws.between(math.ceil(self.low), math.floor(self.high))
        value = self.low + (self.high - self.low) * draws.unit()
        rounded = round(value, 2)
        return rounded if self.low <= rounded <= self.high else min(max(value, self.low), self.high)

    def _stepped(self, draws: Draws, step: Fraction) -> int | float:
        low, high = math.ceil(Fraction(self.low) / step), math.floor(Fraction(self.high) / step)
        if low > high:
            raise SchemaError(f"no multiple of {float(step)} lies between {self.low} and {self.high}")
        for _ in range(_TRIES):
            value = draws.between(low, high) * step
            if value.denominator == 1:
                return int(value)
            inexact = float(value) / float(step)  # validators divide floats, so the quotient must be whole
            if not self.integer and inexact == int(inexact):
                return float(value)
        raise SchemaError(f"no multiple of {float(step)} was found between {self.low} and {self.high}")
