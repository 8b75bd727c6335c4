"""Environments made by pip from a folder of tiny wheels: what is in them, and what is said when they cannot be made."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness.environments.fake_packages import bare_environment, offline, write_wheel
from windtunnel.harness.environments import pythons
from windtunnel.harness.environments.create import create, list_environments, remove
from windtunnel.harness.environments.home import RECORD, env_folder, env_names, home
from windtunnel.harness.environments.interpreter import InterpreterError, ask, find, ours
from windtunnel.harness.environments.own_wheel import own_wheel
from windtunnel.harness.environments.pip import complaint_of
from windtunnel.harness.environments.pythons import base_python, version_of_python
from windtunnel.harness.errors import InputError


@pytest.fixture(autouse=True)
def data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty data folder of the user's own."""
    monkeypatch.setenv("WINDTUNNEL_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def prints(python: str, code: str) -> str:
    """What an interpreter prints when it runs some code."""
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=True, cwd="/").stdout


def test_the_folder_is_where_the_user_says(
    tmp_path: Path, data_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`WINDTUNNEL_HOME`, else XDG's data folder (if it is absolute, as it must be), else the one in the home folder."""
    assert home() == data_folder
    monkeypatch.delenv("WINDTUNNEL_HOME")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    assert home() == tmp_path / "data" / "windtunnel"
    monkeypatch.setenv("XDG_DATA_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert home() == tmp_path / ".local" / "share" / "windtunnel"


def test_a_layer_has_what_is_asked_for_and_the_rest_from_below(tmp_path: Path) -> None:
    """The package that was asked for is new, windtunnel and the SDK are those of here; it plays cells."""
    write_wheel(tmp_path / "wheels", "speaks", "1.0", "word = 'one'")
    write_wheel(tmp_path / "wheels", "speaks", "2.0", "word = 'two'")
    said: list[str] = []
    for version, word in (("1.0", "one"), ("2.0", "two")):
        made = create(
            f"v{version}",
            [f"speaks=={version}"],
            base=sys.executable,
            pip_arguments=offline(tmp_path / "wheels"),
            say=said.append,
        )
        assert made.layer
        assert prints(made.interpreter.path, "import speaks; print(speaks.word)") == f"{word}\n"
        assert made.interpreter.packages["speaks"] == version
        assert made.interpreter.versions == ours().versions
        assert find(f"v{version}", Path("/")) == made.interpreter.path
    assert said[0].startswith("making ")
    assert [(one.name, one.requirements, one.wrong) for one in list_environments()] == [
        ("v1.0", ("speaks==1.0",), ""),
        ("v2.0", ("speaks==2.0",), ""),
    ]
    assert remove("v1.0") == env_folder("v1.0")
    assert env_names() == ["v2.0"]


def test_a_layer_goes_before_what_is_below(tmp_path: Path) -> None:
    """Another version of a package that is installed here is the one that is imported, and the one that is told."""
    write_wheel(tmp_path / "wheels", "distro", "99.0", "word = 'mine'")
    made = create("mine", ["distro==99.0"], base=sys.executable, pip_arguments=offline(tmp_path / "wheels"))
    assert prints(made.interpreter.path, "import distro; print(distro.word)") == "mine\n"
    assert made.interpreter.packages["distro"] == "99.0"
    upper = create("upper", [], base=made.interpreter.path)
    assert upper.interpreter.packages["distro"] == "99.0"


def test_what_does_not_go_together_is_said(tmp_path: Path) -> None:
    """pip's complaints are kept: the environment is made, since the version is what is to be tried."""
    write_wheel(tmp_path / "wheels", "openai", "1.0", "")
    made = create("bad", ["openai==1.0"], base=sys.executable, pip_arguments=offline(tmp_path / "wheels"))
    assert [line for line in made.warnings if line.startswith("windtunnel is tested with openai")]


def test_what_pip_cannot_do_leaves_nothing_behind(tmp_path: Path) -> None:
    """The message is pip's own."""
    with pytest.raises(InputError, match=r"--with: found speaks==9 .*[Nn]o matching distribution"):
        create("v9", ["speaks==9"], base=sys.executable, pip_arguments=offline(tmp_path))
    assert env_names() == []


def test_an_environment_is_not_lost_by_mistake(tmp_path: Path) -> None:
    """A name that is taken needs --replace; one that was not finished is made anew."""
    create("mine", [], base=sys.executable)
    with pytest.raises(
        InputError, match="'mine', which there is already, expected another name, or --replace"
    ):
        create("mine", [], base=sys.executable)
    create("mine", [], base=sys.executable, replace=True)
    (env_folder("mine") / RECORD).unlink()
    assert list_environments()[0].wrong == "not finished"
    create("mine", [], base=sys.executable)


@pytest.mark.parametrize("name", ["", "..", "a/b", "-x", "a b"])
def test_a_name_is_one_folder(name: str) -> None:
    with pytest.raises(InputError, match="NAME"):
        create(name, [], base=sys.executable)


def test_remove_names_what_there_is() -> None:
    with pytest.raises(InputError, match="found 'gone', expected one of: there is none"):
        remove("gone")


def test_an_environment_whose_base_is_gone_says_how_to_make_it_again(tmp_path: Path) -> None:
    """The layer stays listed, with its command."""
    below = create("below", [], base=sys.executable)
    create("mine", [], base=below.interpreter.path)
    remove("below")
    ask.cache_clear()
    (mine,) = list_environments()
    assert mine.wrong
    assert mine.cure == "windtunnel env create mine --with openai==VERSION --replace"


def test_our_own_wheel_has_this_windtunnel(tmp_path: Path) -> None:
    """pip installs it without a network and without what builds; dependencies and the command come along."""
    python = str(bare_environment(tmp_path / "venv"))
    with pytest.raises(InterpreterError, match="without windtunnel"):
        ask(python)
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "-q", "--no-deps", "--no-index"]
    subprocess.run([*pip, str(own_wheel(tmp_path))], check=True, timeout=100)
    ask.cache_clear()
    with pytest.raises(InterpreterError, match="which lacks gevent"):
        ask(python)
    code = "from importlib.metadata import distribution as d; print(len(d('windtunnel').requires))"
    assert int(prints(python, code)) > 10
    assert (Path(python).parent / "windtunnel").exists()


def test_a_python_is_a_version_a_path_or_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """pyenv's newest of a version, never the shim of one that is not installed."""
    for version in ("3.12.1", "3.12.10", "3.13.0"):
        (tmp_path / "versions" / version / "bin").mkdir(parents=True)
        (tmp_path / "versions" / version / "bin" / "python").write_text("")
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    monkeypatch.setattr(pythons.shutil, "which", lambda _: None)
    assert base_python("3.12", tmp_path) == str(tmp_path / "versions" / "3.12.10" / "bin" / "python")
    assert base_python("python3.12.1", tmp_path) == str(tmp_path / "versions" / "3.12.1" / "bin" / "python")
    assert base_python(sys.executable, tmp_path) == sys.executable
    assert base_python(None, tmp_path) == sys.executable
    with pytest.raises(InterpreterError) as caught:
        base_python("3.99", tmp_path)
    assert "3.13.0, 3.12.10, 3.12.1" in caught.value.expected


def test_a_python_that_is_too_old_or_none_is_refused(tmp_path: Path) -> None:
    """Before anything is made."""
    for text, told in (("echo 3.9", r"Python 3\.9"), ("exit 1", "does not run as Python")):
        (tmp_path / "python").write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / "python").chmod(0o755)
        with pytest.raises(InterpreterError, match=told):
            version_of_python(str(tmp_path / "python"))
    with pytest.raises(InputError, match="--python"):
        create("mine", [], base=str(tmp_path / "python"))
    assert env_names() == []


def test_a_yanked_release_is_named(tmp_path: Path) -> None:
    """pip installs one that is asked for by its number, and warns."""
    wheel = write_wheel(tmp_path / "wheels", "speaks", "1.0", "word = 'one'")
    page = tmp_path / "page.html"
    page.write_text(f'<a href="{wheel.as_uri()}" data-yanked="it was broken">{wheel.name}</a>')
    made = create(
        "yanked",
        ["speaks==1.0"],
        base=sys.executable,
        pip_arguments=("--no-index", "--find-links", str(page)),
    )
    assert len(made.yanked) == 1
    assert "'speaks' candidate" in made.yanked[0]


def test_a_complaint_of_pip_lists_few_versions() -> None:
    """Of a package with many releases the newest are named."""
    many = ", ".join(f"1.{n}" for n in range(100))
    told = complaint_of([f"ERROR: none satisfies x==9 (from versions: {many})", "ERROR: none found"])
    assert told == "none satisfies x==9 (from versions: …, 1.95, 1.96, 1.97, 1.98, 1.99); none found"
    assert complaint_of(["ERROR: no x (from versions: none)"]) == "no x (from versions: none)"
    assert complaint_of(["one", "", "two"]) == "one; two"
