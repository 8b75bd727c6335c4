"""A user's own async callable: found by its name, and looked at before it is ever called.

`target: package.module:function` in a profile; its module is looked for beside the profile first, then in the directory
in which the command was started. Looking at it runs its module, so a process of its own does that
(`python -m windtunnel.harness.inputs.target`): a module that ends its process or never gets ready ends a check, and
nothing else.
"""

from __future__ import annotations

import importlib
import inspect
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import partial, reduce
from typing import Any, Final, NamedTuple

from windtunnel.harness.inputs.yaml_source import YamlSource

KEY: Final = "target"
FORM: Final = "package.module:function"
IMPORT_TIMEOUT_S: Final = 60.0
ANSWER: Final = "target: "
"""What the line begins with by which a check tells what it found; the module may print others."""


ARGUMENTS: Final = ("call", "prompt", "messages", "model", "base_url", "api_key")
"""What a target may ask for by the name of a parameter."""

NOWHERE: Final = "http://127.0.0.1:1/v1"
"""The base URL while a module is looked at: nothing may be asked then, and nothing real shall be."""


class Arguments(NamedTuple):
    """What a target is called with: what goes by position, and (parameter, what) that go by name; among ARGUMENTS."""

    by_position: tuple[str, ...]
    by_name: tuple[tuple[str, str], ...]


class TargetError(Exception):
    """A target that cannot be called: what was found, and what was expected."""

    def __init__(self, found: str, expected: str) -> None:
        self.found = found
        self.expected = expected
        super().__init__(f"found {found}, expected {expected}")


def load_target(target: str, folders: Sequence[str]) -> Callable[[Any], Any]:
    """The callable, with `folders` in front of `sys.path` from now on: it may import its neighbours when it is called.

    Raises TargetError if there is none, if it is not async, or if it asks for what nobody has (`arguments_of`).
    """
    sys.path[:0] = [folder for folder in folders if folder not in sys.path]
    module_name, _, path = target.partition(":")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        raise _not_found(module_name, error, folders) from error
    except Exception as error:
        raise TargetError(
            f"the module '{module_name}', which fails: {type(error).__name__}: {error}",
            "a module that can be imported",
        ) from error
    try:
        found: Any = reduce(getattr, path.split("."), module)
    except AttributeError:
        names = [name for name, value in vars(module).items() if _is_async(value)]
        raise TargetError(
            f"no '{path}' in {module.__file__ or module_name}",
            f"one of its async functions: {', '.join(names)}" if names else "an async function in it",
        ) from None
    _check(path, found)
    return found  # type: ignore[no-any-return]  # whatever it is, it can be called


def _not_found(module: str, error: ModuleNotFoundError, folders: Sequence[str]) -> TargetError:
    missing = error.name or module
    if module == missing or module.startswith(f"{missing}."):
        return TargetError(f"no module '{missing}'", f"it in {' or '.join(folders)}, or installed")
    return TargetError(f"the module '{module}', which imports '{missing}'", "that to be installed as well")


def _check(name: str, found: Any) -> None:
    if not callable(found):
        raise TargetError(f"'{name}', which is of type {type(found).__name__}", "an async function")
    if not _is_async(found):
        what = "a class" if inspect.isclass(found) else "a function that is not async"
        raise TargetError(f"'{name}', {what}", "`async def`, with `return` or with `yield`")
    arguments_of(found, name)


def arguments_of(found: Callable[..., Any], name: str = "") -> Arguments:
    """Return what a target asks for, by the names of its parameters. Raises TargetError for one that is not known.

    A single parameter of another name is the call, as in `ask(c)`; if it is annotated as `str`, it is the prompt. What
    has a default and another name keeps its default.
    """
    signature = inspect.signature(found)
    asked = [p for p in signature.parameters.values() if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    other = [p for p in asked if p.name not in ARGUMENTS and p.default is p.empty]
    if len(other) == 1 and (_is_text(other[0]) or len(asked) == 1):
        meant = {other[0].name: "prompt" if _is_text(other[0]) else "call"}
    elif other:
        raise TargetError(f"{name}{signature}", f"parameters among {', '.join(ARGUMENTS)}")
    else:
        meant = {}
    wanted = [(p, meant.get(p.name, p.name)) for p in asked if p.name in ARGUMENTS or p.name in meant]
    return Arguments(
        tuple(source for p, source in wanted if p.kind is p.POSITIONAL_ONLY),
        tuple((p.name, source) for p, source in wanted if p.kind is not p.POSITIONAL_ONLY),
    )


def _is_text(parameter: inspect.Parameter) -> bool:
    return parameter.annotation in (str, "str")


def in_environment(base_url: str, api_key: str) -> dict[str, str]:
    """Return the variables by which the SDK, and what is built on it, find the server and its key."""
    return {"OPENAI_BASE_URL": base_url, "OPENAI_API_BASE": base_url, "OPENAI_API_KEY": api_key}


def _is_async(found: Any) -> bool:
    """Whether calling it gives an awaitable or an async iterator, as far as can be told without calling it."""
    while isinstance(found, partial):
        found = found.func
    if not inspect.isroutine(found) and not inspect.isclass(found):
        found = getattr(type(found), "__call__", found)  # noqa: B004  # an object that can be called
    return inspect.iscoroutinefunction(found) or inspect.isasyncgenfunction(found)


def check_target(
    source: YamlSource, target: str, folders: Sequence[str], *, python: str | None = None
) -> None:
    """Look at the target of a profile in a process of its own, of the interpreter that plays it.

    Raises InputError with file, line and key.
    """
    wrong = what_is_wrong(target, folders, python=python)
    if wrong:
        raise source.error((KEY,), found=wrong["found"], expected=wrong["expected"])


def what_is_wrong(target: str, folders: Sequence[str], *, python: str | None = None) -> dict[str, str]:
    """Look at a target in a process of its own: what was `found` and what was `expected`; empty if it can be called."""
    command = [python or sys.executable, "-m", "windtunnel.harness.inputs.target", target, *folders]
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=IMPORT_TIMEOUT_S,
            check=False,
            env={**os.environ, **in_environment(NOWHERE, "sk-nobody")},
        )
    except subprocess.TimeoutExpired:
        found = f"a module that is not imported after {IMPORT_TIMEOUT_S:.0f} s"
        return {"found": found, "expected": "one that does nothing but define"}
    answers = [line for line in done.stdout.splitlines() if line.startswith(ANSWER)]
    if not answers:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        found = f"a module that ends its process ({last})"
        return {"found": found, "expected": "one that does nothing but define"}
    wrong: dict[str, str] = json.loads(answers[-1].removeprefix(ANSWER))
    return wrong


def main(target: str, folders: Sequence[str]) -> None:
    """Print what is wrong with a target, as JSON; an empty object if nothing is."""
    wrong: dict[str, str] = {}
    try:
        load_target(target, folders)
    except TargetError as error:
        wrong = {"found": error.found, "expected": error.expected}
    print(f"\n{ANSWER}{json.dumps(wrong)}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
