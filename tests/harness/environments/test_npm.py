"""Environments for programs on Node, made by a stand-in for npm: none of this needs a registry."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from windtunnel.harness.environments.create import list_environments, remove
from windtunnel.harness.environments.home import env_folder
from windtunnel.harness.environments.interpreter import InterpreterError, find
from windtunnel.harness.environments.npm import create_npm
from windtunnel.harness.errors import InputError

NPM = """#!{python}
import json, pathlib, sys
wanted = sys.argv[sys.argv.index("--") + 1:]
if "nothing@1" in wanted:
    print("npm error code E404", file=sys.stderr)
    print("npm error 404 Not Found - GET nothing - Not found", file=sys.stderr)
    sys.exit(1)
for word in wanted:
    name, version = word.rsplit("@", 1)
    folder = pathlib.Path("node_modules", name)
    folder.mkdir(parents=True)
    manifest = {{"name": name, "version": version + ".2.3", "engines": {{"node": ">=22"}}}}
    folder.joinpath("package.json").write_text(json.dumps(manifest))
    print("npm warn EBADENGINE   package: '" + name + "@" + version + "',", file=sys.stderr)
pathlib.Path("package.json").write_text(json.dumps({{"dependencies": {{w.rsplit("@", 1)[0]: "^1" for w in wanted}}}}))
"""
NODE = "#!/bin/sh\necho v20.1.0\n"


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with an npm and a Node that are ours, and an empty data folder."""
    monkeypatch.setenv("WINDTUNNEL_HOME", str(tmp_path / "home"))
    tools = tmp_path / "tools"
    tools.mkdir()
    for name, text in (("npm", NPM.format(python=sys.executable)), ("node", NODE)):
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}{os.pathsep}{os.environ['PATH']}")


def test_it_is_made_listed_and_removed() -> None:
    """With versions of Node and of each package, and what wants another Node than there is."""
    made = create_npm("js", ["openai@6", "@ai-sdk/openai@3"])
    assert made.versions == {"node": "20.1.0", "openai": "6.2.3", "@ai-sdk/openai": "3.2.3"}
    assert made.warnings[0] == "openai 6.2.3 wants Node >=22, and this is 20.1.0"
    (listed,) = list_environments()
    assert (listed.name, listed.npm, listed.wrong) == ("js", ("openai@6", "@ai-sdk/openai@3"), "")
    assert json.loads((env_folder("js") / "package.json").read_text())["dependencies"]
    with pytest.raises(InterpreterError, match="an environment of npm's without a Python"):
        find("js", Path())
    with pytest.raises(
        InputError, match=r"found 'js', which there is already, expected another name, or --replace"
    ):
        create_npm("js", ["openai@6"])
    assert create_npm("js", ["openai@7", "node@22"], replace=True).warnings == ()
    remove("js")
    assert list_environments() == []


def test_what_npm_says_is_told_and_nothing_is_left() -> None:
    with pytest.raises(InputError) as caught:
        create_npm("js", ["nothing@1"])
    assert str(caught.value) == (
        "windtunnel env create: --npm: found nothing@1 (404 Not Found - GET nothing - Not found)"
    )
    assert not env_folder("js").exists()


def test_no_npm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(
        InputError, match="--npm: found no npm on the PATH, expected npm, which comes with Node"
    ):
        create_npm("js", ["openai@6"])
