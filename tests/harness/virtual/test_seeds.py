"""Many seeds in one run: what each cell plays, what is refused, and how far it all is."""

from __future__ import annotations

import pytest

from windtunnel.harness.errors import InputError
from windtunnel.harness.inputs.gallery import load_profile, load_scenario
from windtunnel.harness.plan import resolve
from windtunnel.harness.run.cell import Cell
from windtunnel.harness.run.progress import RunProgress
from windtunnel.harness.run.run import MOST_NAMED, failures_of

STORM = load_scenario("retry_storm")
PROFILES = [load_profile(name) for name in ("openai-default", "retry-budget")]


def test_each_seed_is_a_run_of_its_own() -> None:
    """The cells of seed + n are those of a run with that seed, but for their number and directory."""
    together = resolve(STORM, PROFILES, seed=40, seeds=3, clock="virtual")
    assert (together.repeats, together.seeds, together.seed) == (3, 3, 40)
    for n in range(3):
        alone = resolve(STORM, PROFILES, seed=40 + n, clock="virtual")
        for one, cell in zip(alone.cells, together.cells[2 * n : 2 * n + 2], strict=True):
            assert cell.run_seed == 40 + n
            assert cell.model_copy(update={"repeat": 0, "dir": one.dir}) == one


@pytest.mark.parametrize(
    ("seeds", "repeats", "clock", "said"),
    [
        (200, 1, "real", "--clock virtual"),
        (200, 1, "real", "6.1 h of load"),
        (3, 2, "virtual", "one of them"),
        (0, 1, "virtual", "at least 1"),
    ],
)
def test_what_cannot_be_is_refused(seeds: int, repeats: int, clock: str | None, said: str) -> None:
    """Seeds need the virtual clock (the message says how long it would take), and are repeats already."""
    with pytest.raises(InputError, match=said):
        resolve(STORM, PROFILES, seeds=seeds, repeats=repeats, clock=clock)  # type: ignore[arg-type]  # the table has names and None


def cells(*states: str) -> list[Cell]:
    """Cells in these states; a running one is half way."""
    made = []
    for plan, state in zip(resolve(STORM, PROFILES, seeds=50, clock="virtual").cells, states, strict=False):
        cell = Cell(plan, None, 1)  # type: ignore[arg-type]  # nothing is written
        cell.state = state  # type: ignore[assignment]  # the tests name states
        cell.progress.at_s = cell.length_s / 2 if state == "running" else 0.0
        cell.reason = "stopped before it began" if state == "interrupted" else "broken"
        made.append(cell)
    return made


def test_one_line_for_all_cells() -> None:
    """Cells that ended count whole, running ones in part; what is left follows from the time it took so far."""
    whole = RunProgress()
    some = cells("finished", "failed", "running", "preparing")
    assert whole.share(some) == pytest.approx(0.625)
    assert whole.counts(some) == "2 of 4 cells, 1 failed"
    assert whole.left(some, 100.0) == ""
    assert whole.left(some, 150.0) == "about 30 s left"
    assert whole.left(cells("finished"), 200.0) == ""


def test_many_cells_with_one_reason_are_one_line() -> None:
    """After Ctrl-C the cells that never began are counted, not listed; failures are listed while they are few."""
    many = MOST_NAMED + 1
    lines = failures_of(cells("finished", "failed", *["interrupted"] * many))
    assert lines == ["retry-budget-0: broken", f"{many} of {many + 2} cells: stopped before it began"]
