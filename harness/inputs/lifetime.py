"""What is around the calls of one instance of a user's own code: its set-up, the object of its class, its tear-down.

setup ──► state ─┐
class ──► object ┴──► calls … ──► teardown(state), the rest of a generator, __exit__, close
"""

from __future__ import annotations

import inspect
import sys
import traceback
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import AsyncContextDecorator, ContextDecorator
from pathlib import Path
from typing import Any, TypeAlias

from windtunnel.harness.inputs.signature import Arguments

Called: TypeAlias = tuple[Callable[..., Any], Arguments]
Steps: TypeAlias = Generator[Any, Any, Any]
"""Gives what may have to be awaited, and gets back what came of it."""

OF_A_FUNCTION = (ContextDecorator, AsyncContextDecorator)
"""What functions under `@contextmanager` and `@asynccontextmanager` give: to be entered, whoever sees them."""


class SetupError(Exception):
    """A set-up that failed; its cause is what it raised. `key` is the profile's."""

    def __init__(self, key: str, name: str, expected: str) -> None:
        self.key = key
        self.name = name
        self.expected = expected
        super().__init__(f"{key} '{name}' failed")

    def found(self, folders: Sequence[str] = ()) -> str:
        """What it was, with what it raised and where in the user's own file."""
        error = self.__cause__
        frames = traceback.extract_tb(None if error is None else error.__traceback__)
        own = [one for one in frames if one.filename.startswith(tuple(folders))]
        place = f" ({Path(own[-1].filename).name}:{own[-1].lineno})" if own else ""
        return f"'{self.name}', which fails: {type(error).__name__}: {error}{place}"


class Lifetime:
    """One instance's: open it before its calls, close it after them; of a plain target without any loop."""

    def __init__(self, *, setup: Called | None, owner: Called | None, teardown: Called | None) -> None:
        self.state: Any = None
        self.object: Any = None
        self._setup = setup
        self._owner = owner
        self._teardown = teardown
        self._given: Mapping[str, Any] = {}
        self._exits: list[Callable[[], Any]] = []
        self._plain = False

    def open(self, given: Mapping[str, Any]) -> None:
        """Set up. `given` is what may be asked for, by name. Raises SetupError."""
        self._plain = True
        steps, result = self._opening(given), None
        while True:
            try:
                result = steps.send(result)
            except StopIteration:
                return
            if inspect.isawaitable(result):
                if inspect.iscoroutine(result):
                    result.close()
                steps.throw(TypeError("it gave something to be awaited, and the target is a plain function"))

    async def open_async(self, given: Mapping[str, Any]) -> None:
        """Set up, on the loop of the calls. Raises SetupError."""
        steps = self._opening(given)
        result: Any = None
        failed: BaseException | None = None
        while True:
            try:
                step = steps.send(result) if failed is None else steps.throw(failed)
            except StopIteration:
                return
            failed = None
            try:
                result = await step if inspect.isawaitable(step) else step
            except Exception as error:  # noqa: BLE001  # raised where the step was given
                failed = error

    def close(self) -> None:
        """Tear down, the latest first. What raises is said, and does not keep the rest from it."""
        while self._exits:
            leave = self._exits.pop()
            try:
                left = leave()
                if inspect.iscoroutine(left):
                    left.close()
            except Exception as error:  # noqa: BLE001  # the calls are over
                _tell(error)

    async def close_async(self) -> None:
        """The same on the loop."""
        while self._exits:
            leave = self._exits.pop()
            try:
                left = leave()
                if inspect.isawaitable(left):
                    await left
            except Exception as error:  # noqa: BLE001  # the calls are over
                _tell(error)

    def _opening(self, given: Mapping[str, Any]) -> Steps:
        self._given = given
        if self._setup is not None:
            self.state = yield from self._guarded("setup", self._setup)
        if self._owner is not None:
            self.object = yield from self._guarded("target", self._owner)
        if self._teardown is not None:
            function, arguments = self._teardown
            values = {**given, "state": self.state}
            self._exits.append(lambda: _called(function, arguments, values))

    def _guarded(self, key: str, called: Called) -> Steps:
        name = getattr(called[0], "__name__", type(called[0]).__name__)
        try:
            return (yield from self._entered(called))
        except StopAsyncIteration as error:
            raise SetupError(key, name, "one that yields once") from error
        except Exception as error:
            raise SetupError(key, name, "one that can be called once for each instance") from error

    def _entered(self, called: Called) -> Steps:
        function, arguments = called
        made = _called(function, arguments, self._given)
        if inspect.isgenerator(made):
            try:
                value = next(made)
            except StopIteration:
                raise TypeError("it yielded nothing") from None
            self._exits.append(lambda: next(made, None))
            return value
        if inspect.isasyncgen(made):
            value = yield anext(made)
            self._exits.append(lambda: anext(made, None))
            return value
        made = yield made
        if not inspect.isclass(function) and not isinstance(made, OF_A_FUNCTION):
            self._close_later(made)
            return made
        if hasattr(made, "__aenter__") and not (self._plain and hasattr(made, "__enter__")):
            value = yield made.__aenter__()
            self._exits.append(lambda: made.__aexit__(None, None, None))
            return value
        if hasattr(made, "__enter__"):
            value = made.__enter__()
            self._exits.append(lambda: made.__exit__(None, None, None))
            return value
        self._close_later(made)
        return made

    def _close_later(self, made: Any) -> None:
        """What has a way to be closed is closed, unless there is a tear-down, which knows better."""
        close = (None if self._plain else getattr(made, "aclose", None)) or getattr(made, "close", None)
        if self._teardown is None and callable(close):
            self._exits.append(close)


def _called(function: Callable[..., Any], arguments: Arguments, values: Mapping[str, Any]) -> Any:
    by_position, by_name = arguments.bind(values.__getitem__)
    return function(*by_position, **by_name)


def _tell(error: Exception) -> None:
    print(f"windtunnel: the tear-down failed: {type(error).__name__}: {error}", file=sys.stderr)
