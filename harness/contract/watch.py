"""The watch file of a soak: what a client held every ten seconds, seen from outside and from inside.

`watch-CLIENT.jsonl` has one JSON object a line. The first is the header; then samples and marks, in order of time.
A line is written at once, so that a soak that is killed loses one line at most.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from windtunnel.harness.errors import InputError

WATCH_VERSION: Final = 1
"""The form of a watch file."""

WATCH_FILE: Final = "watch-{client}.jsonl"
"""In the folder of a soak, or of a cell: what a client held."""

WATCH_S: Final = 10.0
"""Seconds from one sample to the next; virtual ones on the virtual clock."""

MOST_TYPES: Final = 20
"""Types of objects that a sample names at most."""


@dataclass(frozen=True, slots=True)
class OutsideView:
    """What the operating system says of a process and all its children together.

    `cpu_s` is what they used since they started. `sockets` counts TCP sockets by state, such as `ESTABLISHED`.
    A figure that the system does not give is None.
    """

    rss_bytes: int
    cpu_s: float
    descriptors: int | None
    threads: int | None
    processes: int
    sockets: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class InsideView:
    """What a Python client's own process says of itself.

    `tasks`: asyncio tasks that are not done. `loop_lag_s`: how late its loop was at most since the last sample.
    `objects`: objects that the garbage collector follows; `top` counts them by type, those that grew most since the
    first sample. `traced_bytes`: memory that Python objects take; None if it is not traced. `streams_open`:
    connections whose answer is open though no call holds them. A figure that cannot be had is None.
    """

    tasks: int | None
    loop_lag_s: float | None
    objects: int | None
    traced_bytes: int | None
    top: Mapping[str, int] = field(default_factory=dict)
    streams_open: int | None = None


@dataclass(frozen=True, slots=True)
class WatchSample:
    """One look at a client, `at_s` seconds after the start of the soak. A view that is not there is None."""

    at_s: float
    outside: OutsideView | None = None
    inside: InsideView | None = None


@dataclass(frozen=True, slots=True)
class WatchMark:
    """Something that happened to the measuring itself: from `at_s` to `until_s` nothing is judged.

    `mark` is such as `worker replaced`, `mock restarted`, `clock jumped`, `resumed`.
    """

    at_s: float
    mark: str
    until_s: float
    why: str = ""


@dataclass(frozen=True, slots=True)
class Watched:
    """A whole watch file. `start_s`: the soak's start in seconds since 1970.

    `limits`: where a figure of the outside view hurts, by its name, such as the memory of the machine for `rss_bytes`.
    """

    client: str
    start_s: float
    samples: tuple[WatchSample, ...]
    marks: tuple[WatchMark, ...] = ()
    limits: Mapping[str, float] = field(default_factory=dict)


class WatchWriter:
    """Appends to a client's watch file; a file that is there already is continued, as after `--resume`.

    Raises OSError where the file cannot be written.
    """

    def __init__(
        self, folder: Path, client: str, start_s: float = 0.0, limits: Mapping[str, float] | None = None
    ) -> None:
        self.path = folder / WATCH_FILE.format(client=client)
        begun = self.path.exists() and self.path.stat().st_size > 0
        self._file = self.path.open("a", encoding="utf-8")
        if begun:
            self._end_torn_line()
        else:
            header = {"watch_version": WATCH_VERSION, "client": client, "start_s": start_s}
            self._line({**header, "limits": dict(limits or {})})

    def sample(self, sample: WatchSample) -> None:
        """Append a sample."""
        self._line(asdict(sample))

    def mark(self, mark: WatchMark) -> None:
        """Append a mark."""
        self._line(asdict(mark))

    def close(self) -> None:
        """Close the file; what was appended is there already."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _line(self, content: Mapping[str, object]) -> None:
        self._file.write(json.dumps(content, separators=(",", ":")) + "\n")
        self._file.flush()

    def _end_torn_line(self) -> None:
        """Keep what follows apart from a line that was cut off when the soak was killed."""
        with self.path.open("rb") as file:
            file.seek(-1, 2)
            if file.read(1) != b"\n":
                self._file.write("\n")


def read_watch(path: Path) -> Watched:
    """The watch file at `path`. A line that was cut off by a kill is left out.

    Raises InputError if the file has no header, or one of another version; OSError if it cannot be read.
    """
    lines = [found for line in path.read_text(encoding="utf-8").splitlines() if (found := _object(line))]
    header = lines[0] if lines else {}
    if header.get("watch_version") != WATCH_VERSION:
        raise InputError(
            str(path),
            path="watch_version",
            found=str(header.get("watch_version", "no header")),
            expected=str(WATCH_VERSION),
        )
    marks = [WatchMark(**line) for line in lines if "mark" in line]
    return Watched(
        client=str(header["client"]),
        start_s=float(header["start_s"]),
        samples=tuple(_sample(line) for line in lines[1:] if "mark" not in line and "at_s" in line),
        marks=tuple(sorted(marks, key=lambda mark: mark.at_s)),
        limits=header.get("limits") or {},
    )


def _sample(line: Mapping[str, Any]) -> WatchSample:
    outside, inside = line.get("outside"), line.get("inside")
    return WatchSample(
        at_s=float(line["at_s"]),
        outside=None if outside is None else OutsideView(**outside),
        inside=None if inside is None else InsideView(**inside),
    )


def _object(line: str) -> dict[str, Any]:
    """The JSON object of a line; empty if it is cut off."""
    try:
        found = json.loads(line)
    except json.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}
