"""The shape of the house: who may import whom, what may stand where, and exceptions that may only become fewer.

Each list of exceptions below is exact: a new one fails, and so does one that is gone and still listed. The readers
behind these rules are tested in `test_source_tree.py`, where each is shown to find what it looks for.
"""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path

import pytest

from tests.source_tree import (
    Import,
    Source,
    circles,
    exported,
    ignores_without_reason,
    imports_of,
    libraries_of,
    our_imports,
    private_uses,
    public_classes,
    read_sources,
    room_of,
    upward,
)

ROOT = Path(__file__).parent.parent
PACKAGES = ("harness", "mock_server", "reports", "scenarios")

MAY_IMPORT = {
    "mock_server": ("mock_server",),
    "harness": ("harness", "mock_server"),
    "scenarios": ("scenarios", "harness", "mock_server"),
    "reports": ("reports", "harness.contract"),
}

# The command line reaches the reports when a command needs them, or for the type checker alone, never when it is
# imported itself.
MAY_IMPORT_WHEN_CALLED = {"harness.cli": ("reports",)}

LAYERS = {
    "mock_server": (
        "errors",
        "chance",
        "script",
        "sse",
        "request",
        "journal",
        "plan",
        "api",
        "faults",
        "rules",
        "provider",
        "engine",
        "transports",
        "control",
        "server",
        "manual",
        "__main__",
    ),
    "harness": (
        "errors",
        "contract",
        "environments",
        "gateways",
        "inputs",
        "adapters",
        "arrivals",
        "plan",
        "policies",
        "clients",
        "load",
        "run",
        "probe",
        "virtual",
        "replay",
        "bisect",
        "capacity",
        "soak",
        "testing",
        "calibrate",
        "matrix",
        "manual",
        "init",
        "cli",
    ),
    "reports": (
        "errors",
        "read",
        "metrics",
        "gate",
        "findings",
        "figures",
        "grid",
        "charts",
        "page",
        "capacity",
        "build",
        "matrix",
        "check",
        "soak",
    ),
    "scenarios": ("locustfile", "service_user", "attach", "soak_users", "leaky_pool"),
}
"""The rooms of each package from the ground up: a room imports those before it, and no room after it."""

UPWARD = {
    # A rule of a plan names a fault, and its parameters are checked when the plan is loaded.
    ("mock_server.plan.rule", "mock_server.faults"),
    ("mock_server.plan.rule", "mock_server.faults.base"),
    # Transports serve one server, whose options and admin API they know.
    ("mock_server.control.control", "mock_server.server.options"),
    ("mock_server.transports.admin", "mock_server.control.control"),
    ("mock_server.transports.listeners", "mock_server.server.options"),
    ("mock_server.transports.listeners", "mock_server.server.server"),
    ("mock_server.transports.ports", "mock_server.server.options"),
    # For the type checker alone.
    ("mock_server.journal.rows", "mock_server.transports.exchange"),
    ("mock_server.transports.exchange", "mock_server.server.server"),
    ("mock_server.transports.accept", "mock_server.server.server"),
    ("harness.arrivals", "harness.plan"),
    # An expectation's mistakes are told as those of the file that it stands in.
    ("harness.contract.expectation", "harness.inputs.validation"),
    # A mock that is started by hand is a child process as one of a run is.
    ("harness.load.by_hand", "harness.run.children"),
    # The one place that chooses between the real and the virtual clock.
    ("harness.run.run", "harness.virtual.cell_queue"),
}
"""Imports against the order, each with its reason: (importer, imported)."""

CIRCLES: set[tuple[str, ...]] = set()
"""Modules that import each other, at import or inside a function (for the type checker alone does not count)."""

LIBRARIES = {
    "aiohttp": (
        "mock_server/transports/http1/parser.py",
        "harness/calibrate/",
        "harness/clients/",
        "harness/matrix/",
        "harness/probe/",
        "harness/replay/",
        "harness/run/",
        "harness/testing/on_aiohttp.py",
    ),
    "asyncio": (
        "mock_server/transports/",
        "mock_server/server/",
        "harness/adapters/",
        "harness/calibrate/",
        "harness/clients/",
        "harness/inputs/target.py",  # tries a user's async set-up, in a process of its own
        "harness/load/",
        "harness/matrix/",
        "harness/probe/",
        "harness/replay/",
        "harness/run/",
        "harness/soak/",
        "harness/testing/",
        "harness/virtual/",
    ),
    "trustme": ("mock_server/transports/tls/certificates.py",),
    "uvloop": ("mock_server/server/", "harness/calibrate/", "harness/load/"),
    "prometheus_client": ("mock_server/control/", "harness/run/live_metrics.py", "harness/soak/metrics.py"),
    "python_multipart": ("mock_server/api/forms.py",),
    "openai": (
        "harness/adapters/",
        "harness/calibrate/",
        "harness/clients/",
        "harness/matrix/",
        "scenarios/leaky_pool.py",
    ),
    "h2": ("mock_server/transports/http2/",),
    "httpx2": ("harness/clients/", "harness/matrix/"),
    "gevent": (
        "harness/clients/",
        "harness/load/",
        "scenarios/locustfile.py",
        "scenarios/service_user.py",
        "scenarios/soak_users.py",
    ),
    "locust": ("scenarios/locustfile.py", "scenarios/service_user.py"),
    "pytest": ("harness/testing/plugin.py",),
    "ruamel": ("harness/inputs/yaml_source.py",),
    "typer": ("harness/cli/",),
    "rich": ("harness/calibrate/", "harness/cli/", "harness/replay/", "harness/run/", "harness/soak/"),
    "pandas": ("reports/", "harness/calibrate/"),
    "scipy": (
        "harness/capacity/growth.py",
        "harness/capacity/sweep.py",
        "harness/capacity/verdict.py",
        "reports/capacity/usl.py",
        "reports/figures/",
        "reports/gate/paired.py",
        "reports/grid/timeouts.py",
        "reports/soak/trend.py",
    ),
    "ruptures": ("reports/soak/change.py",),
    "matplotlib": ("reports/capacity/charts/", "reports/charts/"),
    "jinja2": ("reports/page/",),
}
"""What only these rooms import: who waits, who talks to the network, who draws."""

LOADED_AT_ONCE = {"scipy.stats": ("harness/capacity/", "reports/soak/", "reports/capacity/")}
"""A library that takes a second to load, and whom its import costs that; elsewhere it is loaded when it is used."""

NO_CLOCK = (
    "mock_server/engine.py",
    "mock_server/request.py",
    "mock_server/rules.py",
    "mock_server/script.py",
    "mock_server/chance.py",
    "mock_server/api/",
    "mock_server/faults/",
    "mock_server/plan/",
    "mock_server/provider/",
    "harness/arrivals.py",
    "harness/contract/",
)
CLOCKS = {"time", "random", "socket", "threading", "asyncio", "secrets", "uuid", "aiohttp", "datetime"}

PRIVATE_OF_AIOHTTP = {
    ("harness/clients/recording/pools.py", "_acquired"),
    ("harness/clients/recording/pools.py", "_conns"),
    ("mock_server/transports/http1/parser.py", "aiohttp.base_protocol.BaseProtocol"),
    ("mock_server/transports/http1/parser.py", "aiohttp.http.HttpRequestParser"),
    ("mock_server/transports/http1/parser.py", "aiohttp.http.RawRequestMessage"),
    ("mock_server/transports/http1/parser.py", "aiohttp.http_exceptions.HttpProcessingError"),
    ("mock_server/transports/http1/parser.py", "aiohttp.http_exceptions.LineTooLong"),
    ("mock_server/transports/http1/parser.py", "aiohttp.streams.EMPTY_PAYLOAD"),
    ("mock_server/transports/http1/parser.py", "aiohttp.streams.StreamReader"),
    ("harness/clients/recording/aiohttp.py", "aiohttp.connector.Connection"),
    ("harness/clients/recording/aiohttp.py", "aiohttp.streams.AsyncStreamIterator"),
    ("harness/clients/recording/aiohttp.py", "aiohttp.streams.ChunkTupleAsyncStreamIterator"),
    ("harness/replay/hooks.py", "_acquired"),
    ("harness/replay/hooks.py", "_conns"),
    ("harness/replay/hooks.py", "_waiters"),
}
"""What is used of aiohttp without being documented: (file, name). A new release may change each of these."""

PARSER_OF_AIOHTTP = {
    "message_consumed": {"mock_server/transports/http1/parser.py"},
    "max_msg_queue_size": {"mock_server/transports/http1/parser.py"},
    "Too many headers received": {"mock_server/transports/http1/parser.py"},
}
"""A method, an argument and an error's text of aiohttp's parser, which carry no underscore: where each is used."""

TOP_LEVEL = {
    "pyproject.toml",
    "README.md",
    "LICENSE",
    "harness",
    "scenarios",
    "mock_server",
    "reports",
    "tests",
}


# Read when a test first needs them: whoever only collects this file parses no source.


@cache
def sources() -> tuple[Source, ...]:
    """Every Python file of the four packages."""
    return tuple(read_sources(ROOT, PACKAGES))


@cache
def imports() -> tuple[tuple[Import, str], ...]:
    """Every import of one of our modules by another, and the module that it reaches."""
    return tuple(our_imports(sources()))


@cache
def used() -> dict[str, set[tuple[str, int]]]:
    """The libraries that each file imports, with their lines."""
    return {source.path: libraries_of(source) for source in sources()}


def allowed(name: str, rules: tuple[str, ...]) -> bool:
    return any(name == rule or name.startswith(rule + ".") for rule in rules)


def stands_in(path: str, places: tuple[str, ...]) -> bool:
    return any(path == place or (place.endswith("/") and path.startswith(place)) for place in places)


@pytest.mark.parametrize("package", PACKAGES)
def test_packages_import_only_what_they_may(package: str) -> None:
    """Data flows one way: no package imports one that comes after it."""
    wrong = []
    for source in sources():
        if source.path.split("/")[0] != package:
            continue
        lazily = [
            rule
            for room, rules in MAY_IMPORT_WHEN_CALLED.items()
            if allowed(source.module, (room,))
            for rule in rules
        ]
        for one in imports_of(source):
            name = one.full.removeprefix("windtunnel.")
            if name == one.full or allowed(name, MAY_IMPORT[package]):
                continue
            if not (one.when != "import" and allowed(name, tuple(lazily))):
                wrong.append(f"{one.path}:{one.line} imports {name}")
    assert wrong == []


@pytest.mark.parametrize("package", PACKAGES)
def test_every_module_stands_in_a_room(package: str) -> None:
    """A new folder or file at the top of a package gets its place among the layers, and one that is gone leaves it."""
    modules = [source.module for source in sources() if source.module.startswith(package + ".")]
    assert {room_of(module, LAYERS) for module in modules} == set(LAYERS[package])


def test_rooms_import_only_rooms_before_them() -> None:
    """Within a package the rooms are in layers; only listed imports go against it."""
    assert upward(imports(), LAYERS) == UPWARD


def test_modules_import_in_no_circle_when_they_are_imported() -> None:
    """Any module can be imported first."""
    assert circles((one.importer, target) for one, target in imports() if one.when == "import") == set()


def test_circles_of_calls_are_those_that_are_listed() -> None:
    """No two modules need each other, not even inside a function, but for the circles that are listed."""
    assert circles((one.importer, target) for one, target in imports() if one.when != "typing") == CIRCLES


@pytest.mark.parametrize("library", sorted(LIBRARIES))
def test_a_library_is_imported_only_where_it_belongs(library: str) -> None:
    """What talks to the network, waits or draws is known to the rooms that are listed, and needed in each of them."""
    where = {path: line for path, found in used().items() for name, line in found if name == library}
    assert [f"{path}:{line}" for path, line in where.items() if not stands_in(path, LIBRARIES[library])] == []
    assert [
        place for place in LIBRARIES[library] if not any(stands_in(path, (place,)) for path in where)
    ] == []


@pytest.mark.parametrize("library", LOADED_AT_ONCE)
def test_what_loads_slowly_is_loaded_by_those_who_use_it(library: str) -> None:
    """No report of a run waits for what only a comparison needs."""
    early = {one.path for source in sources() for one in imports_of(source) if one.full.startswith(library)}
    assert [path for path in sorted(early) if not stands_in(path, LOADED_AT_ONCE[library])] == []


@pytest.mark.parametrize("place", NO_CLOCK)
def test_the_engine_reads_no_clock_and_does_no_io(place: str) -> None:
    """Time and chance are arguments: nothing inside the engine imports a clock, a socket, a thread or `random`."""
    inside = {path: found for path, found in used().items() if stands_in(path, (place,))}
    assert inside
    assert [
        f"{path}:{line} imports {name}"
        for path, found in inside.items()
        for name, line in found
        if name in CLOCKS
    ] == []


def test_what_is_private_of_aiohttp_is_listed() -> None:
    """Each use of what aiohttp does not document is known by file and name, so that a new release can be checked."""
    assert (
        private_uses(sources(), "aiohttp", {"aiohttp", "aiohttp.web", "aiohttp.test_utils"})
        == PRIVATE_OF_AIOHTTP
    )


def test_a_transport_is_known_by_its_protocols_alone() -> None:
    """What is written for HTTP/1.1 is imported where a connection is accepted, and by the mock without sockets."""
    http1 = "mock_server.transports.http1"
    importers = {one.importer for one, target in imports() if allowed(target, (http1,))}
    assert {one for one in importers if not allowed(one, (http1,))} == {
        "mock_server.transports.accept",
        "mock_server.transports.inprocess.library",  # its answers are as long as those of HTTP/1.1
    }


@pytest.mark.parametrize("word", PARSER_OF_AIOHTTP)
def test_the_undocumented_parser_of_aiohttp_is_used_in_one_file_each(word: str) -> None:
    """Each undocumented word of the parser's interface is in the listed file and in no other."""
    assert {source.path for source in sources() if word in source.text} == PARSER_OF_AIOHTTP[word]


def test_every_ignore_has_its_reason() -> None:
    """Behind each `type: ignore` and `noqa` stands why the checker is wrong there."""
    wrong = {}
    for source in [*sources(), *read_sources(ROOT, ["tests"])]:
        lines = ignores_without_reason(source)
        if lines:
            wrong[source.path] = lines
    assert wrong == {}


SAME_NAME: dict[str, str] = {}
"""Public classes that share a name, with the reason why they may."""


def test_no_two_public_classes_share_a_name() -> None:
    """One word, one idea: a class is found by its name."""
    shared = {name: paths for name, paths in public_classes(sources()).items() if len(paths) > 1}
    assert {name: paths for name, paths in shared.items() if name not in SAME_NAME} == {}
    assert [name for name in SAME_NAME if name not in shared] == []


def in_order(name: str) -> tuple[int, str]:
    """Return where a name stands in a sorted `__all__`: constants, classes, then functions (as ruff sorts it)."""
    return (0 if name.isupper() else 1 if name[0].isupper() else 2, name)


def test_front_doors_are_sorted() -> None:
    """Every `__all__` lists its names in order, each once."""
    front = read_sources(ROOT / ".src" / "windtunnel", ["."])
    lists = {source.path: exported(source) for source in [*sources(), *front]}
    unsorted = {path for path, names in lists.items() if names and names != sorted(set(names), key=in_order)}
    assert unsorted == set()


def test_the_top_level_stays_as_it_is() -> None:
    """Dotfiles, the four packages, tests, README, LICENSE and pyproject.toml: no more is kept."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    kept = {line.split("/")[0] for line in listed.stdout.splitlines()}
    assert {name for name in kept if not name.startswith(".")} == TOP_LEVEL


@pytest.mark.parametrize("package", PACKAGES)
def test_every_package_has_its_manual(package: str) -> None:
    """A reader finds a README in every package."""
    assert (ROOT / package / "README.md").stat().st_size > 500
