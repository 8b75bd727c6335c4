"""A user's own function: found by its name, and looked at before it is ever called.

`target: package.module:function` in a profile; its module is looked for beside the profile first, then in the directory
in which the command was started. Looking at it runs its module, so a process of its own does that
(`python -m windtunnel.harness.inputs.target`): a module that ends its process or never gets ready ends a check, and
nothing else. Its set-up is tried there as well, with nobody at the base URL.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import reduce
from typing import Any, Final

from windtunnel.harness.inputs.lifetime import Lifetime, SetupError
from windtunnel.harness.inputs.signature import (
    NO_ARGUMENTS,
    Arguments,
    Kind,
    TargetError,
    arguments_of,
    kind_of,
    needs_a_loop,
    setup_arguments_of,
)
from windtunnel.harness.inputs.yaml_source import YamlSource

FORM: Final = "package.module:function"
IMPORT_TIMEOUT_S: Final = 60.0
ANSWER: Final = "target: "
"""What the line begins with by which a check tells what it found; the module may print others."""

NOWHERE: Final = "http://127.0.0.1:1/v1"
"""The base URL while a module is looked at: nothing may be asked then, and nothing real shall be."""

AZURE_VERSION: Final = "2024-10-21"
"""The version of Azure's API that an environment names which names none."""

TEARDOWN_ARGUMENTS: Final = ("state", "base_url", "api_key", "model", "instance")


@dataclass(frozen=True, slots=True)
class OwnCode:
    """What a profile says of a user's own code: names, and the keys of its file of prompts."""

    target: str
    folders: tuple[str, ...] = ()
    setup: str | None = None
    teardown: str | None = None
    fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Target:
    """A user's own code, found. Of a method, `owner` is the class whose object it is of: one for each instance."""

    function: Callable[..., Any]
    kind: Kind
    arguments: Arguments
    owner: Callable[..., Any] | None = None
    owner_arguments: Arguments = NO_ARGUMENTS
    setup: Callable[..., Any] | None = None
    setup_arguments: Arguments = NO_ARGUMENTS
    teardown: Callable[..., Any] | None = None
    teardown_arguments: Arguments = NO_ARGUMENTS

    def lifetime(self) -> Lifetime:
        """What is around its calls, for one instance of the application."""
        return Lifetime(
            setup=None if self.setup is None else (self.setup, self.setup_arguments),
            owner=None if self.owner is None else (self.owner, self.owner_arguments),
            teardown=None if self.teardown is None else (self.teardown, self.teardown_arguments),
        )


def load_target(wanted: OwnCode) -> Target:
    """A user's own code, with its folders in front of `sys.path` from now on: it may import its neighbours when it is
    called.

    Raises TargetError if it is not there, or asks for what nobody has (`arguments_of`).
    """
    sys.path[:0] = [folder for folder in wanted.folders if folder not in sys.path]
    found, parent = _find(wanted.target, wanted.folders, key="target")
    name = wanted.target.partition(":")[2]
    if not callable(found):
        raise TargetError(f"'{name}', which is of type {type(found).__name__}", "a function")
    function, owner, method = _method_of(name, found, parent)
    kind = kind_of(function)
    state = ""
    more: dict[str, Any] = {}
    if wanted.setup is not None:
        state = wanted.setup.rpartition(":")[2].rpartition(".")[2]
        more["setup"] = setup = _around(wanted.setup, wanted.folders, kind, key="setup")
        more["setup_arguments"] = setup_arguments_of(setup, wanted.setup.partition(":")[2], key="setup")
    if wanted.teardown is not None:
        more["teardown"] = teardown = _around(wanted.teardown, wanted.folders, kind, key="teardown")
        more["teardown_arguments"] = setup_arguments_of(
            teardown, wanted.teardown.partition(":")[2], key="teardown", known=TEARDOWN_ARGUMENTS
        )
    if owner is not None:
        if kind == "plain" and needs_a_loop(owner):
            raise TargetError(f"'{name}', a plain method of a class with `async with`", "an async method")
        more["owner"] = owner
        more["owner_arguments"] = setup_arguments_of(owner, owner.__name__, key="target")
    arguments = arguments_of(function, name, fields=wanted.fields, state=state, method=method)
    return Target(function, kind, arguments, **more)


def _find(path: str, folders: Sequence[str], *, key: str) -> tuple[Any, Any]:
    """What is at `module:name`, and in what it was found: a module, or a class."""
    module_name, _, names = path.partition(":")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        raise _not_found(module_name, error, folders, key=key) from error
    except Exception as error:
        raise TargetError(
            f"the module '{module_name}', which fails: {type(error).__name__}: {error}",
            "a module that can be imported",
            key=key,
        ) from error
    *outer, last = names.split(".")
    try:
        parent: Any = reduce(getattr, outer, module)
        return getattr(parent, last), parent
    except AttributeError:
        own = [
            name
            for name, value in vars(module).items()
            if inspect.isroutine(value) and getattr(value, "__module__", None) == module_name
        ]
        raise TargetError(
            f"no '{names}' in {module.__file__ or module_name}",
            f"one of its functions: {', '.join(own)}" if own else "a function in it",
            key=key,
        ) from None


def _not_found(module: str, error: ModuleNotFoundError, folders: Sequence[str], *, key: str) -> TargetError:
    missing = error.name or module
    if module == missing or module.startswith(f"{missing}."):
        return TargetError(f"no module '{missing}'", f"it in {' or '.join(folders)}, or installed", key=key)
    return TargetError(
        f"the module '{module}', which imports '{missing}'", "that to be installed as well", key=key
    )


def _method_of(name: str, found: Any, parent: Any) -> tuple[Any, Any, bool]:
    """The function that is called, the class whose object it is of (None: of none), and whether it has a `self`."""
    if inspect.isclass(found):
        if not any("__call__" in vars(kind) for kind in found.__mro__):
            methods = [method for method in vars(found) if not method.startswith("_")]
            expected = f"one of its methods, such as {name}.{methods[0]}" if methods else "a function"
            raise TargetError(f"'{name}', a class whose objects cannot be called", expected)
        return found.__call__, found, True
    if inspect.isclass(parent) and inspect.isfunction(
        inspect.getattr_static(parent, name.rpartition(".")[2])
    ):
        return found, parent, True
    return found, None, False


def _around(path: str, folders: Sequence[str], kind: Kind, *, key: str) -> Any:
    found, _ = _find(path, folders, key=key)
    name = path.partition(":")[2]
    if not callable(found):
        raise TargetError(
            f"'{name}', which is of type {type(found).__name__}", "a function, or a class", key=key
        )
    if kind == "plain" and needs_a_loop(found):
        raise TargetError(
            f"'{name}', which is async, with a target that is plain", "both async, or both plain", key=key
        )
    return found


def in_environment(base_url: str, api_key: str) -> dict[str, str]:
    """Return the variables by which the SDK, and what is built on it, find the server and its key; Azure's as well."""
    return {
        "OPENAI_BASE_URL": base_url,
        "OPENAI_API_BASE": base_url,
        "OPENAI_API_KEY": api_key,
        "AZURE_OPENAI_ENDPOINT": base_url.removesuffix("/v1"),
        "AZURE_OPENAI_API_KEY": api_key,
        "OPENAI_API_VERSION": os.environ.get("OPENAI_API_VERSION") or AZURE_VERSION,
    }


def check_target(source: YamlSource, wanted: OwnCode, *, python: str | None = None) -> Kind:
    """Look at the code of a profile in a process of its own, of the interpreter that plays it; gives its kind.

    Raises InputError with file, line and key.
    """
    looked = look_at(wanted, python=python)
    if looked.found:
        raise source.error((looked.key,), found=looked.found, expected=looked.expected)
    return looked.kind


@dataclass(frozen=True, slots=True)
class Looked:
    """What came of looking at a target: what was `found` and what was `expected` (empty: it can be called)."""

    found: str = ""
    expected: str = ""
    key: str = "target"
    kind: Kind = "async"


def look_at(wanted: OwnCode, *, python: str | None = None) -> Looked:
    """Look at a user's own code in a process of its own."""
    command = [
        python or sys.executable,
        "-m",
        "windtunnel.harness.inputs.target",
        json.dumps(asdict(wanted)),
    ]
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
        found = f"a module that is not imported, or set up, after {IMPORT_TIMEOUT_S:.0f} s"
        return Looked(found, "one that does nothing but define")
    answers = [line for line in done.stdout.splitlines() if line.startswith(ANSWER)]
    if not answers:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        return Looked(f"a module that ends its process ({last})", "one that does nothing but define")
    return Looked(**json.loads(answers[-1].removeprefix(ANSWER)))


def _try_setup(target: Target, folders: Sequence[str]) -> Looked:
    """Set up and tear down once. That nobody was there to be connected to is no mistake."""
    given = {"base_url": NOWHERE, "api_key": "sk-nobody", "model": "gpt-4.1-mini", "instance": 0}
    lifetime = target.lifetime()
    try:
        if target.kind == "async":
            asyncio.run(_there_and_back(lifetime, given))
        else:
            lifetime.open(given)
            lifetime.close()
    except SetupError as error:
        if not _nobody_there(error):
            return Looked(error.found(folders), error.expected, error.key)
    return Looked(kind=target.kind)


async def _there_and_back(lifetime: Lifetime, given: dict[str, Any]) -> None:
    await lifetime.open_async(given)
    await lifetime.close_async()


def _nobody_there(error: BaseException) -> bool:
    """Whether it is, or comes from, a connection that was refused."""
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        if isinstance(link, ConnectionError):
            return True
        seen.add(id(link))
        link = link.__cause__ or link.__context__
    return False


def main(wanted: OwnCode) -> None:
    """Print what is wrong with a target, and of what kind it is, as JSON."""
    try:
        looked = _try_setup(load_target(wanted), wanted.folders)
    except TargetError as error:
        looked = Looked(error.found, error.expected, error.key)
    print(f"\n{ANSWER}{json.dumps(asdict(looked))}", flush=True)


if __name__ == "__main__":
    parts: dict[str, Any] = json.loads(sys.argv[1])
    main(OwnCode(**parts))
