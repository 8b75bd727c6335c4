"""A soak of a process, begun or resumed: what is checked, made and said around the play itself."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console

from windtunnel.harness.contract.files import read_json
from windtunnel.harness.errors import InputError
from windtunnel.harness.inputs.gallery import is_file
from windtunnel.harness.inputs.secured import refuse_tls
from windtunnel.harness.run.live_metrics import LiveMetrics
from windtunnel.harness.run.resume import held
from windtunnel.harness.run.run import run_folder
from windtunnel.harness.soak.cycles import Cycled, check_room
from windtunnel.harness.soak.disk import told_if_full
from windtunnel.harness.soak.folder import SoakFolder
from windtunnel.harness.soak.incidents import again_and_again
from windtunnel.harness.soak.live import SoakFigures, SoakLive, span
from windtunnel.harness.soak.metrics import SoakMetrics
from windtunnel.harness.soak.options import ASKED_FILE, COMMAND, ProcessSoak, read_asked
from windtunnel.harness.soak.play import SoakEnded, play


@dataclass(frozen=True, slots=True)
class ProcessSoaked:
    """A soak of a process that has ended: its folder, and how."""

    folder: Path
    ended: SoakEnded


def begin(
    asked: ProcessSoak, out: Path | None, console: Console, metrics_port: int | None = None
) -> ProcessSoaked:
    """Play a soak of a process from its start, with `/metrics` on `metrics_port` if it is given.

    Raises `InputError` for what is wrong, before anything is started.
    """
    asked.check()
    if is_file(asked.scenario):
        asked = replace(asked, scenario=str(Path(asked.scenario).resolve()))
    again = again_and_again(asked.scenario, asked.for_s, asked.cycle_s, asked.incidents)
    what = "whose authority is another one each time that the mock is started again"
    refuse_tls(
        again.scenario, what, instead="no TLS, or a soak of a client: `windtunnel soak SCENARIO --for 8h`"
    )
    check_room(out, again, 1, asked.keep_raw_s)
    folder = SoakFolder(run_folder(out, f"soak-{again.scenario.name}").absolute(), asked.client)
    asked.write(folder.folder)
    folder.begin(again, _seed(asked, again))
    return _play(asked, again, folder, 0.0, console, metrics_port)


def is_of_process(folder: Path) -> bool:
    """Whether `folder` is that of a soak of a process."""
    return (folder / ASKED_FILE).is_file()


def go_on(path: Path, console: Console, metrics_port: int | None = None) -> ProcessSoaked:
    """Play the rest of the soak in `path`. Raises `InputError` if it is none, or its scenario has changed."""
    asked = read_asked(path)
    folder = SoakFolder(path.absolute(), asked.client)
    state = folder.read_state()
    again = again_and_again(asked.scenario, asked.for_s, asked.cycle_s, asked.incidents)
    plan = again.scenario.plan(seed=_seed(asked, again)).model_dump(mode="json", by_alias=True)
    if plan != read_json(folder.cell / "server_plan.json"):
        raise InputError(
            path,
            path="--resume",
            found=f"another scenario in {asked.scenario} than the soak began with",
            expected="the same one",
        )
    if state.over:
        console.print(f"soak: all of its {span(again.length_s)} are played", highlight=False)
        return ProcessSoaked(folder.folder, SoakEnded(state.at_s))
    return _play(asked, again, folder, state.at_s, console, metrics_port)


def _play(
    asked: ProcessSoak,
    again: Cycled,
    folder: SoakFolder,
    from_s: float,
    console: Console,
    metrics_port: int | None,
) -> ProcessSoaked:
    live = SoakLive(console, again.length_s, again.cycles)
    metrics = SoakMetrics(again.scenario.name, asked.client, again.length_s)

    def show(figures: SoakFigures) -> None:
        metrics.show(figures)
        live.show(figures)

    rest = "" if from_s == 0 else f"; from {span(from_s)} on"
    live.say(f"soak of {asked.client} in real time: {again.said}{rest}; in {folder.folder}")
    with held(folder.folder), told_if_full(folder.folder), ExitStack() as closing:
        if metrics_port is not None:
            server = LiveMetrics(metrics_port, COMMAND, also=metrics, mocks=metrics.mocks)
            closing.callback(server.close)
            live.say(f"metrics: {server.url}")
        closing.enter_context(live)
        ended = asyncio.run(play(asked, again, _seed(asked, again), folder, show, from_s))
    return ProcessSoaked(folder.folder, ended)


def _seed(asked: ProcessSoak, again: Cycled) -> int:
    return again.scenario.seed if asked.seed is None else asked.seed
