"""Request bodies made from the SDK's own type hints: every field that a type has, now and then with an odd value.

    ResponseCreateParams ──hints──► {"model": …, "input": [{"type": "message", …}], "tools": […], …}

What is drawn comes from a `random.Random`, which Hypothesis can provide, so that what fails is made smaller.
"""

from __future__ import annotations

import collections.abc
import types
import typing
from functools import lru_cache
from random import Random
from typing import Any, Literal, get_args, get_origin

import typing_extensions

WORDS = (
    "",
    "a",
    "gpt-4.1-mini",
    "gpt-4o-audio-preview",
    "whisper-1",
    "dall-e-3",
    "text-embedding-3-small",
    "windtunnel/stall;after_chunks=1;seconds=1",
    "Speak, please. " * 20,
    "\x00",
    "é\u2028\U0001f600",
    "a" * 5_000,
    "{}",
    "-1",
    "1e400",
    "1024x1024",
    "data:image/png;base64,AAAA",
    "data:,",
    "https://example.com/%",
    "resp_0",
    "file-0",
    "24h",
    "/v1/chat/completions",
    "(a+)+$",
    "user",
    "assistant",
    "system",
    "function",
)
PLAIN = ("a", "call_1", "Speak, please.", "gpt-4.1-mini")
NUMBERS = (0, 1, 2, 3, 16, 128, 1000, -1, 2**31, 2**53, 2**63, -(2**63), 10**18)
FLOATS = (0.0, 0.5, 1.0, 2.0, -0.0, 1e-300, 1e300, -1.5, 100.0)
KEYS = ("a", "type", "", "é", "id", "properties", "$ref", "x" * 70)
SCHEMAS: tuple[Any, ...] = (
    {
        "type": "object",
        "properties": {"a": {"type": "string"}},
        "required": ["a"],
        "additionalProperties": False,
    },
    {"type": "array", "items": {"$ref": "#"}, "minItems": 1},
    {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}},
    {"type": "string", "pattern": "^(a+)+$"},
    {"type": ["string", "null"], "enum": []},
    {"anyOf": [{"type": "integer", "minimum": 5, "maximum": 1}, {"const": 1}]},
    {"type": "number", "multipleOf": 0, "exclusiveMinimum": 1e308},
    {"type": "string", "minLength": 10**9},
    {"type": "array", "minItems": 10**9, "items": {}},
    {"properties": [], "required": {}, "type": 7},
)
DEEPEST = 7


class Bodies:
    """Draws values of types. `odd` is how often any value is replaced by something else altogether."""

    def __init__(self, random: Random, odd: float = 0.0, names: tuple[str, ...] = ()) -> None:
        self._random = random
        self._odd = odd
        self._names = names

    def value(self, hint: Any, depth: int = 0, name: str = "") -> Any:
        """A value of the type `hint`, as it is in JSON; `name` is that of the field that it is for."""
        random = self._random
        if self._odd and random.random() < self._odd:
            return self.json(depth)
        origin = get_origin(hint)
        if origin in (typing_extensions.Required, typing.Required, typing.NotRequired, typing.Annotated):
            return self.value(get_args(hint)[0], depth, name)
        if origin in (typing.Union, types.UnionType):
            return self.value(self._one_of(get_args(hint), depth), depth, name)
        if origin is Literal:
            return random.choice(get_args(hint))
        if typing_extensions.is_typeddict(hint):
            return self.fields(hint, depth + 1)
        if isinstance(hint, type) and origin is None:
            return self._plain(hint, depth, name)
        arguments = get_args(hint)
        if isinstance(origin, type) and issubclass(origin, collections.abc.Mapping):
            if name in ("schema", "parameters"):
                return SCHEMAS[0] if random.random() < 0.5 else random.choice(SCHEMAS)
            return {
                random.choice(KEYS): self.value(arguments[1], depth + 1) for _ in range(random.randrange(3))
            }
        if arguments:  # a list, an iterable, a sequence
            most = 3 if depth < DEEPEST else 1
            return [self.value(arguments[0], depth + 1, name) for _ in range(random.randrange(most + 1))]
        return self.json(depth)

    def fields(self, hint: Any, depth: int = 0) -> dict[str, Any]:
        """A dictionary of a TypedDict: what is required, and some of the rest."""
        random = self._random
        share = random.choice((0.0, 0.03, 0.1, 0.3))
        made: dict[str, Any] = {}
        for name, kind in hints(hint).items():
            # Where annotations are strings, the class itself does not know what `Required` says.
            required = get_origin(kind) is typing_extensions.Required or name in hint.__required_keys__
            if required or (depth < DEEPEST and random.random() < share):
                made[name] = self.value(kind, depth, name)
        return made

    def json(self, depth: int = 0) -> Any:
        """Any JSON."""
        random = self._random
        kind = random.randrange(9 if depth < DEEPEST else 6)
        if kind == 0:
            return None
        if kind == 1:
            return random.random() < 0.5
        if kind == 2:
            return random.choice(NUMBERS)
        if kind == 3:
            return random.choice(FLOATS)
        if kind in (4, 5):
            return random.choice(WORDS)
        if kind == 6:
            return random.choice(SCHEMAS)
        if kind == 7:
            return [self.json(depth + 1) for _ in range(random.randrange(4))]
        return {random.choice(KEYS): self.json(depth + 1) for _ in range(random.randrange(4))}

    def _plain(self, hint: type, depth: int, name: str) -> Any:
        random = self._random
        if hint is bool:
            return random.random() < 0.5
        if hint is int:
            return random.choice((1, 2, 16)) if random.random() < 0.9 else random.choice(NUMBERS)
        if hint is float:
            return random.choice((0.5, 1.0)) if random.random() < 0.9 else random.choice(FLOATS)
        if hint is str:
            if self._names and ("id" in name or name in ("conversation", "file")) and random.random() < 0.7:
                return random.choice(self._names)
            return random.choice(PLAIN) if random.random() < 0.9 else random.choice(WORDS)
        return None if hint is type(None) else self.json(depth)

    def _one_of(self, choices: tuple[Any, ...], depth: int) -> Any:
        """One type of a union; deep down a simple one, where there is one."""
        if depth >= DEEPEST:
            simple = [
                one for one in choices if isinstance(one, type) and not typing_extensions.is_typeddict(one)
            ]
            choices = tuple(simple) or choices
        return self._random.choice(choices)


@lru_cache(maxsize=4096)
def hints(hint: Any) -> dict[str, Any]:
    """The fields of a TypedDict and their types."""
    return typing_extensions.get_type_hints(hint, include_extras=True)
