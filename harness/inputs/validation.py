"""From pydantic's complaints about a YAML file to messages with file, line, key path and what was expected."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from types import UnionType
from typing import Annotated, Any, Generic, TypeAlias, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError
from typing_extensions import is_typeddict

from windtunnel.harness.errors import InputError, listing, nearest
from windtunnel.harness.inputs.yaml_source import Loc, YamlSource, fail

M = TypeVar("M", bound=BaseModel)
StandIns: TypeAlias = Mapping[str, Any]


class InputPart(BaseModel):
    """A scenario, a profile, or a part of one: unknown keys are refused, and nothing changes once it is read."""

    # By name as well: `for` and `from`, the aliases, are no keyword arguments that code could write.
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


_EXPECTED = {
    "missing": "this key, which is required",
    "string_type": "text",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "dict_type": "a mapping (`key: value` lines)",
    "model_type": "a mapping (`key: value` lines)",
    "model_attributes_type": "a mapping (`key: value` lines)",
    "list_type": "a list",
    "finite_number": "a finite number",
}
_BOUNDS = {
    "greater_than": ("gt", "a number above {}"),
    "greater_than_equal": ("ge", "a number of at least {}"),
    "less_than": ("lt", "a number below {}"),
    "less_than_equal": ("le", "a number of at most {}"),
}


def validate(source: YamlSource, model: type[M], stand_ins: StandIns) -> M:
    """The file as a model. Raises `InputError`, or `CollectedInputError` with every mistake in it."""
    checked = collect(source, model, source.data, stand_ins)
    fail([*source.duplicates, *checked.errors])
    assert checked.value is not None  # there is a value wherever there is no error
    return checked.value


@dataclass(frozen=True, slots=True)
class Checked(Generic[M]):
    """What came of looking for every mistake.

    `errors` is all that is wrong. `value` is what is left when that is taken out (None if too little is
    left to go on), `data` the same as plain data, and `touched` where something was taken out or put in.
    """

    value: M | None
    data: dict[str, Any]
    errors: tuple[InputError, ...]
    touched: frozenset[Loc]


def collect(source: YamlSource, model: type[M], data: Mapping[str, Any], stand_ins: StandIns) -> Checked[M]:
    """Validate `data`, the content of the file, and go on looking behind the first mistakes.

    One mistake hides others: a validator of the whole does not run while a part is wrong. So what is wrong
    is taken out, what is then missing is replaced from `stand_ins` (by key; for an item of a list by the
    list's key), and the rest is validated again, until nothing new is found.
    """
    repaired: dict[str, Any] = deepcopy(dict(data))
    errors: list[InputError] = []
    touched: set[Loc] = set()
    while True:
        try:
            return Checked(model.model_validate(repaired), repaired, tuple(errors), frozenset(touched))
        except ValidationError as problem:
            details = problem.errors(include_url=False)
        before = len(touched)
        for loc, detail in [(in_file(repaired, location(detail)), detail) for detail in details]:
            if loc not in touched:
                errors.append(_explain(source, model, detail))
            _repair(repaired, loc, stand_ins, touched)
        if len(touched) == before:
            return Checked(None, repaired, tuple(errors), frozenset(touched))


def _repair(data: dict[str, Any], loc: Loc, stand_ins: StandIns, touched: set[Loc]) -> None:
    """Take out what stands at `loc`, or put a stand-in where something is missing."""
    stood_in = (*loc, "stand-in")
    parent: Any = data
    for part in loc[:-1]:
        inside = part in parent if isinstance(parent, dict) else isinstance(part, int) and part < len(parent)
        if not inside:
            return  # an earlier repair of this round took it out
        parent = parent[part]
    if not loc or stood_in in touched or not isinstance(parent, dict | list):
        return
    key: Any = loc[-1]
    kind = str(loc[-2] if isinstance(parent, list) else key)
    if isinstance(parent, dict) and key in parent:
        del parent[key]
        touched.add(loc)
    elif kind in stand_ins:
        stand_in = stand_ins[kind]
        parent[key] = stand_in.format(len(touched)) if isinstance(stand_in, str) else deepcopy(stand_in)
        touched.update((loc, stood_in))


def location(detail: ErrorDetails) -> Loc:
    """Where an error is: pydantic's loc, and what the validator that raised it added to that."""
    inner = detail.get("ctx", {}).get("path")
    return (*detail["loc"], *(_split(inner) if isinstance(inner, str) else ()))


def _explain(source: YamlSource, model: type[BaseModel], detail: ErrorDetails) -> InputError:
    kind, context = detail["type"], detail.get("ctx", {})
    loc = in_file(source.data, location(detail))
    if kind == "extra_forbidden":
        known = sorted(set(_keys_at(model, detail["loc"][:-1])))
        hint = nearest(str(loc[-1]), known)
        expected = "a known key" if hint else f"one of {listing(known)}" if known else "a known key"
        return source.error(loc, found=f"the unknown key '{loc[-1]}'", expected=expected, hint=hint)
    if "found" in context and "expected" in context:
        return source.error(
            loc,
            found=str(context["found"]),
            expected=str(context["expected"]),
            hint=str(context.get("hint", "")),
        )
    if kind == "value_error":
        return source.error(loc, hint=str(context.get("error", detail["msg"])))
    found = "nothing" if kind == "missing" else show(source.scalars.get(loc, detail["input"]))
    return source.error(loc, found=found, expected=_expected(detail))


def _expected(detail: ErrorDetails) -> str:
    kind, context = detail["type"], detail.get("ctx", {})
    if kind in _EXPECTED:
        return _EXPECTED[kind]
    if kind in _BOUNDS:
        name, text = _BOUNDS[kind]
        return text.format(f"{context[name]:g}")
    if kind in ("literal_error", "enum"):
        return str(context["expected"])
    if kind == "string_pattern_mismatch":
        return f"text of the form {context['pattern']}"
    if kind in ("too_short", "too_long"):
        return detail["msg"][0].lower() + detail["msg"][1:]
    return detail["msg"].removeprefix("Input should be ").removeprefix("Value error, ")


def complaint(path: str, found: str, expected: str, hint: str = "") -> PydanticCustomError:
    """What a validator raises: `path` is relative to the model it validates, parts joined with dots."""
    context = {"path": path, "found": found, "expected": expected, "hint": hint}
    return PydanticCustomError("plan", "found {found}, expected {expected}", context)


def show(value: object) -> str:
    """A value as a message shows it: short, and text in quotes."""
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list):
        return "a list" if value else "an empty list"
    text = "nothing" if value is None else f"'{value}'"
    return text if len(text) <= 60 else f"{text[:57]}...'"


def in_file(data: object, loc: Sequence[str | int]) -> Loc:
    """A pydantic location without the parts that are not in the file: the names of a union's branches.

    The last part stays in any case, for it may be what is missing.
    """
    found: list[str | int] = []
    for position, part in enumerate(loc):
        here = isinstance(data, list) and isinstance(part, int) and part < len(data)
        if here or (isinstance(data, Mapping) and part in data):
            data = data[part]  # type: ignore[index]  # checked in the line above
            found.append(part)
        elif position == len(loc) - 1 and isinstance(data, Mapping):
            found.append(part)
    return tuple(found)


def _split(path: str) -> tuple[str | int, ...]:
    return tuple(int(part) if part.isdigit() else part for part in path.split(".") if part)


def _keys_at(model: type[BaseModel], loc: Sequence[str | int]) -> Iterator[str]:
    """The keys that a mapping at `loc` below `model` may have."""
    kinds: list[Any] = [model]
    for part in loc:
        kinds = [below for kind in kinds for below in _below(kind, part)] or kinds
    for kind in kinds:
        if is_typeddict(kind):
            yield from kind.__annotations__
        elif isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from (field.alias or name for name, field in kind.model_fields.items())


def _below(kind: Any, part: str | int) -> Iterator[Any]:
    """What stands at key or index `part` of a `kind`; nothing when `part` is not one of the file's keys."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        for name, field in kind.model_fields.items():
            if part in (name, field.alias):
                yield from _unwrap(field.annotation)
    elif get_origin(kind) in (list, tuple) and isinstance(part, int):
        yield from _unwrap(get_args(kind)[0])
    elif get_origin(kind) is dict:
        yield from _unwrap(get_args(kind)[1])


def _unwrap(annotation: Any) -> Iterator[Any]:
    if get_origin(annotation) is Annotated:
        yield from _unwrap(get_args(annotation)[0])
    elif get_origin(annotation) in (Union, UnionType):
        for branch in get_args(annotation):
            yield from _unwrap(branch)
    else:
        yield annotation


__all__ = ["Checked", "StandIns", "collect", "complaint", "in_file", "show", "validate"]
