"""Where the temporary files of a user's code go while a cell is played."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from windtunnel.harness.inputs.gallery import load_profile, load_scenario
from windtunnel.harness.plan import CellPlan, resolve
from windtunnel.harness.virtual.prepared import temporary_files_of

OWN = """
name: own
about: Code of one's own.
driver: python
target: mine:ask
timeouts: {total: 2s}
pool: {connections: 100}
"""


def cell(folder: Path, profile: str) -> CellPlan:
    """A cell of `healthy` with one client."""
    (folder / "mine.py").write_text("async def ask(call): return ''\n")
    (folder / "own.yaml").write_text(OWN)
    named = str(folder / "own.yaml") if profile == "own" else profile
    return resolve(load_scenario("healthy"), [load_profile(named)]).cells[0]


def test_own_code_has_a_place_of_its_own(tmp_path: Path) -> None:
    """Files go to the cell's directory while it is played, also if it ends with an error, and are gone afterwards."""
    before, plan = tempfile.gettempdir(), cell(tmp_path, "own")
    folder = tmp_path / "cell"
    folder.mkdir()

    def make() -> None:
        with temporary_files_of(plan, folder):
            handle, name = tempfile.mkstemp()
            assert Path(name).parent.parent == folder
            raise RuntimeError(handle)

    with pytest.raises(RuntimeError):
        make()
    assert list(folder.iterdir()) == []
    assert tempfile.gettempdir() == before


def test_a_client_of_the_gallery_needs_none(tmp_path: Path) -> None:
    """Nothing is made for a client that is not somebody's code."""
    before = tempfile.gettempdir()
    with temporary_files_of(cell(tmp_path, "openai-default"), tmp_path / "nowhere"):
        assert tempfile.gettempdir() == before
