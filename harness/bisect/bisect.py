"""`windtunnel bisect`: which release of a package changed what a client does.

releases (pip) ─► search ─► a step each: environment, virtual run, figures ─► changes ─► first call, both timelines
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.version import Version

from windtunnel.harness.bisect.first_call import FirstCall, first_differing_call
from windtunnel.harness.bisect.followed import BEHAVIOUR, Followed, asked, largest
from windtunnel.harness.bisect.releases import COMMAND, between, releases_of
from windtunnel.harness.bisect.search import BrokenReleaseError, Change, Found, Search
from windtunnel.harness.bisect.steps import Measure, NotInstalledError, Say, Step, StepOptions, play_step
from windtunnel.harness.contract.metrics import Floor
from windtunnel.harness.environments.interpreter import Interpreter
from windtunnel.harness.errors import InputError, MeasurementError
from windtunnel.harness.inputs.gallery import is_file, load_profile, load_scenario
from windtunnel.harness.replay.replay import replay
from windtunnel.harness.replay.timeline import rows
from windtunnel.harness.run.progress import Reporter
from windtunnel.harness.run.run import RunOptions, run_folder

MOST = 40
"""Releases that are tried at most, unless another number is asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BisectOptions:
    """What `windtunnel bisect` was asked for; None leaves the choice to the scenario."""

    scenario: str
    package: str
    good: str
    bad: str
    base: Interpreter
    client: str | None = None
    metric: str | None = None
    requirements: Sequence[str] = ()
    pip_arguments: Sequence[str] = ()
    out: Path | None = None
    seed: int | None = None
    seeds: int | None = None
    jobs: int | None = None
    most: int = MOST
    floors: Mapping[str, Floor] | None = None


@dataclass(frozen=True, slots=True)
class Blamed:
    """A change: from one release to the next that can be tried, what else differs, and the call that shows it.

    `also`: other packages that differ between the two environments. `timelines`: the call, older and newer.
    """

    change: Change
    older: Step
    newer: Step
    also: tuple[str, ...] = ()
    call: FirstCall | None = None
    timelines: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class BisectResult:
    """What came of it. `releases` are all from the older end to the newer; `steps` and `broken` are by place."""

    folder: Path
    scenario: str
    client: str
    package: str
    releases: tuple[Version, ...]
    backwards: bool
    followed: Followed | None
    steps: Mapping[int, Step]
    broken: Mapping[int, str]
    blamed: tuple[Blamed, ...]
    most: int

    @property
    def whole(self) -> bool:
        """Whether nothing was left open because of the limit of steps."""
        return not any(one.change.open for one in self.blamed)


class Bisect:
    """A bisect that is being played; `say` is told each step."""

    def __init__(self, options: BisectOptions, measure: Measure, reporter: Reporter, say: Say) -> None:
        self._options = options
        self._measure = measure
        self._reporter = reporter
        self._say = say
        self._followed: Followed | None = None
        self._steps: dict[int, Step] = {}
        self._count = 0

    def run(self) -> BisectResult:
        """Play it. Raises InputError for wrong input, MeasurementError if one of the two ends cannot be tried."""
        asked_for = self._options
        if asked_for.most < 2:
            raise InputError(
                COMMAND, path="--most", found=str(asked_for.most), expected="at least 2: both ends"
            )
        for option, value in (("--seeds", asked_for.seeds), ("--jobs", asked_for.jobs)):
            if value is not None and value < 1:
                expected = "a whole number of at least 1"
                raise InputError(COMMAND, path=option, found=f"{value}", expected=expected)
        scenario = load_scenario(asked_for.scenario)
        scenario.require_no_vary("each release is tried with one cell")
        client = asked_for.client or scenario.clients[0]
        if not is_file(client):  # code of one's own may need the package, which an environment brings
            load_profile(client)
        found = releases_of(
            asked_for.package, python=asked_for.base.path, pip_arguments=asked_for.pip_arguments
        )
        self._releases, backwards = between(found, asked_for.good, asked_for.bad, asked_for.package)
        self._folder = run_folder(asked_for.out, f"bisect-{asked_for.package}")
        self._step_options = StepOptions(
            package=asked_for.package,
            client=client,
            base=asked_for.base,
            requirements=asked_for.requirements,
            pip_arguments=asked_for.pip_arguments,
            options=RunOptions(
                asked_for.scenario,
                clock="virtual",
                seed=asked_for.seed,
                seeds=asked_for.seeds,
                jobs=asked_for.jobs,
                verify=False,
            ),
        )
        self._say(
            f"{len(self._releases)} releases of {asked_for.package}, {self._releases[0]} to {self._releases[-1]}; "
            f"at most {min(asked_for.most, len(self._releases))} are tried"
        )
        searched = self._search()
        blamed = tuple(self._blame(change) for change in searched.changes)
        return BisectResult(
            folder=self._folder,
            scenario=scenario.name,
            client=client,
            package=asked_for.package,
            releases=tuple(self._releases),
            backwards=backwards,
            followed=self._followed,
            steps=dict(self._steps),
            broken=searched.broken,
            blamed=blamed,
            most=asked_for.most,
        )

    def _search(self) -> Found[Step]:
        search = Search(len(self._releases), self._look, self._distance, most=self._options.most)
        try:
            return search.run()
        except BrokenReleaseError as error:
            release = self._releases[-1 if 0 in self._steps else 0]
            told = f"{self._options.package} {release}, an end of the search: {error}"
            if isinstance(error, NotInstalledError):
                raise InputError(COMMAND, path="--package", hint=told) from error
            raise MeasurementError(told) from error

    def _look(self, place: int) -> Step:
        version = str(self._releases[place])
        self._count += 1
        name = f"{self._count}: {self._options.package} {version}"
        try:
            step = play_step(
                self._step_options,
                version,
                self._folder / "steps" / version,
                self._measure,
                self._reporter,
                lambda line: self._say(f"  {line}"),
            )
        except BrokenReleaseError as error:
            self._say(f"{name}: skipped: {error}")
            raise
        self._steps[place] = step
        if self._followed is None and self._options.metric is not None:
            self._followed = asked(self._options.metric, step.measured, self._options.floors or {})
        if self._followed is not None:
            said = f"{self._followed.name} {self._followed.say(step.measured)}"
        else:
            said = f"behaviour {step.measured.digest[:8]}"
        self._say(f"{name}: {said}{' (played before)' if step.kept else ''}")
        return step

    def _distance(self, older: Step, newer: Step) -> float:
        if self._followed is None:
            self._follow(older, newer)
        return 0.0 if self._followed is None else self._followed.distance(older.measured, newer.measured)

    def _follow(self, older: Step, newer: Step) -> None:
        """Choose what is followed, once both ends are played and if nobody has said it."""
        floors = self._options.floors or {}
        self._followed = largest(older.measured, newer.measured, floors)
        if self._followed is not None:
            alone = self._followed.name == BEHAVIOUR
            why = "as no metric differs beyond its floor" if alone else "which differs most between both ends"
            values = " and ".join(self._followed.say(step.measured) for step in (older, newer))
            self._say(f"following {self._followed.name}, {why}: {values}")

    def _blame(self, change: Change) -> Blamed:
        older, newer = self._steps[change.before], self._steps[change.after]
        also = tuple(_also(older.packages, newer.packages, self._options.package))
        call = first_differing_call(older.folder, newer.folder)
        if call is None:
            return Blamed(change, older, newer, also)
        self._say(f"replaying call {call.call_id} with {older.version} and {newer.version}")
        timelines = tuple(_timeline(step, call) for step in (older, newer))
        return Blamed(change, older, newer, also, call, timelines)


def _also(older: Mapping[str, str], newer: Mapping[str, str], package: str) -> Iterator[str]:
    """The other packages that differ between two environments."""
    for name in sorted({*older, *newer} - {package.lower().replace("_", "-")}):
        one, other = older.get(name, "absent"), newer.get(name, "absent")
        if one != other:
            yield f"{name} {one} → {other}"


def _timeline(step: Step, call: FirstCall) -> tuple[str, ...]:
    """The call moment by moment, in lines as `windtunnel replay` prints them."""
    found = replay(step.folder, call.call_id, client=step.client, repeat=call.repeat)
    lines = []
    for time, since, who, what, provider in rows(found.events, found.start_s):
        line = f"{time:>14} {since:>14}  {who:<8}  {what}"
        lines.append(f"{line}   [{provider}]" if provider else line)
    return (*lines, *(f"not as recorded: {one}" for one in found.differences))
