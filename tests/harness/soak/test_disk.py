"""A disk that is full: a soak ends before it is, and says what to do where it is."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from windtunnel.harness.errors import MeasurementError
from windtunnel.harness.soak.disk import KEPT_FREE, require_room, told_if_full


def test_a_soak_ends_while_there_is_room_for_its_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=KEPT_FREE))
    require_room(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=12_000_000))
    with pytest.raises(
        MeasurementError, match=r"nearly full: 12 MB free where .* needs 50 MB for its report"
    ):
        require_room(tmp_path)


def test_a_file_that_cannot_be_written_says_how_to_go_on(tmp_path: Path) -> None:
    """A full disk and a used-up quota; any other error stays what it is."""
    for number in (errno.ENOSPC, errno.EDQUOT):
        with (
            pytest.raises(MeasurementError, match="make room, then: windtunnel soak --resume"),
            told_if_full(tmp_path),
        ):
            raise OSError(number, "no room")
    with pytest.raises(PermissionError), told_if_full(tmp_path):
        raise PermissionError(errno.EACCES, "not yours")
