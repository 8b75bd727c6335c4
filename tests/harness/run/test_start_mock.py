"""A mock that is started as a child announces its addresses, or says why it cannot."""

from __future__ import annotations

from pathlib import Path

import pytest

from windtunnel.harness.contract.files import write_json
from windtunnel.harness.errors import MeasurementError
from windtunnel.harness.run.children import start_mock

TIMEOUT_S = 60.0


def segments(folder: Path) -> list[Path]:
    return list(folder.glob("served-*.arrows"))


async def test_a_mock_announces_its_regions_and_records_to_its_journal(tmp_path: Path) -> None:
    """A started mock gives the base URL of each region, and leaves its records where it was told to."""
    write_json(tmp_path / "plan.json", {"provider": {"regions": {"eastus": {}}}})
    child = await start_mock(tmp_path, "plan.json", journal=".")
    try:
        announced = await child.announcement(TIMEOUT_S)
    finally:
        await child.end()
    assert list(announced["regions"]) == ["eastus"]
    assert segments(tmp_path)


async def test_a_mock_that_cannot_start_gives_its_last_words(tmp_path: Path) -> None:
    """A plan with a mistake ends the wait at once, with the exit code and what the mock said."""
    write_json(tmp_path / "plan.json", {"no_such_key": 1})
    child = await start_mock(tmp_path, "plan.json", name="strange")
    try:
        with pytest.raises(
            MeasurementError, match=r"^the strange did not start \(exit code 2; .*no_such_key"
        ):
            await child.announcement(TIMEOUT_S)
    finally:
        await child.end()
    assert "no_such_key" in (tmp_path / "strange.log").read_text()
