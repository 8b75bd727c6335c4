"""Another interpreter for a client: found by path or name, and refused with the command that cures it."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path

import pytest

from tests.harness.environments.fake_packages import bare_environment, site_of
from windtunnel.harness.environments.interpreter import (
    InterpreterError,
    ask,
    find,
    install_command,
    installable,
    ours,
)
from windtunnel.harness.environments.probe import PLAYED_BY, code_digest, code_folder
from windtunnel.harness.errors import InputError
from windtunnel.harness.inputs.gallery import gallery_folder, load_profile, load_scenario
from windtunnel.harness.plan import CellPlan, resolve


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty data folder of the user's own."""
    monkeypatch.setenv("WINDTUNNEL_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def profile(folder: Path, python: str) -> Path:
    """A profile of the gallery with an interpreter of its own."""
    text = (gallery_folder() / "clients" / "openai-default.yaml").read_text()
    path = folder / "mine.yaml"
    path.write_text(f"{text}\npython: {python}\n")
    return path


def copied_windtunnel(folder: Path, python: Path) -> Path:
    """Let an environment have a copy of this windtunnel, and all that is installed here; gives the copy's folder."""
    package = folder / "windtunnel"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    for name in PLAYED_BY:
        shutil.copytree(code_folder() / name, package / name, ignore=shutil.ignore_patterns("__pycache__"))
    lines = [str(folder), *(f"import site; site.addsitedir({place!r})" for place in ours().sites)]
    (site_of(python) / "copy.pth").write_text("\n".join(lines) + "\n")
    return package


def test_ours_is_like_any_other() -> None:
    """The interpreter that runs this can play, and says what it has."""
    assert ours().path == sys.executable
    assert ours().versions["python"] == ".".join(map(str, sys.version_info[:3]))
    assert ours().packages["openai"] == ours().versions["openai"]


def test_a_path_is_seen_from_its_base(tmp_path: Path) -> None:
    """A file, or the folder of an environment; links are not followed, since an environment's interpreter is one."""
    python = bare_environment(tmp_path / "venv")
    assert find("venv/bin/python", tmp_path) == str(python)
    assert find("./venv", tmp_path) == str(python)
    assert find("../venv", tmp_path / "below") == str(python)
    assert find(str(python), Path("/")) == str(python)


@pytest.mark.parametrize("word", ["../gone/bin/python", "gone", "/gone/python"])
def test_what_is_not_there_is_told_with_the_command_that_makes_it(tmp_path: Path, word: str) -> None:
    with pytest.raises(InterpreterError) as caught:
        find(word, tmp_path)
    assert caught.value.cure.startswith("windtunnel env create ")


def test_a_file_that_is_no_program_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InterpreterError, match="may not be run"):
        find("./file", tmp_path)
    for text in ("#!/bin/sh\necho hello\n", "#!/bin/sh\nexit 3\n", "no program"):
        (tmp_path / "program").write_text(text)
        (tmp_path / "program").chmod(0o755)
        ask.cache_clear()
        with pytest.raises(InterpreterError):
            ask(str(tmp_path / "program"))


def test_without_windtunnel_the_message_is_the_command_that_cures_it(tmp_path: Path) -> None:
    """A profile with such an interpreter is wrong at its key, and what is in parentheses can be pasted."""
    python = bare_environment(tmp_path / "venv")
    path = profile(tmp_path, "venv/bin/python")
    with pytest.raises(InputError) as caught:
        load_profile(path)
    line = len(path.read_text().splitlines())
    assert str(caught.value).startswith(
        f"{path}:{line}: python: found {python}, without windtunnel, expected "
    )
    assert caught.value.hint == install_command(str(python))
    words = shlex.split(caught.value.hint)
    assert words[:5] == ["python", "-m", "pip", "--python", str(python)]
    assert words[6:] == installable()


def test_another_windtunnel_is_refused_and_the_same_elsewhere_is_not(tmp_path: Path) -> None:
    """Its code decides, not its place: a copy plays the same, and no longer once a line differs."""
    python = bare_environment(tmp_path / "venv")
    package = copied_windtunnel(tmp_path / "copy", python)
    assert ask(str(python)).versions["openai"] == ours().versions["openai"]
    with (package / "harness" / "plan.py").open("a") as code:
        code.write("# another line\n")
    ask.cache_clear()
    with pytest.raises(InterpreterError, match="with other code") as caught:
        ask(str(python))
    assert shlex.split(caught.value.cure)[:5] == ["python", "-m", "pip", "--python", str(python)]


def test_a_windtunnel_that_is_older_than_the_question_is_refused(tmp_path: Path) -> None:
    python = bare_environment(tmp_path / "venv")
    older = site_of(python) / "windtunnel" / "harness"
    older.mkdir(parents=True)
    (older / "__init__.py").write_text("")
    with pytest.raises(InterpreterError, match="with another windtunnel"):
        ask(str(python))


def test_what_plays_a_cell_must_be_there(tmp_path: Path) -> None:
    """With the core of windtunnel alone the message names what is missing."""
    python = bare_environment(tmp_path / "venv")
    (site_of(python) / "core.pth").write_text(f"{code_folder()}/.src\n")
    with pytest.raises(
        InterpreterError, match="which lacks gevent, greenlet, httpx2, locust, openai, pyarrow"
    ):
        ask(str(python))


def test_the_code_is_digested_without_what_python_leaves_behind() -> None:
    """A digest is of sources: imports change nothing."""
    before = code_digest()
    code_digest.cache_clear()
    assert code_digest() == before


def test_a_plan_has_what_the_interpreter_has(tmp_path: Path) -> None:
    """Interpreter and versions are in the cell's plan, and are read back."""
    python = bare_environment(tmp_path / "venv")
    copied_windtunnel(tmp_path / "copy", python)
    mine = load_profile(profile(tmp_path, "./venv"))
    assert mine.python == str(python)
    plan = resolve(load_scenario("healthy"), [mine])
    assert plan.cells[0].versions == ask(str(python)).versions
    plan.cells[0].write_json(tmp_path / "cell.json")
    assert CellPlan.read_json(tmp_path / "cell.json") == plan.cells[0]
    assert resolve(load_scenario("healthy"), [load_profile("polite")]).cells[0].versions == {}


def test_the_interpreter_can_be_given_in_place_of_the_profiles_own(tmp_path: Path) -> None:
    """So a command plays one profile with two."""
    assert load_profile("polite", python=sys.executable).python == sys.executable
    with pytest.raises(InputError):
        load_profile(profile(tmp_path, "unknown"))
    assert load_profile(profile(tmp_path, "unknown"), python=sys.executable).python == sys.executable
