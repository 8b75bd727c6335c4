"""What a user gets wrong: one message with what was found and what was expected, exit code 2, and nothing written."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from windtunnel.harness.cli.main import main


def wrong(
    arguments: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, folder: Path
) -> str:
    """The message of a command that is run in `folder`, ends with 2, and leaves the folder as it was."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", ["windtunnel", *arguments])
    before = sorted(folder.rglob("*"))
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr().err
    assert ended.value.code == 2, said
    assert "Traceback" not in said
    assert said.count("windtunnel: ") == 1
    assert sorted(folder.rglob("*")) == before
    return said.removeprefix("windtunnel: ").strip()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            "run healthy --time-scale 1e300",
            "scenario healthy: time_scale: found 1e+300, expected one with which",
        ),
        ("serve --scenario healthy --time-scale 1e300", "scenario healthy: time_scale: found 1e+300"),
        (
            "ab healthy --a polite --b naive-loop --jobs 0",
            "windtunnel ab: --jobs: found 0, expected a whole number",
        ),
        ("soak healthy --for 1h --jobs 0", "windtunnel soak: --jobs: found 0, expected a whole number"),
        ("soak healthy --for 1h --seed -1", "the run: seed: found -1, expected a whole number of at least 0"),
        (
            "soak healthy --for 1h --port 70000 -- true",
            "windtunnel soak: --port: found 70000, expected a port from 0",
        ),
        (
            "soak healthy --for 1h --seed -1 -- true",
            "windtunnel soak: --seed: found -1, expected a whole number",
        ),
        ("soak healthy --for 1h -- no-such-program", "no-such-program: program: found no such executable"),
        (
            "soak healthy --for 1h --attach http://127.0.0.1:99999/ -- true",
            "windtunnel soak: --attach: found 'http",
        ),
        (
            "probe --attach http://127.0.0.1:99999/ -- true",
            "windtunnel probe: --attach: found 'http://127.0.0.1:9",
        ),
        (
            "probe --attach http://[::1/ -- true",
            "windtunnel probe: --attach: found 'http://[::1/', expected a URL",
        ),
        (
            "probe --port 70000 -- true",
            "windtunnel probe: --port: found 70000, expected a port from 0 to 65535",
        ),
        ("probe --port -1 -- true", "windtunnel probe: --port: found -1, expected a port from 0 to 65535"),
        (
            "probe --seed -1 -- true",
            "windtunnel probe: --seed: found -1, expected a whole number of at least 0",
        ),
        ("probe --for nan -- true", "windtunnel probe: --for: found nan s, expected a time above zero"),
        ("probe --for inf -- true", "windtunnel probe: --for: found inf s, expected a time above zero"),
        (
            "probe --method GET -- true",
            "windtunnel probe: --method: found GET, expected --attach URL as well",
        ),
        ("probe --body x -- true", "windtunnel probe: --body: found x, expected --attach URL as well"),
        (
            "probe --header a:b -- true",
            "windtunnel probe: --header: found a:b, expected --attach URL as well",
        ),
        (
            "probe -- no-such-program",
            "no-such-program: program: found no such executable, expected a program",
        ),
        ("probe -- ./text", "./text: program: found a file that may not be executed, expected an executable"),
        (
            "probe -- ./folder",
            "./folder: program: found a file that may not be executed, expected an executable",
        ),
        (
            "env create n --pip-args 'open",
            "windtunnel env create: --pip-args: found 'open (No closing quotation)",
        ),
        (
            "init --yes --example async --dir text",
            "windtunnel init: found text, a file, expected a folder, for text/",
        ),
        (
            "bisect healthy --package x --good 1 --bad 2 --jobs 0",
            "windtunnel bisect: --jobs: found 0, expected",
        ),
        (
            "bisect healthy --package x --good 1 --bad 2 --seeds 0",
            "windtunnel bisect: --seeds: found 0, expected",
        ),
        ("run --resume binary", "binary/runs.json: found runs_version None, expected 1"),
        ("report binary", "binary/runs.json: found runs_version None, expected 1"),
        ("run --resume cut", "cut/plan.json: found Invalid JSON: EOF while parsing an object"),
        (
            "soak --resume less",
            "less/soak-options.json: found missing 1 required keyword-only argument: 'for_s'",
        ),
        ("soak --resume more", "more/soak-options.json: found got an unexpected keyword argument 'bogus'"),
    ],
)
def test_a_mistake_is_told_before_anything_is_written(
    arguments: str,
    said: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """The message begins with the place, and says what was found."""
    (tmp_path / "text").write_text("no program")
    files = {
        "binary/runs.json": b"\xff\xfe{{",
        "cut/plan.json": b"{",
        "less/soak-options.json": json.dumps({"scenario": "healthy"}).encode(),
        "more/soak-options.json": json.dumps({"scenario": "healthy", "for_s": 1, "bogus": 1}).encode(),
        "folder/file": b"",
    }
    for name, content in files.items():
        path = tmp_path / name
        path.parent.mkdir()
        path.write_bytes(content)
    assert wrong(arguments.split(" "), capsys, monkeypatch, tmp_path).startswith(said)


def test_bisect_refuses_an_open_quotation(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """`--pip-args` is read as a shell would, and told where it cannot be."""
    ends = ["--good", "1", "--bad", "2", "--pip-args", "'open"]
    said = wrong(["bisect", "healthy", "--package", "openai", *ends], capsys, monkeypatch, tmp_path)
    assert said.startswith("windtunnel bisect: --pip-args: found 'open")
