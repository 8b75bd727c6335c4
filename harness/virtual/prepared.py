"""A process that is ready to play one cell: patched, with everything imported, at virtual time 0.

    prepare() ─► play(folder)                     a process of its own (`python -m windtunnel.harness.virtual`)
    prepare() ─► fork ─► play(folder)             a shard: the imports are paid for once
              └► fork ─► play(folder) …

Both ways go through the same two functions, and nothing that `prepare` does depends on the cell: so a cell's records do
not depend on which way it was played.
"""

from __future__ import annotations

import gc
import platform
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from windtunnel.harness.plan import CellPlan
    from windtunnel.harness.virtual.draws import SeededRandom
    from windtunnel.harness.virtual.loop import VirtualLoop
    from windtunnel.harness.virtual.network.blocking import Blocking

SEED_OF_IMPORTS = 0
"""Whatever a library draws while it is imported, it draws the same for every cell."""

TEMPORARY = "tmp"
"""Where the temporary files of a user's code go, in the cell's directory, until the cell is over."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """The loop of this process, and what belongs to it."""

    loop: VirtualLoop
    draws: SeededRandom
    blocking: Blocking


def prepare() -> Prepared:
    """Put this process on the virtual clock and import what plays a cell. There is no way back."""
    platform.platform()  # starts a process the first time, which later nobody may
    from windtunnel.harness.virtual.determinism import make_deterministic
    from windtunnel.harness.virtual.loop import VirtualLoop

    loop = VirtualLoop()
    draws = make_deterministic(loop, seed=SEED_OF_IMPORTS)
    # From here on everything that is imported finds the clock, the sockets and the randomness in place.
    from windtunnel.harness.virtual.network.blocking import Blocking, take_over

    blocking = Blocking(loop)
    take_over(blocking)

    import windtunnel.harness.virtual.cell_process
    import windtunnel.harness.virtual.watchdog  # noqa: F401  # imported for those who play
    from windtunnel.harness.virtual.preload import import_ahead

    import_ahead()

    gc.collect()
    gc.freeze()  # what was imported stays: collections need not look at it, and forks go on sharing its pages
    return Prepared(loop, draws, blocking)


def play(prepared: Prepared, folder: Path, *, records: Path | None = None, observed: bool = False) -> None:
    """Play the cell in `folder`; once in the life of a process. Exits with 3 if it gets stuck.

    The records go to `records` if that is not the cell's folder. With `observed` it is noted what each call does.
    """
    from windtunnel.harness.plan import CellPlan
    from windtunnel.harness.virtual.behaviour import Behaviours
    from windtunnel.harness.virtual.cell_process import VirtualPlay
    from windtunnel.harness.virtual.draws import current_call
    from windtunnel.harness.virtual.network.blocking import take_over_urllib3
    from windtunnel.harness.virtual.preload import leave_pandas_out
    from windtunnel.harness.virtual.watchdog import Watchdog

    loop = prepared.loop
    plan = CellPlan.read_json(folder / "cell.json")
    if plan.profile.driver != "python":  # whose code may use both together
        leave_pandas_out()
    if plan.profile.target_kind == "plain":
        take_over_urllib3(prepared.blocking)
    prepared.draws.begin(plan.seed)
    behaviours = Behaviours(current_call.get, loop.network.listeners) if observed else None
    cell = VirtualPlay(
        plan, records or folder, loop, prepared.blocking, prepared.draws, behaviours=behaviours
    )
    with temporary_files_of(plan, folder):
        Watchdog(loop, also=cell.write_progress).run(cell.play())


@contextmanager
def temporary_files_of(plan: CellPlan, folder: Path) -> Iterator[None]:
    """Let `tempfile` make a user's files in a place of the cell's own, where no other file has a name that is drawn.

    The place is the same each time that the cell in `folder` is played, and is gone afterwards.
    """
    if plan.profile.driver != "python":
        yield
        return
    place = folder.absolute() / TEMPORARY
    place.mkdir(exist_ok=True)
    tempfile.tempdir = str(place)
    try:
        yield
    finally:
        tempfile.tempdir = None
        shutil.rmtree(place, ignore_errors=True)
