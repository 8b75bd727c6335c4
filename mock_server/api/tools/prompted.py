"""Text in the form that the prompt asks for, as tools do that use no `response_format`.

    a JSON schema in the text                LangChain's parsers, instructor's JSON modes, pydantic-ai's prompted output
    "… the following schema": `"a": string`  LangChain's structured output parser
    fields as `[[ ## name ## ]]`             DSPy's chat adapter
    "a JSON object in the following order"   DSPy's JSON adapter

A model reads such a prompt and obeys. What is looked for are the words that these tools write; of several schemas the
last one counts, since the ones before it are examples.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

import orjson

from windtunnel.mock_server.api.draws import Draws
from windtunnel.mock_server.api.json_schema.values import instance_text, schema_problem
from windtunnel.mock_server.api.json_schema.work import Work
from windtunnel.mock_server.api.text import prose

MOST_CHARS: Final = 65_536
"""Characters of a prompt in which a form is looked for: its last ones."""

MOST_TRIES: Final = 64
"""Places at which a schema is tried to be read: the last ones. Trying takes time, and a prompt may be all braces."""

_WORDS: Final = (
    '"properties"',
    "[[ ## ",
    "JSON object in the following order",
    "formatted in the following schema",
)
"""One of these is in every prompt that asks for a form."""

_ROLES: Final = ("system", "developer", "user")
_SCHEMA_KEYS: Final = ("type", "$defs", "title", "required", "additionalProperties", "definitions")
_OPENINGS: Final = re.compile(r'\{(?=\s*")')
_MARKED: Final = re.compile(r"starting with the field `\[\[ ## (\w+) ## \]\]`(.*)")
_MARKER: Final = re.compile(r"then `\[\[ ## (\w+) ## \]\]`")
_ORDERED: Final = re.compile(r"JSON object in the following order of fields: (.*)")
_TICKED: Final = re.compile(r"`(\w+)`")
_LISTED: Final = re.compile(r'^\s*"(\w+)": (\w+)', re.MULTILINE)
_COMPLETED: Final = "completed"
_DECODER: Final = json.JSONDecoder()


def prompted_text(body: dict[str, Any], draws: Draws, *, chat: bool) -> str | None:
    """Return an answer in the form that the prompt asks for, or None if it asks for none."""
    text = _asking(body, chat=chat)
    if text is None:
        return None
    fields = _marked_fields(text)
    if fields:
        parts = [f"[[ ## {name} ## ]]\n{_plain(_value(name, text, draws))}" for name in fields]
        return "\n\n".join([*parts, f"[[ ## {_COMPLETED} ## ]]"])
    ordered = _ORDERED.search(text)
    if ordered is not None:
        names = _TICKED.findall(ordered[1])
        return orjson.dumps({name: _value(name, text, draws) for name in names}).decode()
    schema = _last_schema(text)
    if schema is not None:
        return instance_text(schema, draws, share=body.get("n") or 1)
    at = text.rfind(_WORDS[3])
    if at >= 0:
        listed = {name: {"type": kind} for name, kind in _LISTED.findall(text[at:])}
        value = {name: _of(kind, draws) for name, kind in listed.items()}
        return f"```json\n{orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()}\n```"
    return None


def asks_for_form(body: dict[str, Any], *, chat: bool) -> bool:
    """Tell whether the prompt has any of the words that ask for a form."""
    return any(word in text for text in _texts(body, chat=chat) for word in _WORDS)


def _asking(body: dict[str, Any], *, chat: bool) -> str | None:
    """Return what the prompt says, if it has any of the words that ask for a form."""
    said = [text for text in _texts(body, chat=chat) if any(word in text for word in _WORDS)]
    return "\n".join(said)[-MOST_CHARS:] if said else None


def _texts(body: dict[str, Any], *, chat: bool) -> Iterator[str]:
    if not chat and isinstance(body.get("instructions"), str):
        yield body["instructions"]
    turns = body.get("messages" if chat else "input")
    if isinstance(turns, str):
        yield turns
        return
    for turn in turns if isinstance(turns, list) else ():
        if not isinstance(turn, dict) or turn.get("role") not in _ROLES:
            continue
        content = turn.get("content")
        for part in content if isinstance(content, list) else (content,):
            text = part.get("text") if isinstance(part, dict) else part
            if isinstance(text, str):
                yield text


def _last_schema(text: str) -> dict[str, Any] | None:
    """Return the last JSON schema in a text for which a value can be made."""
    found: list[dict[str, Any]] = []
    behind = 0
    for opening in list(_OPENINGS.finditer(text))[-MOST_TRIES:]:
        if opening.start() < behind:
            continue  # inside of what has been read
        try:
            value, behind = _DECODER.raw_decode(text, opening.start())
        except (ValueError, RecursionError):
            continue
        if _is_schema(value):
            found.append(value)
    work = Work()
    return next((schema for schema in reversed(found) if schema_problem(schema, work) is None), None)


def _is_schema(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and isinstance(value.get("properties"), dict)
        and all(isinstance(one, dict) for one in value["properties"].values())
        and any(key in value for key in _SCHEMA_KEYS)
    )


def _marked_fields(text: str) -> list[str]:
    """Return the fields that the last line about markers asks for."""
    asked = _MARKED.findall(text)
    if not asked:
        return []
    first, rest = asked[-1]
    return [first, *[name for name in _MARKER.findall(rest) if name != _COMPLETED]]


def _value(name: str, text: str, draws: Draws) -> Any:
    """Return a value for a field, of the kind that the note behind its placeholder tells."""
    noted = re.search(r"\{" + name + r"\}\s*# note: the value you produce (.*)", text)
    note = noted[1].strip().rstrip('",') if noted is not None else ""
    if "JSON schema:" in note:
        at = text.find("{", text.find("JSON schema:", noted.start() if noted is not None else 0))
        schema = _schema_at(text, at)
        return orjson.loads(instance_text(schema, draws)) if schema is not None else _of({}, draws)
    if "single int" in note:
        return draws.below(100)
    if "single float" in note:
        return round(draws.unit(), 4)
    if "True or False" in note:
        return draws.chance(0.5)
    _, one_of, names = note.partition("one of: ")
    if one_of:
        return draws.pick([choice.strip() for choice in names.split(";")])
    return _of({"type": "string"}, draws)


def _schema_at(text: str, at: int) -> dict[str, Any] | None:
    """Return the schema at a place, where it may stand inside a JSON string of its own."""
    for candidate in (text[at:], text[at:].replace('\\"', '"')) if at >= 0 else ():
        try:
            value, _ = _DECODER.raw_decode(candidate)
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict) and schema_problem(value) is None:
            return value
    return None


def _of(kind: dict[str, str], draws: Draws) -> Any:
    """Return a value of a simple type: words, unless it is named otherwise."""
    match kind.get("type"):
        case "integer" | "int":
            return draws.below(100)
        case "number" | "float":
            return round(draws.unit(), 4)
        case "boolean" | "bool":
            return draws.chance(0.5)
        case "list" | "array" | "List":
            return [prose(draws.raw(3)).strip()]
        case _:
            return prose(draws.raw(draws.between(4, 12))).strip()


def _plain(value: Any) -> str:
    """Return a value as it stands behind a marker: words as they are, anything else as Python or JSON has it."""
    if isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) else orjson.dumps(value).decode()
