"""The pytest plugin: the fixture `mock_openai`, the markers, and the timeline of a test that fails.

It is installed with the package and does nothing before it is used: pytest imports this file, and this file imports
nothing else of ours until a test asks for the fixture.
"""

from __future__ import annotations

import contextlib
import inspect
import os
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from windtunnel.harness.testing.process_view import MockProcess
    from windtunnel.harness.testing.view import MockOpenAI

FIXTURE = "mock_openai"
LOOPBACK = "127.0.0.1,localhost"
MARKERS = (
    "windtunnel(faults=[...], sequence=[...], limits={...}, provider={...}, scenario=NAME): what the mock that "
    "OPENAI_BASE_URL names does in this test",
    "windtunnel_virtual(seed=1): this async test, its client and the mock are on the virtual clock; waiting is free",
)
VIRTUAL = "__windtunnel_virtual__"
"""The attribute of a test on the virtual clock (`virtual_test.MARK`)."""

_VIEW = pytest.StashKey["MockOpenAI"]()


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers."""
    for line in MARKERS:
        config.addinivalue_line("markers", line)


@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makeitem(collector: Any, name: str, obj: Any) -> Any:
    """Make a sync test of an async one with the marker `windtunnel_virtual`, before others see that it is async.

    A mistake in a marker is an error of collection, so that pytest ends with 2 before it plays anything.
    """
    marks = getattr(obj, "pytestmark", ()) if callable(obj) else ()
    for mark in marks if isinstance(marks, list) else ():
        if mark.name == "windtunnel" and (wrong := _ask_for(None, mark)):
            raise collector.CollectError(f"{getattr(obj, '__qualname__', name)}: {wrong}")
    if not inspect.iscoroutinefunction(obj) or not collector.funcnamefilter(name):
        return None
    own = [mark for mark in getattr(obj, "pytestmark", ()) if mark.name == "windtunnel_virtual"]
    mark = own[-1] if own else collector.get_closest_marker("windtunnel_virtual")
    if mark is None:
        return None
    from windtunnel.harness.testing.virtual_test import virtual

    played = virtual(*mark.args, **mark.kwargs)(obj)
    setattr(collector.obj, name, played)
    return collector.ihook.pytest_pycollect_makeitem(collector=collector, name=name, obj=played)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test with the marker has the mock, whether it names the fixture or not."""
    for item in items:
        names = getattr(item, "fixturenames", None)
        if names is not None and FIXTURE not in names and item.get_closest_marker("windtunnel"):
            names.insert(0, FIXTURE)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """A sync test cannot be on the virtual clock, and must not pass as if it were."""
    if item.get_closest_marker("windtunnel_virtual") and _seed_of(item) is None:
        pytest.fail(
            "@pytest.mark.windtunnel_virtual: found a sync test, expected an async one", pytrace=False
        )


@pytest.fixture(scope="session")
def _windtunnel_process() -> Iterator[MockProcess]:
    """The mock's process, which lives as long as the session."""
    from windtunnel.harness.testing.process_view import MockProcess

    with MockProcess() as process:
        yield process


@pytest.fixture
def mock_openai(request: pytest.FixtureRequest) -> Iterator[MockOpenAI]:
    """A mock OpenAI that fails as it is told: `mock_openai.fault("stall", after_chunks=3)`.

    It is a real server; `OPENAI_BASE_URL` and `OPENAI_API_KEY` point to it while the test runs.
    """
    view = _view(request)
    view.shown_by_report = True
    request.node.stash[_VIEW] = view
    for mark in reversed(
        list(request.node.iter_markers("windtunnel"))
    ):  # those of its module and class first
        if wrong := _ask_for(view, mark):
            pytest.fail(wrong, pytrace=False)
    with _environment(view):
        yield view
    if _seed_of(request.node) is not None:
        from windtunnel.harness.testing.virtual_test import forget

        forget()


def _view(request: pytest.FixtureRequest) -> MockOpenAI:
    """The view of a test: on the virtual clock if that is where it is played."""
    seed = _seed_of(request.node)
    if seed is not None:
        from windtunnel.harness.testing.virtual_test import view_for

        return view_for(seed)
    from windtunnel.harness.testing.process_view import ProcessView

    return ProcessView(request.getfixturevalue("_windtunnel_process"))


def _seed_of(item: Any) -> int | None:
    """The seed of a test on the virtual clock; None for any other."""
    seed: int | None = getattr(getattr(item, "obj", None), VIRTUAL, None)
    return seed


def _ask_for(view: MockOpenAI | None, mark: pytest.Mark) -> str:
    """Do what a marker asks a mock for, or only check it; return what is wrong with it."""
    from windtunnel.harness.errors import InputError
    from windtunnel.harness.testing.view import PlanOnly

    asked: dict[str, Any] = dict(mark.kwargs)
    if mark.args:
        asked["faults"] = [*mark.args, *asked.get("faults", ())]
    try:
        (PlanOnly() if view is None else view).apply("@pytest.mark.windtunnel", asked)
    except InputError as error:
        return str(error)
    return ""


@contextlib.contextmanager
def _environment(view: MockOpenAI) -> Iterator[None]:
    """Point clients that read the environment to the mock, and keep them from going there through a proxy."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPENAI_BASE_URL", view.base_url)
        patch.setenv("OPENAI_API_KEY", view.api_key)
        for name in ("NO_PROXY", "no_proxy"):
            patch.setenv(name, ",".join(filter(None, (os.environ.get(name), LOOPBACK))))
        yield


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what was served in a test that failed."""
    report = yield
    view = item.stash.get(_VIEW, None)
    if view is not None and report.failed and report.when == "call":
        try:
            text = view.timeline()
        except Exception as error:  # noqa: BLE001 - the failure of the test is what must be seen
            text = f"not known: {error}"
        report.sections.append(("requests that the mock has served", text))
    return report
