"""A file of prompts: what each call of a user's own function is given, a line for each call in turn.

prompts.txt      a line is a prompt; empty lines are passed over
prompts.jsonl    a line is a prompt (a string), or an object: prompt, messages, model, or any parameter's name
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Annotated, Any, Final, TypeAlias

from pydantic import Field

from windtunnel.harness.errors import InputError
from windtunnel.harness.inputs.yaml_source import YamlSource

Prompts: TypeAlias = Annotated[str, Field(min_length=1)]
JSON_LINES: Final = (".jsonl", ".ndjson")
OF_THE_BODY: Final = ("prompt", "messages", "model")
"""Keys of a line that go into the request's body as well."""


@dataclass(frozen=True, slots=True)
class PromptFile:
    """The lines of a file of prompts: what each gives, by name."""

    lines: Sequence[Mapping[str, Any]]

    @property
    def fields(self) -> tuple[str, ...]:
        """The keys that every line has, besides those of a body."""
        return tuple(sorted(set.intersection(*map(set, self.lines)) - set(OF_THE_BODY)))

    def line(self, call_id: str) -> Mapping[str, Any]:
        """The line of a call, by its number (12 of `c12`), whoever makes it and however often it is tried."""
        digits = re.search(r"\d+", call_id)
        number = int(digits[0]) if digits else int.from_bytes(blake2b(call_id.encode()).digest()[:8], "big")
        return self.lines[number % len(self.lines)]


def read_prompts(path: str | Path, source: YamlSource | None = None) -> PromptFile:
    """Read a file of prompts. Raises InputError for one that is not there, is empty, or has a line of another kind.

    `source` is the profile that names it.
    """
    file = Path(path)
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        found = f"'{path}', which cannot be read ({getattr(error, 'strerror', None) or 'it is not UTF-8'})"
        expected = "a text file, a line for each call"
        if source is not None:
            raise source.error(("prompts",), found=found, expected=expected) from error
        raise InputError(file, found=found, expected=expected) from error
    numbered = [(n, line) for n, line in enumerate(text.splitlines(), 1) if line.strip()]
    if not numbered:
        raise InputError(file, found="no line", expected="at least one prompt")
    if file.suffix not in JSON_LINES:
        return PromptFile([{"prompt": line.strip()} for _, line in numbered])
    return PromptFile([_object(file, number, line) for number, line in numbered])


def _object(file: Path, number: int, line: str) -> Mapping[str, Any]:
    expected = 'a string, or an object such as {"prompt": "Hello"}'
    try:
        value = json.loads(line)
    except ValueError as error:
        raise InputError(file, line=number, found=f"what is not JSON ({error})", expected=expected) from error
    if isinstance(value, str):
        value = {"prompt": value}
    if not isinstance(value, dict) or not value:
        raise InputError(file, line=number, found=line.strip()[:60], expected=expected)
    for key, kind in (("prompt", str), ("messages", list), ("model", str)):
        if key in value and not isinstance(value[key], kind):
            found = f"{type(value[key]).__name__} as {key}"
            raise InputError(
                file, line=number, found=found, expected={str: "a string", list: "a list of messages"}[kind]
            )
    return value
