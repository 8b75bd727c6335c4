"""The disk of a soak: room that stays free for its report, and what is said where there is none."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from windtunnel.harness.errors import MeasurementError

KEPT_FREE: Final = 50_000_000
"""Bytes with which a soak ends before the disk is full: its last records and its report need some."""
_FULL: Final = (errno.ENOSPC, errno.EDQUOT)


def require_room(folder: Path) -> None:
    """Raise `MeasurementError` if less than `KEPT_FREE` bytes are free where `folder` is."""
    free = shutil.disk_usage(folder).free
    if free < KEPT_FREE:
        raise MeasurementError(
            f"the disk is nearly full: {free / 1e6:.0f} MB free where {folder} is, "
            f"and a soak needs {KEPT_FREE / 1e6:.0f} MB for its report"
        )


@contextmanager
def told_if_full(folder: Path) -> Iterator[None]:
    """Raise `MeasurementError` with what to do if a file cannot be written as the disk is full, or a quota used up."""
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise MeasurementError(
            f"{folder}: the disk is full; make room, then: windtunnel soak --resume {folder}"
        ) from None
