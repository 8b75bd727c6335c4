"""One cell on the virtual clock: mock and load in one process, records to the cell's directory.

cell.json ─► mock (mock, listeners) + crew (instances) on one loop ─► the same segments as in real time
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import NoReturn

from windtunnel.harness.arrivals import Arrival
from windtunnel.harness.clients.base import CallSpec, Observer, Setting
from windtunnel.harness.clients.hosts import Hosts, RefusedHostError, announce
from windtunnel.harness.clients.recording.pools import LINGER_S, SOAK_S, Soak
from windtunnel.harness.contract.files import POOLS_FILE, write_json
from windtunnel.harness.contract.records import (
    ATTEMPTS_SCHEMA,
    CALLS_SCHEMA,
    AttemptRow,
    CallRow,
    attempt_tuple,
    call_tuple,
)
from windtunnel.harness.contract.watch import WATCH_S
from windtunnel.harness.inputs.region_choice import home_of, of_instance
from windtunnel.harness.load.bodies import body_of
from windtunnel.harness.load.inside import InsideWatch, is_watched
from windtunnel.harness.load.recorder import Recorder
from windtunnel.harness.load.targets import targets_of
from windtunnel.harness.plan import CellPlan
from windtunnel.harness.policies.clock import Clock
from windtunnel.harness.run.trust import trusting
from windtunnel.harness.virtual.behaviour import Behaviours
from windtunnel.harness.virtual.digests import TableDigests, combined
from windtunnel.harness.virtual.draws import SeededRandom
from windtunnel.harness.virtual.guard import refuse
from windtunnel.harness.virtual.instances import Crew
from windtunnel.harness.virtual.kept import retention
from windtunnel.harness.virtual.loop import VirtualLoop
from windtunnel.harness.virtual.network.blocking import Blocking
from windtunnel.harness.virtual.network.ports import Ports
from windtunnel.harness.virtual.network.ports import listen as listen_for
from windtunnel.harness.virtual.network.secure import trust
from windtunnel.mock_server.journal.journal import Journal
from windtunnel.mock_server.journal.schemas import SERVED_SCHEMA
from windtunnel.mock_server.plan.plan import Plan
from windtunnel.mock_server.server.server import Server

LEAD_S = 1.0
"""Virtual seconds between the warm-up calls and the first arrival."""

PENDING_ROWS = 256

REMEMBERED = 2_000
"""Calls that the mock remembers in a soak: it lives in the client's process, whose memory is watched. Calls under way
are far fewer."""


class DigestingRecorder(Recorder):
    """Writes rows as they come, and digests them."""

    def __init__(self, folder: Path, behaviours: Behaviours | None = None) -> None:
        super().__init__(folder, 0, on_call=lambda *_: None, on_attempt=lambda *_: None)
        self.calls = TableDigests(CALLS_SCHEMA.names)
        self.attempts = TableDigests(ATTEMPTS_SCHEMA.names)
        self._pending = 0
        self._behaviours = behaviours

    def call_ended(self, row: CallRow, error: BaseException | None) -> None:
        self.calls.add(call_tuple(row))
        if self._behaviours is not None:
            self._behaviours.ended(row.call_id, call_tuple(row))
        super().call_ended(row, None)
        self._pending += 1
        if self._pending >= PENDING_ROWS:
            self._pending = 0
            self.drain()

    def attempt_ended(self, row: AttemptRow) -> None:
        self.attempts.add(attempt_tuple(row))
        if self._behaviours is not None:
            self._behaviours.ended(row.call_id, attempt_tuple(row))
        super().attempt_ended(row)


class VirtualPlay:
    """A cell that is being played. `make_deterministic` has put the process on `loop` already."""

    def __init__(
        self,
        plan: CellPlan,
        folder: Path,
        loop: VirtualLoop,
        blocking: Blocking,
        draws: SeededRandom,
        *,
        behaviours: Behaviours | None = None,
    ) -> None:
        """With `behaviours` it is also noted what each call does."""
        self.plan = plan
        self.clock = Clock()
        self.observer = DigestingRecorder(folder, behaviours)
        self.listener: Observer = self.observer
        self._behaviours = behaviours
        if behaviours is not None:
            loop.network.trace = behaviours.sent
        self._folder = folder
        self._loop = loop
        self._blocking = blocking
        self._draws = draws
        self._served = TableDigests(SERVED_SCHEMA.names)
        self._intended = 0

    async def play(self) -> None:
        """Play the whole cell, and write its digests."""
        plan, loop = self.plan, self._loop
        server_plan = Plan.model_validate(plan.server_plan)
        journal = self.journal()
        mock = self.mock(Plan.model_validate(plan.warm_up_plan), journal)
        urls = await listen(loop, mock, server_plan)
        if plan.hosts:
            loop.network.hosts = Hosts(plan.hosts, urls, self.clock.since_t0, _refuse_host)
        self.crew = crew = self._crew(urls)
        await crew.warm_up({i: self._first(i) for i in range(plan.load.instances)})
        self.clock.t0 = t0 = loop.time() + LEAD_S + plan.warmup_s
        schedule = plan.schedule()
        gc.collect()
        gc.freeze()  # what is there now stays: later collections need not look at it
        mock.set_plan(server_plan)
        mock.reset(t0)
        if is_watched(plan):
            mock.engine.remember_calls(REMEMBERED)
        self._served.begin()
        soak = self.observer.soak = Soak() if plan.length_s >= SOAK_S or is_watched(plan) else None
        sampling = None if soak is None else asyncio.create_task(crew.sample(soak))
        watch = self._watch(soak)
        kept = retention(plan, self._folder, loop, self.clock.now, self.observer, mock) if watch else None
        await crew.dispatch(self._calls(schedule), self._begun)
        await asyncio.sleep(plan.length_s + plan.tail_s - self.clock.now())
        if sampling is not None:
            sampling.cancel()
        if watch is not None:
            watch.close()
        if kept is not None:
            kept.close()
        await crew.cancel()
        await asyncio.sleep(max(0.0, self.observer.last_ended_s + LINGER_S - self.clock.now()))
        write_json(self._folder / POOLS_FILE.format(worker=0), asdict(crew.connections().with_soak(soak)))
        mock.cut()
        journal.close()
        self.observer.close()
        await crew.close()
        self.write_progress(done=True)
        if self._behaviours is not None:
            self._behaviours.write(self._folder)
        write_json(self._folder / "digest.json", self.digests())

    def _watch(self, soak: Soak | None) -> VirtualWatch | None:
        """Who watches the client in a soak; None in any other run."""
        if soak is None or not is_watched(self.plan):
            return None
        watch = InsideWatch(self._folder, self.plan.client, self.clock.now, lambda: None)
        return VirtualWatch(self._loop, lambda: self.crew.watched(soak, watch), watch)

    def journal(self) -> Journal:
        """Where the mock writes its rows; they are digested."""
        journal = Journal(self._folder)
        journal.add = self._served.before(journal.add)
        return journal

    def mock(self, plan: Plan, journal: Journal) -> Server:
        """The mock."""
        return Server(plan, journal=journal, loop=self._loop, clock=self._loop.time)

    def digests(self) -> dict[str, str]:
        """The digests of each table, of the bytes on the wire, and of all: of behaviour, and of everything."""
        tables = {"calls": self.observer.calls, "attempts": self.observer.attempts, "served": self._served}
        behaviour = {name: str(table.behaviour) for name, table in tables.items()}
        wire = self._loop.network.wire.hexdigest()
        return {
            **behaviour,
            "digest": combined(list(behaviour.values())),
            "wire": wire,
            "wire_digest": combined([*(str(table.whole) for table in tables.values()), wire]),
        }

    def _crew(self, urls: dict[str, str]) -> Crew:
        plan = self.plan
        profiles = [of_instance(plan.profile, number) for number in range(plan.load.instances)]
        homes = [home_of(profile, plan.region) for profile in profiles]
        settings = {
            number: Setting(
                profile=profiles[number],
                client=plan.client,
                instance=number,
                worker=0,
                region=homes[number],
                model=plan.load.model,
                base_url=urls[homes[number]],
                seed=plan.seed,
                observer=self.listener,
                targets=targets_of(profiles[number], homes[number], plan.load.model, urls),
                clock=self.clock,
                hosts=self._loop.network.hosts,
                waiting=self._blocking,
            )
            for number in range(plan.load.instances)
        }
        return Crew(settings, plan.load.concurrency, blocking=self._blocking, draws=self._draws)

    def _first(self, instance: int) -> CallSpec:
        load = self.plan.load
        body = body_of(load, f"first{instance}", self.plan.seed)
        return CallSpec(
            call_id=f"first{instance}",
            api=load.api,
            stream=load.streams(f"first{instance}", self.plan.seed),
            body=body,
            intended_s=0.0,
            warmup=True,
        )

    def _calls(self, schedule: Sequence[Arrival]) -> Iterator[tuple[int, CallSpec]]:
        plan, load = self.plan, self.plan.load
        for arrival in schedule:
            yield (
                arrival.instance,
                CallSpec(
                    call_id=arrival.call_id,
                    api=load.api,
                    stream=load.streams(arrival.call_id, plan.seed),
                    body=body_of(load, arrival.call_id, plan.seed),
                    intended_s=arrival.intended_s,
                    phase=plan.phase_at(arrival.intended_s) if arrival.measured else None,
                    warmup=arrival.intended_s < 0,
                    priority=load.priority(arrival.call_id, plan.seed),
                ),
            )

    def _begun(self, spec: CallSpec) -> None:
        self._intended += spec.phase is not None
        if self.observer.soak is not None:
            self.observer.soak.began(spec.call_id, self.clock.now())

    def write_progress(self, *, done: bool = False) -> None:
        """Tell the supervisor how far this cell is."""
        if not done:
            self.observer.drain()
        counts, now_s = self.observer.counts, self.clock.now()
        counts.write_progress(self._folder, 0, intended=self._intended, now_s=now_s, done=done)


def _refuse_host(error: RefusedHostError) -> NoReturn:
    announce(error)
    refuse(error.found, error.expected)


class VirtualWatch:
    """Looks at the client every ten virtual seconds.

    By timers alone: a task or a future more would move the numbers of all others, and with them their order.
    """

    def __init__(self, loop: VirtualLoop, look: Callable[[], None], watch: InsideWatch) -> None:
        self._loop = loop
        self._look = look
        self._watch = watch
        self._timer = loop.call_later(WATCH_S, self._looked)

    def close(self) -> None:
        """Look no more."""
        self._timer.cancel()
        self._watch.close()

    def _looked(self) -> None:
        self._look()
        self._timer = self._loop.call_later(WATCH_S, self._looked)


async def listen(loop: VirtualLoop, mock: Server, plan: Plan) -> dict[str, str]:
    """Open every region's listener on the virtual network; gives their base URLs."""
    listeners = {region: await listen_for(loop, mock, region) for region in plan.provider.regions}
    Ports(mock, listeners)
    if plan.provider.secured:
        trust(trusting({"ca_file": mock.connections.certificates.ca_file}))
    return {region: one.url + "/v1" for region, one in listeners.items()}
