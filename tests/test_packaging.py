"""A wheel, installed elsewhere: what a user of the released package gets."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import tarfile
import urllib.request
import zipfile
from collections.abc import Iterator
from importlib.metadata import Distribution, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import windtunnel
from windtunnel.harness.cli.lab import INSTALL, LAB_MODULES

pytestmark = pytest.mark.timeout(300)
"""An installed wheel plays whole projects here, beside other tests."""

ROOT = Path(__file__).parent.parent
SOURCES = ("pyproject.toml", "README.md", "LICENSE", ".src", "harness", "mock_server", "reports", "scenarios")
SITE = Path(sysconfig.get_path("purelib"))
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "-q")
USERS_FOLDERS = ("harness", "mock_server", "reports", "scenarios", "tests")


def copy_sources(to: Path) -> Path:
    """Copy what a release is made of, so that a build leaves nothing in the checkout."""
    to.mkdir()
    subprocess.run(["cp", "-a", *(str(ROOT / name) for name in SOURCES), str(to)], check=True)
    for link in (to / ".src").glob("*.egg-info"):
        subprocess.run(["rm", "-r", str(link)], check=True)
    return to


def make_environment(folder: Path) -> Path:
    """Make an empty virtual environment, and return its site-packages."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    return next((folder / "lib").glob("python*")) / "site-packages"


def install(folder: Path, *what: str) -> None:
    """Install into an environment, without dependencies and without a network."""
    python = str(folder / "bin" / "python")
    subprocess.run([*PIP, "--python", python, "install", "--no-deps", "--no-index", *what], check=True)


def run(
    command: Path, *arguments: str, cwd: Path, path: str | None = None, timeout: float = 280
) -> subprocess.CompletedProcess[str]:
    """Run a command of an environment in `cwd`, with `path` as PYTHONPATH and none of this process's own."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    if path is not None:
        environment["PYTHONPATH"] = path
    return subprocess.run(
        [str(command), *arguments], cwd=cwd, env=environment, capture_output=True, text=True, timeout=timeout
    )


def output(command: Path, *arguments: str, cwd: Path, path: str | None = None) -> str:
    """Run a command that must succeed, and return what it prints."""
    done = run(command, *arguments, cwd=cwd, path=path)
    assert done.returncode == 0, done.stderr
    return done.stdout


def ask_served(command: Path, *, cwd: Path, path: str | None = None) -> str:
    """Start `windtunnel serve`, and return the text that it answers to a chat request."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    if path is not None:
        environment["PYTHONPATH"] = path
    with subprocess.Popen(
        [str(command), "serve", "--scenario", "healthy"],
        cwd=cwd,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        try:
            assert server.stdout is not None
            base_url = json.loads(server.stdout.readline())["base_url"]
            request = urllib.request.Request(
                f"{base_url}/chat/completions",
                json.dumps(
                    {"model": "gpt-4.1-mini", "messages": [{"role": "user", "content": "Hello"}]}
                ).encode(),
                {"Content-Type": "application/json", "Authorization": "Bearer sk-any"},
            )
            with urllib.request.urlopen(request, timeout=30) as answer:
                content = json.load(answer)["choices"][0]["message"]["content"]
        finally:
            server.terminate()
        assert server.wait(20) == 0
    assert isinstance(content, str)
    return content


def needed(dist: Distribution, extra: str = "") -> Iterator[str]:
    """Yield the names of the distributions that one requires in this environment, with an extra or without."""
    for line in dist.requires or ():
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
            yield canonicalize_name(requirement.name)


def core_distributions() -> set[str]:
    """Return what `pip install windtunnel` brings, with everything that it brings in turn."""
    found: set[str] = set()
    waiting = list(needed(distribution("windtunnel")))
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += needed(distribution(name))
    return found


def link_distribution(name: str, site: Path) -> None:
    """Make one installed distribution importable in another environment by links."""
    files = distribution(name).files
    assert files is not None
    for top in {file.parts[0] for file in files if file.parts[0] not in ("..", "__pycache__")}:
        (site / top).symlink_to(SITE / top)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel, built from the source distribution as a release is."""
    folder = tmp_path_factory.mktemp("wheel")
    source = copy_sources(folder / "source")
    make = "import setuptools.build_meta as backend; print(backend.build_sdist(%r))"
    subprocess.run(
        [sys.executable, "-c", make % str(folder)], cwd=source, check=True, capture_output=True, timeout=100
    )
    sdist = next(folder.glob("windtunnel-*.tar.gz"))
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    unpacked = folder / sdist.name.removesuffix(".tar.gz")
    subprocess.run(
        [*PIP, "wheel", "--no-deps", "--no-build-isolation", "-w", str(folder), str(unpacked)],
        check=True,
        timeout=100,
    )
    return next(folder.glob("windtunnel-*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `windtunnel` command of a wheel in an environment of its own (dependencies come from this one)."""
    folder = tmp_path_factory.mktemp("installed") / "venv"
    site = make_environment(folder)
    (site / "dependencies.pth").write_text(f"{SITE}\n")
    install(folder, str(wheel))
    return folder / "bin" / "windtunnel"


@pytest.fixture(scope="module")
def core(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `windtunnel` command of a wheel in an environment that has the core dependencies and no others."""
    folder = tmp_path_factory.mktemp("core") / "venv"
    site = make_environment(folder)
    for name in core_distributions():
        link_distribution(name, site)
    install(folder, str(wheel))
    return folder / "bin" / "windtunnel"


@pytest.fixture
def users_folder(tmp_path: Path) -> Path:
    """A directory with a user's packages that have the names of our folders, and raise when they are imported."""
    for name in USERS_FOLDERS:
        package = tmp_path / name
        package.mkdir()
        (package / "__init__.py").write_text("raise ImportError('the wrong package')\n")
    (tmp_path / "short.yaml").write_text(
        "name: short\nabout: Two seconds of health.\nseed: 1\nwarmup: 1s\n"
        "load: {api: chat, stream: false, arrivals: constant, rate: 5/s, deadline: 5s}\n"
        "phases:\n  - {name: only, for: 2s}\nclients: [openai-default]\n"
    )
    return tmp_path


def test_a_wheel_holds_one_package(wheel: Path) -> None:
    """A wheel puts nothing but `windtunnel` and its metadata into site-packages."""
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names} == {
        "windtunnel",
        f"windtunnel-{windtunnel.__version__}.dist-info",
    }


def test_a_wheel_holds_what_is_no_module(wheel: Path) -> None:
    """The gallery, templates, manuals and the mark of a typed package are in a wheel, and so is every module."""
    names = set(zipfile.ZipFile(wheel).namelist())
    tracked = [
        path.relative_to(ROOT).as_posix()
        for folder in ("harness", "mock_server", "reports", "scenarios")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in (".py", ".yaml", ".json", ".j2", ".html", ".css", ".js", ".mjs")
        and "__pycache__" not in path.parts
    ]
    assert len(tracked) > 300
    assert [path for path in tracked if f"windtunnel/{path}" not in names] == []
    assert "windtunnel/py.typed" in names


def test_a_wheel_brings_the_gallery(installed: Path, tmp_path: Path) -> None:
    """Scenarios and clients are in the wheel, and come from it, not from the checkout."""
    scenarios = json.loads(output(installed, "list", "scenarios", "--json", cwd=tmp_path))
    clients = json.loads(output(installed, "list", "clients", "--json", cwd=tmp_path))
    assert {"retry_storm", "healthy", "stalled_streams"} <= {entry["name"] for entry in scenarios}
    assert {"openai-default", "retry-budget"} <= {entry["name"] for entry in clients}
    assert all(str(installed.parent.parent) in entry["file"] for entry in scenarios)


@pytest.mark.parametrize("clock", ["virtual", pytest.param("real", marks=pytest.mark.alone)])
def test_a_users_own_folders_of_the_same_names_do_no_harm(
    installed: Path, users_folder: Path, clock: str
) -> None:
    """Where `harness/`, `scenarios/` and `reports/` of a user come first on the path, a run and a report use ours."""
    path = str(users_folder)
    printed = output(
        installed, "run", "short.yaml", "--clock", clock, "--out", "out", cwd=users_folder, path=path
    )
    assert printed.splitlines()[-1] == "out"
    (users_folder / "out" / "metrics.json").unlink()
    output(installed, "report", "out", cwd=users_folder, path=path)
    metrics = json.loads((users_folder / "out" / "metrics.json").read_text())
    assert metrics["clients"]["openai-default"]["overall"]["offered"]["value"] == 10


def test_a_users_own_folders_do_no_harm_to_serve(installed: Path, users_folder: Path) -> None:
    """Where a user's own `mock_server/` comes first on the path, `serve` answers all the same."""
    assert ask_served(installed, cwd=users_folder, path=str(users_folder))


def test_an_editable_install_is_the_same_package(tmp_path: Path) -> None:
    """An editable install imports the sources where they are, by the same name, and has the same command."""
    source = copy_sources(tmp_path / "source")
    site = make_environment(tmp_path / "venv")
    (site / "dependencies.pth").write_text(f"{SITE}\n")
    install(tmp_path / "venv", "--no-build-isolation", "-e", str(source))
    python = tmp_path / "venv" / "bin" / "python"
    code = "import windtunnel.harness.cli.main as m; print(m.__file__)"
    assert output(python, "-c", code, cwd=tmp_path).startswith(str(source))
    assert "retry_storm" in output(python.parent / "windtunnel", "list", "scenarios", cwd=tmp_path)


def test_types_are_seen_from_elsewhere(installed: Path, tmp_path: Path) -> None:
    """A type checker in a user's directory sees the types of the front door."""
    (tmp_path / "theirs.py").write_text(
        "from windtunnel import InProcess, Plan, load_scenario\n"
        "reveal_type(InProcess(Plan()).now)\n"
        "reveal_type(load_scenario('healthy').plan())\n"
    )
    checked = run(
        Path(sys.executable),
        *("-m", "mypy", "--python-executable", str(installed.parent / "python"), "--follow-imports=silent"),
        *("--cache-dir", str(tmp_path / "cache"), "theirs.py"),
        cwd=tmp_path,
    )
    assert checked.returncode == 0, checked.stdout
    assert 'float"' in checked.stdout
    assert 'Revealed type is "windtunnel.mock_server.plan.plan.Plan"' in checked.stdout


@pytest.fixture
def example(tmp_path: Path) -> Path:
    """A copy of the example project, as a stranger's checkout."""
    folder = tmp_path / "support-desk"
    subprocess.run(["cp", "-r", str(ROOT / "tests" / "example_project"), str(folder)], check=True)
    return folder


PROJECTS_TESTS = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:asyncio", "-p", "no:locust")


def test_the_example_project_plays_its_tests(installed: Path, example: Path) -> None:
    """Fixture, respx route and virtual test work from the wheel, beside a user's folders that have names of ours."""
    said = output(installed.parent / "python", *PROJECTS_TESTS, cwd=example)
    assert " passed" in said


def test_a_worse_client_of_the_example_project_is_found(installed: Path, example: Path) -> None:
    """More retries on purpose turn its tests red, with a message that says what got worse."""
    code = example / "support_desk" / "assistant.py"
    code.write_text(code.read_text().replace("MAX_RETRIES = 2", "MAX_RETRIES = 3"))
    done = run(installed.parent / "python", *PROJECTS_TESTS, cwd=example)
    assert done.returncode == 1
    assert "call 1 took 4 requests, expected at most 3" in done.stdout
    assert "attempt 3  503 overloaded" in done.stdout
    assert "FAILED tests/test_assistant.py::test_nobody_waits_for_ever" in done.stdout


def test_the_front_door_is_sorted_and_complete() -> None:
    """Every name of `__all__` is there, stands in order, and is what `dir` shows."""
    names = windtunnel.__all__
    assert names == sorted(names)
    assert set(names) <= set(dir(windtunnel))
    assert all(getattr(windtunnel, name) is not None for name in names)
    assert windtunnel.__version__ == distribution("windtunnel").version
    with pytest.raises(AttributeError, match="has no attribute 'Balloon'"):
        windtunnel.Balloon  # noqa: B018 (the access is what is tested)


def test_the_front_door_is_light(tmp_path: Path) -> None:
    """`import windtunnel` imports nothing else, of ours or of others."""
    code = (
        "import sys; before = set(sys.modules); import windtunnel; dir(windtunnel);"
        "print(*sorted(set(sys.modules) - before))"
    )
    loaded = output(Path(sys.executable), "-c", code, cwd=tmp_path).split()
    assert [name for name in loaded if name.split(".")[0] not in sys.stdlib_module_names] == ["windtunnel"]


def test_the_core_is_without_the_lab() -> None:
    """What `pip install windtunnel` brings has nothing in it that only the lab needs."""
    found = core_distributions()
    assert {"aiohttp", "pydantic", "typer", "uvloop"} <= found
    assert found & {canonicalize_name(name) for name in (*LAB_MODULES, "httpx2", "httpx", "psutil")} == set()


@pytest.mark.parametrize(
    "arguments", [["--help"], *(["list", what] for what in ("faults", "scenarios", "clients", "metrics"))]
)
def test_the_core_alone_lists(core: Path, tmp_path: Path, arguments: list[str]) -> None:
    """Without the lab, help and lists are there."""
    assert output(core, *arguments, cwd=tmp_path)


def test_the_core_alone_serves(core: Path, tmp_path: Path) -> None:
    """Without the lab, `serve` answers a chat request."""
    assert ask_served(core, cwd=tmp_path)


def test_the_core_alone_answers_in_process(core: Path, tmp_path: Path) -> None:
    """Without the lab, the front door gives every name."""
    code = "import windtunnel; print(*(getattr(windtunnel, name) for name in windtunnel.__all__))"
    assert "InProcess" in output(core.parent / "python", "-c", code, cwd=tmp_path)


def test_the_core_alone_has_the_mock_for_tests(core: Path, tmp_path: Path) -> None:
    """Without the lab, a test has a mock of its own, with faults and assertions."""
    (tmp_path / "theirs.py").write_text(
        "import urllib.error, urllib.request\n"
        "from windtunnel.harness.testing.process_view import MockProcess, ProcessView\n"
        "with MockProcess() as process:\n"
        "    view = ProcessView(process).fault('overloaded').limits(rpm=3)\n"
        "    request = urllib.request.Request(view.base_url + '/models', headers={'Authorization': 'Bearer k'})\n"
        "    try:\n"
        "        urllib.request.urlopen(request)\n"
        "    except urllib.error.HTTPError as error:\n"
        "        print(error.code)\n"
        "    view.assert_attempts(exactly=1)\n"
        "    view.assert_all_streams_closed()\n"
        "    view.scenario('retry_storm')\n"
    )
    assert output(core.parent / "python", "theirs.py", cwd=tmp_path) == "503\n"


def test_the_virtual_clock_of_a_test_says_the_line_that_installs_it(core: Path, tmp_path: Path) -> None:
    """Without the lab, a test on the virtual clock ends with the one line that installs it."""
    (tmp_path / "theirs.py").write_text(
        "import windtunnel\n@windtunnel.virtual\nasync def test():\n    pass\ntest()\n"
    )
    done = run(core.parent / "python", "theirs.py", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.endswith(f"{INSTALL}\n")


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "healthy"],
        ["report", "out"],
        ["check", "out", "--junit", "new/check.xml"],
        ["baseline", "write", "out", "-o", "new/baseline.json"],
        ["init", "--yes", "--target", "myapp:ask"],
        ["replay", "out", "--call", "c1"],
        ["calibrate"],
        ["serve", "--journal", "out"],
    ],
    ids=" ".join,
)
def test_what_needs_the_lab_says_the_line_that_installs_it(
    core: Path, tmp_path: Path, arguments: list[str]
) -> None:
    """Without the lab, a command that needs it ends with exit code 2 and the one line that installs it."""
    done = run(core, *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert done.stderr.endswith(f"{INSTALL}\n")
    assert list(tmp_path.iterdir()) == []


def test_constraints_pin_every_requirement_and_name_no_host() -> None:
    """The versions of our own runs are exact, satisfy the ranges, and say nothing of where they come from."""
    lines = [
        line
        for line in (ROOT / ".ci" / "constraints.txt").read_text().splitlines()
        if line[:1] not in ("#", "")
    ]
    pins = {canonicalize_name(name): version for name, version in (line.split("==") for line in lines)}
    assert len(pins) == len(lines)
    assert lines == sorted(lines, key=lambda line: canonicalize_name(line.split("==")[0]))
    own = [Requirement(line) for line in distribution("windtunnel").requires or ()]
    wrong = [
        str(one)
        for one in own
        if one.name != "windtunnel" and pins.get(canonicalize_name(one.name), "") not in one.specifier
    ]
    assert wrong == []


def without_retries(project: Path) -> None:
    """Take the retries out of the example project's client."""
    path = project / "support_desk" / "assistant.py"
    text = path.read_text()
    assert "MAX_RETRIES = 2" in text
    path.write_text(text.replace("MAX_RETRIES = 2", "MAX_RETRIES = 0"))


@pytest.mark.timeout(600)
def test_the_gate_of_the_example_project_turns_red(installed: Path, example: Path) -> None:
    """Its gate, with the wheel alone, fails for a client without retries, and says what got worse."""
    python, gate = installed.parent / "python", "tests/test_gate.py"
    passed = run(python, *PROJECTS_TESTS, gate, cwd=example)
    assert passed.returncode == 0, passed.stdout + passed.stderr
    without_retries(example)
    failed = run(python, *PROJECTS_TESTS, gate, cwd=example)
    assert failed.returncode == 1
    assert "goodput@errors" in failed.stdout
    assert "at least 80 %" in failed.stdout
    assert "windtunnel replay" in failed.stdout


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_baseline_of_the_example_project_says_what_got_worse(installed: Path, example: Path) -> None:
    """Against the baseline of before, the same is the same, and without retries it is worse."""

    def play(out: str) -> None:
        words = ("run", "scenarios/errors.yaml", "--seeds", "14", "--out", out)
        done = run(installed, *words, cwd=example, timeout=280)
        assert done.returncode == 0, done.stderr

    scenario = example / "scenarios" / "errors.yaml"
    scenario.write_text(
        scenario.read_text().replace("rate: 8/s", "rate: 3/s")
    )  # a client is made for each call
    play("before")
    output(installed, "baseline", "write", "before", "-o", "scenarios/errors.baseline.json", cwd=example)
    check = ("--baseline", "scenarios/errors.baseline.json")
    same = output(installed, "check", "before", *check, cwd=example)
    assert "same: what it did is equal in all 14 seeds" in same
    without_retries(example)
    play("after")
    checked = run(installed, "check", "after", *check, cwd=example)
    assert checked.returncode == 1, checked.stdout
    told = [line for line in checked.stdout.splitlines() if line.endswith("worse")]
    assert sum("goodput@errors " in line for line in told) == 1
