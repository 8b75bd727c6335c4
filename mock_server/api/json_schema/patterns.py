"""Strings that match a regular expression, for JSON schemas with `pattern`.

The grammar is what such schemas use: literals, classes, escapes, groups, alternation, greedy and lazy
quantifiers, anchors. Look-around, back-references and Unicode properties are refused with `PatternError`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final, TypeAlias

import re2

from windtunnel.mock_server.api.draws import Draws
from windtunnel.mock_server.api.json_schema.work import Work

DIGITS: Final = "0123456789"
LETTERS: Final = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
WORD: Final = LETTERS + DIGITS + "_"
PRINTABLE: Final = "".join(map(chr, range(32, 127)))
_CLASSES: Final = {"d": DIGITS, "w": WORD, "s": " "}
_CONTROLS: Final = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "v": "\v", "0": "\0"}
_U: Final = re.compile(r"(?<!\\)((?:\\\\)*)\\u([0-9a-fA-F]{4})")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_MOST_REPEATS: Final = 20_000
_PATTERN_BYTES: Final = 2**18
"""Memory that a compiled pattern may take; a larger one is not searched for."""

_STEPS_PER_UNIT: Final = 20
"""States times characters that the engine goes through in a unit of work, at its slowest."""

_COMPILING: Final = 500
"""Units that compiling a pattern takes at most, given the memory that it may have."""

_LONGEST: Final = 5_000
"""Characters of a pattern; a longer one is refused."""

_LOOSELY: Final = (3, 3, 1, 8, 24)
_EXACTLY: Final = 40

Emit: TypeAlias = Callable[["_Spending", int], str]
"""Makes one string. The whole number says how many repeats beyond the least a quantifier takes: up to n
for n >= 0, exactly -n - 1 for n < 0."""


class PatternError(ValueError):
    """The pattern uses something that this generator does not know, or no string was found for it."""


class _Spending:
    """Draws for one string: how often its quantifiers repeat anything is limited, however they are nested."""

    __slots__ = ("draws", "left", "work")

    def __init__(self, draws: Draws, work: Work) -> None:
        self.draws = draws
        self.left = _MOST_REPEATS
        self.work = work

    def count(self, least: int, most: int) -> int:
        """How often to repeat something. Raises PatternError where it is all too much."""
        count = self.draws.between(least, most)
        self.work.spend(1 + count)
        self.left -= count
        if self.left < 0:
            raise PatternError("the strings that match the pattern are too long")
        return count


def found_in(text: str, pattern: str, work: Work) -> bool | None:
    """Is the pattern found in the text? None where the engine cannot read it, or it would take too long.

    The engine does not backtrack: its time is bounded by the length of the text times the size of the pattern.
    """
    work.spend(_COMPILING if len(pattern) > 100 else 20)  # whether it is known already must not matter
    compiled = _read_by_engine(pattern)
    if compiled is None:
        return None
    units = len(text) * compiled.programsize // _STEPS_PER_UNIT
    if units > work.left:
        return None
    work.spend(units)
    try:
        return compiled.search(text) is not None
    except UnicodeEncodeError:  # half a character
        return None


@lru_cache(maxsize=1024)
def _read_by_engine(pattern: str) -> Any | None:
    options = re2.Options()
    options.log_errors = False  # to the process's standard error, raw
    options.max_mem = _PATTERN_BYTES
    try:
        return re2.compile(_U.sub(r"\1\\x{\2}", pattern), options)
    except (re2.error, UnicodeEncodeError, OverflowError):
        return None


def matching(
    pattern: str,
    draws: Draws,
    work: Work | None = None,
    *,
    shortest: int = 0,
    longest: int | None = None,
) -> str:
    """A string that matches `pattern` (searched, as JSON Schema does) and has an allowed length."""
    work = work or Work()
    if len(pattern) > _LONGEST:
        raise PatternError(f"a pattern has more than {_LONGEST} characters")
    work.spend(len(pattern))
    emit = _compiled(pattern)
    exactly = range(-1 - shortest // 6, -1 - shortest - _EXACTLY, -1 - shortest // 60)
    for more in (*_LOOSELY, *exactly):
        text = emit(_Spending(draws, work), more)
        work.spend(max(0, shortest - len(text)))
        if len(text) < shortest and not pattern.endswith("$"):
            text += "".join(draws.pick(LETTERS) for _ in range(shortest - len(text)))
        if len(text) < shortest or (longest is not None and len(text) > longest):
            continue
        if found_in(text, pattern, work) is not False:  # a pattern that the engine cannot read is trusted
            return text
    raise PatternError(f"no string found for the pattern '{pattern}'")


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> Emit:
    reader = _Reader(pattern)
    emit = reader.alternatives()
    if reader.at < len(pattern):
        raise PatternError(f"unbalanced ')' in the pattern '{pattern}'")
    return emit


class _Reader:
    """A recursive-descent reader over one pattern: alternatives → sequence → repeated → atom."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.at = 0

    def peek(self) -> str:
        return self.pattern[self.at : self.at + 1]

    def take(self) -> str:
        symbol = self.peek()
        if not symbol:
            raise PatternError(f"the pattern '{self.pattern}' ends too early")
        self.at += 1
        return symbol

    def alternatives(self) -> Emit:
        branches = [self.sequence()]
        while self.peek() == "|":
            self.at += 1
            branches.append(self.sequence())
        if len(branches) == 1:
            return branches[0]
        return lambda spending, more: spending.draws.pick(branches)(spending, more)

    def sequence(self) -> Emit:
        parts: list[Emit] = []
        while self.peek() not in ("", "|", ")"):
            parts.append(self.repeated())

        def emit_all(spending: _Spending, more: int) -> str:
            spending.work.spend(len(parts))
            return "".join([part(spending, more) for part in parts])

        return emit_all

    def repeated(self) -> Emit:
        atom = self.atom()
        bounds = self.quantifier()
        if bounds is None:
            return atom
        least, most = bounds

        def repeat(spending: _Spending, more: int) -> str:
            ceiling = least + (more if more >= 0 else -more - 1)
            ceiling = ceiling if most is None else min(most, ceiling)
            count = spending.count(least if more >= 0 else ceiling, ceiling)
            return "".join([atom(spending, more) for _ in range(count)])

        return repeat

    def quantifier(self) -> tuple[int, int | None] | None:
        symbol = self.peek()
        bounds: tuple[int, int | None] | None = {"*": (0, None), "+": (1, None), "?": (0, 1)}.get(symbol)
        if bounds is not None:
            self.at += 1
        elif symbol == "{":
            found = re.compile(r"\{(\d+)(,?)(\d*)\}").match(self.pattern, self.at)
            if found is None:
                return None
            self.at = found.end()
            least = int(found[1])
            bounds = (least, int(found[3]) if found[3] else None) if found[2] else (least, least)
            if bounds[1] is not None and bounds[1] < least:
                raise PatternError(f"'{found[0]}' allows nothing in the pattern '{self.pattern}'")
        if bounds is not None and self.peek() in ("?", "+"):  # lazy or possessive: the same strings
            self.at += 1
        return bounds

    def atom(self) -> Emit:
        symbol = self.take()
        if symbol == "(":
            return self.group()
        if symbol == "[":
            return _one_of(self.members())
        if symbol == ".":
            return _one_of(WORD)
        if symbol in "^$":
            return _literal("")
        if symbol == "\\":
            kind = self.take()
            if kind in "AZzbB":
                return _literal("")
            return _one_of(self.escaped(kind))
        return _literal(symbol)

    def group(self) -> Emit:
        if self.peek() == "?":
            found = re.compile(r"\?(?::|P?<[A-Za-z_]\w*>)").match(self.pattern, self.at)
            if found is None:
                raise PatternError(f"look-around and inline flags are not supported: '{self.pattern}'")
            self.at = found.end()
        inner = self.alternatives()
        if self.take() != ")":
            raise PatternError(f"missing ')' in the pattern '{self.pattern}'")
        return inner

    def escaped(self, kind: str) -> str:
        """The characters that an escape stands for; the backslash and `kind` have been read."""
        if kind in _CLASSES:
            return _CLASSES[kind]
        if kind.lower() in _CLASSES:
            return _without(_CLASSES[kind.lower()])
        if kind in _CONTROLS:
            return _CONTROLS[kind]
        if kind in "xu":
            digits = self.pattern[self.at : self.at + (2 if kind == "x" else 4)]
            if not re.fullmatch("[0-9a-fA-F]+", digits):
                raise PatternError(f"bad escape '\\{kind}' in the pattern '{self.pattern}'")
            self.at += len(digits)
            char = chr(int(digits, 16))
            if _SURROGATE.match(char):
                raise PatternError(f"half a character in the pattern '{self.pattern}'")
            return char
        if kind.isalnum():
            raise PatternError(f"'\\{kind}' is not supported in the pattern '{self.pattern}'")
        return kind

    def members(self) -> str:
        """The characters of a class; the opening bracket has been read."""
        negated = self.peek() == "^"
        self.at += negated
        found: list[str] = []
        first = True
        while first or self.peek() != "]":
            first = False
            low = self.member()
            if (
                len(low) == 1
                and self.peek() == "-"
                and self.pattern[self.at + 1 : self.at + 2] not in ("]", "")
            ):
                self.at += 1
                high = self.member()
                low = "".join(map(chr, range(ord(low), min(ord(high), ord(low) + 512) + 1)))
            found.append(low)
        self.at += 1
        chars = _SURROGATE.sub("", "".join(dict.fromkeys("".join(found))))
        chars = _without(chars) if negated else chars
        if not chars:
            raise PatternError(f"an empty class in the pattern '{self.pattern}'")
        return chars

    def member(self) -> str:
        symbol = self.take()
        if symbol != "\\":
            return symbol
        kind = self.take()
        return "\b" if kind == "b" else self.escaped(kind)


def _without(chars: str) -> str:
    """Readable characters that are not among `chars`."""
    return "".join(char for char in WORD if char not in chars) or "".join(
        char for char in PRINTABLE if char not in chars
    )


def _literal(text: str) -> Emit:
    return lambda _spending, _more: text


def _one_of(chars: str) -> Emit:
    return _literal(chars) if len(chars) == 1 else lambda spending, _more: spending.draws.pick(chars)
