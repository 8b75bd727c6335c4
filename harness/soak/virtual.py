"""A soak of Python clients on the virtual clock, begun or resumed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from windtunnel.harness.contract.files import SOAK_KEEPS, SOAK_RUN, write_json
from windtunnel.harness.errors import InputError
from windtunnel.harness.inputs.gallery import load_profile
from windtunnel.harness.inputs.gateway import gateway_of
from windtunnel.harness.inputs.installed import check_installed
from windtunnel.harness.plan import resolve
from windtunnel.harness.run.progress import Reporter
from windtunnel.harness.run.run import RunOptions, RunRecords, resume, run, run_folder
from windtunnel.harness.soak.cycles import COMMAND, Cycled, check_room
from windtunnel.harness.soak.incidents import again_and_again


@dataclass(frozen=True, slots=True)
class VirtualSoaked:
    """A soak on the virtual clock that has ended: its folder, and the run in it."""

    folder: Path
    records: RunRecords


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualSoak:
    """What is played: lengths in seconds, clients by name or file; None leaves the choice to scenario or machine.

    `incidents`: the seed of random ones, in days in place of cycles. `keep_raw_s`: how long records of single calls
    stay; None: all of the soak.
    """

    scenario: str
    for_s: float
    cycle_s: float | None = None
    incidents: int | None = None
    clients: Sequence[str] | None = None
    keep_raw_s: float | None = None
    seed: int | None = None
    jobs: int | None = None

    def cycled(self, out: Path | None) -> Cycled:
        """The scenario that it is, to be played into `out`. Raises InputError for whatever is wrong."""
        if self.jobs is not None and self.jobs < 1:
            expected = "a whole number of at least 1"
            raise InputError(COMMAND, path="--jobs", found=f"{self.jobs}", expected=expected)
        again = again_and_again(self.scenario, self.for_s, self.cycle_s, self.incidents)
        profiles = [load_profile(name) for name in self.clients or again.scenario.clients]
        check_installed(profiles)
        # Refuses what does not go together, such as a program on the virtual clock.
        gateway = gateway_of(again.scenario.path)
        resolve(again.scenario, profiles, seed=self.seed, clock="virtual", gateway=gateway)
        check_room(out, again, len(profiles), self.keep_raw_s)
        return again


def begin(asked: VirtualSoak, out: Path | None, reporter: Reporter) -> VirtualSoaked:
    """Play a soak from its start. Raises InputError for what is wrong, before anything is written."""
    again = asked.cycled(out)
    folder = run_folder(out, f"soak-{again.scenario.name}")
    if asked.keep_raw_s is not None:
        write_json(folder / SOAK_KEEPS, {"keep_raw_s": asked.keep_raw_s})
    reporter.say(f"soak: {again.said}")
    options = RunOptions(
        str(again.write(folder / "scenario.yaml")),
        asked.clients,
        folder / SOAK_RUN,
        jobs=asked.jobs,
        seed=asked.seed,
        clock="virtual",
        verify=False,
    )
    return VirtualSoaked(folder, run(options, reporter))


def go_on(folder: Path, jobs: int | None, reporter: Reporter) -> VirtualSoaked:
    """Play the rest of the soak in `folder`. Raises InputError if it is none, or one that cannot go on here."""
    played = folder / SOAK_RUN
    if not (played / "plan.json").is_file():
        found = "no such folder" if not folder.is_dir() else "a folder that no soak was begun in"
        raise InputError(folder, path="--resume", found=found, expected="the folder of a soak")
    options = RunOptions("", None, played, jobs=jobs, clock="virtual", verify=False)
    return VirtualSoaked(folder, resume(played, options, reporter))
