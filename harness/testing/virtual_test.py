"""A test on the virtual clock: the test, its client and the mock on one loop whose time jumps.

    @windtunnel.virtual(seed=1) ─┐                         ┌─ clocks, chance, sockets of this process: put in place …
    @pytest.mark.windtunnel_…  ──┴─► play(test) ─► world() ┼─ a loop with a network in memory; on it the mock listens
                                                           └─ … and put back, however the test ends

What it cannot have raises and says where: threads, blocking sleeps, processes, real sockets, other hosts.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import inspect
import os
import platform
from collections.abc import Callable, Coroutine, Iterator
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, TypeVar, overload

from windtunnel.harness.errors import HarnessError, InputError
from windtunnel.harness.testing.view import NAME, MockOpenAI

if TYPE_CHECKING:
    from windtunnel.harness.testing.virtual_loop import TestLoop
    from windtunnel.harness.virtual.loop import VirtualLoop
    from windtunnel.mock_server.server.server import Server

_F = TypeVar("_F", bound=Callable[..., Any])

MARK = "__windtunnel_virtual__"
"""The attribute of a function that plays on the virtual clock: its seed."""

HOST, PORT = "127.0.0.1", 8000
BASE_URL = f"http://{HOST}:{PORT}/v1"
API_KEY = "sk-windtunnel-virtual"

NEEDED = ("greenlet", "time_machine")
INSTALL = "pip install 'windtunnel[lab]'"
WAY_OUT = "run the test without the virtual clock"

_waiting: list[VirtualView] = []
"""The view of the test that is about to be played; the fixture puts it here."""
_playing: list[str] = []


class StuckTestError(HarnessError):
    """A test on the virtual clock waits for what never happens, or polls without end."""


class VirtualView(MockOpenAI):
    """The view of a test on the virtual clock; the mock begins with the test, and is on its loop."""

    def __init__(self, *, seed: int = 0) -> None:
        super().__init__(seed=seed)
        self.base_url, self.api_key = BASE_URL, API_KEY
        self._server: Server | None = None
        self._planned = self._plan(NAME)

    async def listen(self, loop: VirtualLoop) -> None:
        """Open the mock's port on a loop, under what has been asked for."""
        from windtunnel.harness.virtual.network.ports import Ports, listen
        from windtunnel.mock_server.journal.journal import Journal
        from windtunnel.mock_server.plan.plan import Plan
        from windtunnel.mock_server.server.server import Server

        plan = Plan.model_validate(self._planned)
        server = self._server = Server(plan, journal=Journal(), loop=loop, clock=loop.time)
        region = plan.provider.default_region
        listener = await listen(loop, server, region, PORT)
        Ports(server, {region: listener})

    def _begin(self, plan: dict[str, Any]) -> None:
        self._change(plan)
        if self._server is not None:
            self._server.reset()

    def _change(self, plan: dict[str, Any]) -> None:
        from windtunnel.mock_server.plan.plan import Plan

        self._planned = plan
        if self._server is not None:
            self._server.set_plan(Plan.model_validate(plan))

    def _rows(self) -> list[dict[str, Any]]:
        if self._server is None:
            return []
        left = {one.served_id for one in self._server.exchanges.values() if _client_left(one.requester)}
        rows = self._server.requests()
        for row in rows:
            if row["ended_s"] is None and row["served_id"] in left and not row["abandoned"]:
                row["abandoned"], row["abandoned_at_s"] = True, self._now_s()
        return rows

    def _now_s(self) -> float:
        return 0.0 if self._server is None else self._server.now()


def _client_left(requester: Any) -> bool:
    """Whether a client has closed its end already; the mock hears of it a moment later."""
    from windtunnel.harness.virtual.network.endpoint import OTHER_END

    transport = requester.connection.transport
    if transport is None:
        return True
    other_end = transport.get_extra_info(OTHER_END)
    return other_end is not None and bool(other_end.is_closing())


@overload
def virtual(function: _F, /) -> _F: ...


@overload
def virtual(*, seed: int = 1) -> Callable[[_F], _F]: ...


def virtual(function: _F | None = None, /, *, seed: int = 1) -> _F | Callable[[_F], _F]:
    """Run an async test, its client and the mock on the virtual clock, on which waiting takes no time.

    The test gets the mock as its argument or fixture `mock_openai`; `OPENAI_BASE_URL` names it as well. Chance is drawn
    from `seed`, so the test goes the same way each time.
    """

    def decorate(test: _F) -> _F:
        if not inspect.iscoroutinefunction(test):
            name = getattr(test, "__qualname__", repr(test))
            raise TypeError(
                f"windtunnel.virtual: expected an async function, found {name}: only what awaits can jump in time"
            )

        @functools.wraps(test)
        def played(*args: Any, **kwargs: Any) -> Any:
            __tracebackhide__ = True
            return play(test, args, kwargs, seed)

        setattr(played, MARK, seed)
        return played  # type: ignore[return-value]  # a sync function stands in for the async one, on purpose

    return decorate if function is None else decorate(function)


def view_for(seed: int) -> VirtualView:
    """Return the view for a test that will be played next; what it is asked for before holds from the beginning."""
    view = VirtualView(seed=seed)
    _waiting[:] = [view]
    return view


def forget() -> None:
    """The test that a view was made for is over."""
    _waiting.clear()


def play(test: Callable[..., Coroutine[Any, Any, Any]], args: Any, kwargs: Any, seed: int) -> Any:
    """Play an async test on the virtual clock, and return what it returns.

    Raises what the test raises, `ForbiddenError` where something was tried that cannot run there, `StuckTestError`
    where nobody will ever do anything again, and `InputError` where a library is missing.
    """
    __tracebackhide__ = True
    name = getattr(test, "__qualname__", "the test")
    missing = [one for one in NEEDED if find_spec(one) is None]
    if missing:
        hint = f"needs {', '.join(missing)}, which one line installs: {INSTALL}"
        raise InputError("the virtual clock", hint=hint)
    if _playing:
        raise RuntimeError(
            f"{name} cannot be played on the virtual clock inside of {_playing[0]}, which is on it"
        )
    view = _waiting.pop() if _waiting else VirtualView(seed=seed)
    if NAME in inspect.signature(test).parameters and NAME not in kwargs:
        kwargs = {**kwargs, NAME: view}  # who plays without pytest has no fixture
    _playing.append(name)
    try:
        return _play(functools.partial(test, *args, **kwargs), view, seed)
    finally:
        _playing.clear()


def _play(test: Callable[[], Coroutine[Any, Any, Any]], view: VirtualView, seed: int) -> Any:
    __tracebackhide__ = True
    from windtunnel.harness.virtual.guard import ForbiddenError
    from windtunnel.harness.virtual.loop import DeadlockError, SpinError
    from windtunnel.harness.virtual.watchdog import describe, spinner

    async def main() -> Any:
        loop.main = asyncio.current_task()
        await view.listen(loop)
        return await test()

    wrong: str | None = None
    with world(seed) as (loop, refused), _environment(view):
        try:
            answer = loop.run_until_complete(main())
        except DeadlockError:
            who = "; ".join([describe(task) for task in asyncio.all_tasks(loop)])
            wrong = f"nothing will ever happen any more at {loop.time():.6f} s. Waiting: {who}"
        except SpinError as error:
            who = "; ".join([spinner(handle) for handle in error.who])
            wrong = f"somebody polls, and no time passes: {error}: {who}. Wait for an event, or pause"
        except BaseException as error:
            if not refused:  # a library may have taken a refusal for an error of the network
                raise
            wrong = str(error)
        finally:
            _close(loop)
    if refused:
        raise ForbiddenError(refused[0]) from None
    if wrong is not None:
        raise StuckTestError(wrong)
    return answer


@contextlib.contextmanager
def world(seed: int) -> Iterator[tuple[TestLoop, list[str]]]:
    """Put this process on the virtual clock, and back at the end; gives the loop, and what was refused so far."""
    from windtunnel.harness.testing.virtual_loop import TestLoop
    from windtunnel.harness.virtual import guard
    from windtunnel.harness.virtual.determinism import make_deterministic
    from windtunnel.harness.virtual.replacing import Replacements

    platform.platform()  # starts a process the first time, and the SDK asks for it
    refused: list[str] = []
    replacements = Replacements()
    before = guard.on_refusal, guard.instead_of_all, guard.connect_instead
    guard.on_refusal = lambda error: refused.append(str(error))
    guard.instead_of_all, guard.connect_instead = WAY_OUT, "use an async client"
    loop = TestLoop(BASE_URL)
    try:
        make_deterministic(loop, seed=seed, replacements=replacements, collect=False)
        gc.freeze()  # what the tests before have left need not be looked at again and again
        yield loop, refused
    finally:
        replacements.restore()
        gc.unfreeze()
        guard.on_refusal, guard.instead_of_all, guard.connect_instead = before


@contextlib.contextmanager
def _environment(view: VirtualView) -> Iterator[None]:
    """Point clients that read the environment to the mock."""
    wanted = {
        "OPENAI_BASE_URL": view.base_url,
        "OPENAI_API_KEY": view.api_key,
        "NO_PROXY": "*",
        "no_proxy": "*",
    }
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _close(loop: VirtualLoop) -> None:
    """End what the test has left behind, as `asyncio.run` does, and close the loop."""
    from windtunnel.harness.virtual.loop import DeadlockError, SpinError

    tasks = [task for task in asyncio.all_tasks(loop) if not task.done()]
    for task in tasks:
        task.cancel()
    with contextlib.suppress(DeadlockError, SpinError):
        if tasks:
            loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()
