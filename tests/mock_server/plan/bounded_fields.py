"""Every number that a file may hold: the fields of all models that are read from files."""

from __future__ import annotations

import importlib
import pkgutil
import types
import typing
from collections.abc import Iterator
from typing import Annotated, Any, Union, get_args, get_origin

from annotated_types import Le, Lt, MaxLen
from pydantic import BaseModel
from pydantic.fields import FieldInfo

import windtunnel.harness.inputs
import windtunnel.mock_server.faults
import windtunnel.mock_server.plan
from windtunnel.harness.inputs.validation import InputPart
from windtunnel.mock_server.plan.model import Strict
from windtunnel.mock_server.plan.units import Bounded

PACKAGES = (windtunnel.mock_server.plan, windtunnel.mock_server.faults, windtunnel.harness.inputs)


def models() -> list[type[BaseModel]]:
    """All models of plans, faults, scenarios and profiles."""
    for package in PACKAGES:
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)
    found: dict[str, type[BaseModel]] = {}
    waiting: list[type[BaseModel]] = [Strict, InputPart]
    while waiting:
        for model in waiting.pop().__subclasses__():
            if model.__module__.startswith("windtunnel."):
                found[f"{model.__module__}.{model.__name__}"] = model
            waiting.append(model)
    return [found[name] for name in sorted(found)]


def _numbers(annotation: Any, metadata: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    """The metadata that holds for each number within an annotation."""
    if annotation in (int, float):
        yield metadata
    elif get_origin(annotation) is Annotated:
        inner, *more = get_args(annotation)
        yield from _numbers(inner, (*metadata, *more))
    elif isinstance(annotation, typing.TypeAliasType if hasattr(typing, "TypeAliasType") else ()):
        yield from _numbers(annotation.__value__, metadata)
    elif get_origin(annotation) in (Union, types.UnionType):
        for inner in get_args(annotation):
            yield from _numbers(inner, metadata)
    elif get_origin(annotation) in (list, dict, tuple):
        for inner in get_args(annotation):
            yield from _numbers(inner, ())


def _is_bound(one: Any) -> bool:
    if isinstance(one, FieldInfo):
        return any(_is_bound(inner) for inner in one.metadata)
    return isinstance(one, Le | Lt | Bounded)


ELSEWHERE = {"vary": "values of settings, which are checked by the settings' own models at every combination"}
"""Fields whose numbers have their bound elsewhere, and where."""


def unbounded() -> Iterator[str]:
    """The fields with a number that may be as large as anyone likes."""
    for model in models():
        for name, field in model.model_fields.items():
            if name in ELSEWHERE:
                continue
            for metadata in _numbers(field.annotation, tuple(field.metadata)):
                if not any(_is_bound(one) for one in metadata):
                    yield f"{model.__module__.removeprefix('windtunnel.')}.{model.__name__}.{name}"


def without_reason() -> Iterator[str]:
    """The fields with a bound of their own whose description does not say why it is there."""
    for model in models():
        for name, field in model.model_fields.items():
            bounds = [one for one in field.metadata if isinstance(one, Le | Lt)]
            for bound in bounds:
                limit = bound.le if isinstance(bound, Le) else bound.lt
                small = isinstance(limit, int | float) and limit <= 1
                if not small and "t most" not in (field.description or ""):
                    yield f"{model.__module__.removeprefix('windtunnel.')}.{model.__name__}.{name}"


UNCOUNTED = {
    "headers": "a few headers of one fault, each checked when it is written",
    "with_": "parameters of a fault, whose model knows their names",
    "provider": "parts of a provider, whose model knows their names",
    "capacity": "parts of a region's settings, whose model knows their names",
    "limits": "parts of a region's settings, whose model knows their names",
    "answer": "parts of a region's settings, whose model knows their names",
}
"""Lists and mappings of a plan that need no bound of their own, and why."""


def uncounted() -> Iterator[str]:
    """The lists and mappings of a plan that may have as many entries as anyone likes."""
    for model in models():
        if model.__module__.startswith("windtunnel.harness"):
            continue  # read from files of one's own, not sent to a server; what becomes of them is a plan
        for name, field in model.model_fields.items():
            counted = any(isinstance(one, MaxLen) for one in field.metadata)
            if not counted and name not in UNCOUNTED and _has_entries(field.annotation):
                yield f"{model.__module__.removeprefix('windtunnel.')}.{model.__name__}.{name}"


def _has_entries(annotation: Any) -> bool:
    if get_origin(annotation) in (Union, types.UnionType, Annotated):
        return any(_has_entries(inner) for inner in get_args(annotation))
    return get_origin(annotation) in (list, dict, tuple) or annotation in (list, dict, tuple)
