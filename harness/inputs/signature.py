"""What a user's function asks for by the names of its parameters, and what kind of function it is."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection
from functools import partial
from typing import Any, Final, Literal, NamedTuple, TypeAlias

Kind: TypeAlias = Literal["async", "plain"]
"""async: awaited on an event loop; plain: blocks a greenlet of its own."""

ARGUMENTS: Final = (
    "call",
    "prompt",
    "messages",
    "model",
    "stream",
    "body",
    "headers",
    "base_url",
    "api_key",
    "call_id",
    "deadline_s",
    "state",
)
"""What a target may ask for by the name of a parameter."""

SETUP_ARGUMENTS: Final = ("base_url", "api_key", "model", "instance")
"""What a set-up, or the class of a target, may ask for."""

FIELD: Final = "field:"
"""Before the name of a key of the file of prompts, where it is meant."""


class Arguments(NamedTuple):
    """What a function is called with: what goes by position, (parameter, what) that go by name, and those parameters
    that can be left out."""

    by_position: tuple[str, ...]
    by_name: tuple[tuple[str, str], ...]
    optional: frozenset[str] = frozenset()

    def bind(self, value: Callable[[str], Any]) -> tuple[list[Any], dict[str, Any]]:
        """What it is called with, by position and by name; what is None and can be left out is left out."""
        named = {name: value(what) for name, what in self.by_name}
        given = {name: one for name, one in named.items() if one is not None or name not in self.optional}
        return [value(what) for what in self.by_position], given


NO_ARGUMENTS = Arguments((), ())


class TargetError(Exception):
    """A target that cannot be called: what was found, and what was expected. `key` is the profile's."""

    def __init__(self, found: str, expected: str, *, key: str = "target") -> None:
        self.found = found
        self.expected = expected
        self.key = key
        super().__init__(f"found {found}, expected {expected}")


def arguments_of(
    found: Callable[..., Any],
    name: str = "",
    *,
    fields: Collection[str] = (),
    state: str = "",
    method: bool = False,
) -> Arguments:
    """Return what a target asks for, by the names of its parameters. Raises TargetError for one that is not known.

    A single parameter of another name is the call, as in `ask(c)`; if it is annotated as `str`, it is the prompt. What
    has a default and another name keeps its default. `fields` are keys of the file of prompts, which come before all
    other names; `state` is another name for what the set-up made. Of a `method` the first parameter is its object.
    """
    signature = inspect.signature(found)
    asked = _asked(signature, method=method)
    known = {what: what for what in ARGUMENTS} | ({state: "state"} if state else {})
    known |= {field: FIELD + field for field in fields}
    other = [p for p in asked if p.name not in known and p.default is p.empty]
    if len(other) == 1 and (_is_text(other[0]) or len(asked) == 1):
        known[other[0].name] = "prompt" if _is_text(other[0]) else "call"
    elif other:
        names = ", ".join([*fields, *ARGUMENTS])
        raise TargetError(f"{name}{signature}", f"parameters among {names}")
    return _sorted([(p, known[p.name]) for p in asked if p.name in known])


def setup_arguments_of(
    found: Callable[..., Any], name: str, *, key: str, known: Collection[str] = SETUP_ARGUMENTS
) -> Arguments:
    """Return what a set-up or a tear-down asks for; a tear-down's single parameter of another name is the state."""
    signature = inspect.signature(found)
    asked = _asked(signature, method=False)
    meant = {what: what for what in known}
    other = [p for p in asked if p.name not in meant and p.default is p.empty]
    if len(other) == 1 and len(asked) == 1 and "state" in known:
        meant[other[0].name] = "state"
    elif other:
        raise TargetError(f"{name}{signature}", f"parameters among {', '.join(known)}", key=key)
    return _sorted([(p, meant[p.name]) for p in asked if p.name in meant])


def _asked(signature: inspect.Signature, *, method: bool) -> list[inspect.Parameter]:
    several = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    asked = [p for p in signature.parameters.values() if p.kind not in several]
    return asked[1:] if method else asked


def _sorted(wanted: list[tuple[inspect.Parameter, str]]) -> Arguments:
    by_name = [(p, what) for p, what in wanted if p.kind is not p.POSITIONAL_ONLY]
    return Arguments(
        tuple(what for p, what in wanted if p.kind is p.POSITIONAL_ONLY),
        tuple((p.name, what) for p, what in by_name),
        frozenset(p.name for p, _ in by_name if p.default is not p.empty),
    )


def _is_text(parameter: inspect.Parameter) -> bool:
    return parameter.annotation in (str, "str")


def kind_of(found: Any) -> Kind:
    """Whether calling it gives an awaitable or an async iterator, as far as can be told without calling it."""
    while isinstance(found, partial):
        found = found.func
    if not inspect.isroutine(found) and not inspect.isclass(found):
        found = getattr(type(found), "__call__", found)  # noqa: B004  # an object that can be called
    is_async = inspect.iscoroutinefunction(found) or inspect.isasyncgenfunction(found)
    return "async" if is_async else "plain"


def needs_a_loop(found: Any) -> bool:
    """Whether a set-up or a class can be used on an event loop alone."""
    if inspect.isclass(found):
        return hasattr(found, "__aenter__") and not hasattr(found, "__enter__")
    wrapped = inspect.unwrap(found)
    return kind_of(found) == "async" or (wrapped is not found and inspect.isasyncgenfunction(wrapped))
