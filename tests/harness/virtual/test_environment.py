"""The caller's environment changes nothing of what a client of the gallery does, and code of his own keeps it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from tests.harness.run.test_children import STEERS
from windtunnel.harness.run.progress import reporter
from windtunnel.harness.run.run import RunOptions, run

APPLICATION = """
import os
from openai import AsyncOpenAI
FOUND = os.environ["OPENAI_ORG_ID"]
async def ask(call):
    client = AsyncOpenAI(base_url=call.base_url, api_key=call.api_key, http_client=call.http_client)
    assert client.organization == os.environ["OPENAI_ORG_ID"] == FOUND == "org-of-the-caller"
    return await client.chat.completions.create(**call.body, extra_headers=call.headers)
"""
OWN = """
name: own
about: One's own.
driver: python
target: keeps_environment:ask
timeouts: {total: 4s}
pool: {connections: 100, keepalive: 20, expiry: 5s}
retries: {kind: none, tries: 1}
"""
SCENARIO = """
name: small
about: One phase.
clients: [openai-async-default, aiohttp-default, openai-default]
load: {api: chat, stream: false, arrivals: constant, rate: 1/s, instances: 1, deadline: 4s}
phases: [{name: calm, for: 3s}]
warmup: 0s
"""


def play(folder: Path, name: str, clients: list[str] | None = None) -> dict[str, dict[str, Any]]:
    """Play the scenario; gives digest and status of each client's cell."""
    (folder / "small.yaml").write_text(SCENARIO)
    options = RunOptions(str(folder / "small.yaml"), clients=clients, out=folder / name, clock="virtual")
    assert run(options, reporter(Console(file=sys.stderr))).failures == ()
    return {
        path.parent.name: {
            "digest": json.loads(path.read_text())["digest"],
            "environment": json.loads((path.parent / "status.json").read_text())["environment"],
        }
        for path in (folder / name).rglob("digest.json")
    }


def test_clients_of_the_gallery_do_not_see_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Organisation, project, base URL, proxies and certificates of the caller change no byte; their names are noted."""
    clean = play(tmp_path, "clean")
    for name, value in STEERS.items():
        monkeypatch.setenv(name, value)
    steered = play(tmp_path, "steered")
    assert len(clean) == 3
    assert {name: cell["digest"] for name, cell in clean.items()} == {
        name: cell["digest"] for name, cell in steered.items()
    }
    for cell in steered.values():
        assert set(STEERS) <= set(cell["environment"]["removed"])
        assert cell["environment"]["kept"] == []
    assert "of-the-caller" not in "".join(path.read_text() for path in (tmp_path / "steered").rglob("*.json"))


def test_code_of_ones_own_keeps_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A callable finds its variables, when it is imported too, and the run says which they are."""
    (tmp_path / "keeps_environment.py").write_text(APPLICATION)
    (tmp_path / "own.yaml").write_text(OWN)
    for name in ("OPENAI_ORG_ID", "OPENAI_PROJECT_ID"):
        monkeypatch.setenv(name, STEERS[name])
    monkeypatch.setenv("OTHER_API_KEY", "sk-secret")
    (cell,) = play(tmp_path, "own", [str(tmp_path / "own.yaml")]).values()
    assert {"OPENAI_ORG_ID", "OPENAI_PROJECT_ID"} <= set(cell["environment"]["kept"])
    assert "OTHER_API_KEY" in cell["environment"]["removed"]
