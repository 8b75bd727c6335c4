"""One load process from its instances to its last row.

build, warm up ─► ready-N.json ─► start.json (t0) ─► every call at its intended time ─► cancel the rest ─► done
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path

import gevent

from windtunnel.harness.arrivals import Arrival, share
from windtunnel.harness.clients.base import CallSpec, Setting
from windtunnel.harness.clients.hosts import Hosts
from windtunnel.harness.clients.recording.pools import LINGER_S, SAMPLE_S, SOAK_S, Soak
from windtunnel.harness.contract.files import POOLS_FILE, write_json
from windtunnel.harness.contract.watch import WATCH_S
from windtunnel.harness.inputs.region_choice import home_of, of_instance
from windtunnel.harness.load.bodies import body_of
from windtunnel.harness.load.dialling import end_process, take_over
from windtunnel.harness.load.heartbeat import hub_beat
from windtunnel.harness.load.inside import InsideWatch, is_watched
from windtunnel.harness.load.instances import Fleet, build_fleet
from windtunnel.harness.load.recorder import Recorder
from windtunnel.harness.load.targets import targets_of
from windtunnel.harness.plan import CellPlan
from windtunnel.harness.policies.clock import Clock

POLL_S = 0.02
DRAIN_S = 0.1
PROGRESS_S = 0.5
FLUSH_S = 1.0
START_TIMEOUT_S = 300.0
COLLECTOR = (5_000, 20, 50)
"""The garbage collector's thresholds: rarer than usual, as failures leave no cycles behind (`forget_frames`)."""


class Worker:
    """The share of a cell that one process plays. `number` counts processes from 0."""

    def __init__(
        self, plan: CellPlan, folder: Path, number: int, processes: int, urls: dict[str, str]
    ) -> None:
        self.plan = plan
        self.clock = Clock()
        self._folder = folder
        self._number = number
        self._processes = processes
        self._urls = urls
        self._intended = 0
        self._schedule: list[Arrival] = []

    def play(self, on_call: Callable[..., None], on_attempt: Callable[..., None]) -> None:
        """Play the whole share; returns when it is over.

        Raises `TimeoutError` if no start is announced, `OSError` if records cannot be written any more.
        """
        recorder = Recorder(self._folder, self._number, on_call=on_call, on_attempt=on_attempt)
        fleet = self._build(recorder)
        self._schedule = share(self.plan.schedule(), self._number, self._processes)
        gc.collect()
        gc.freeze()  # what is there now stays: later collections need not look at it
        gc.set_threshold(*COLLECTOR)
        self._say_ready()
        self.clock.t0 = self._wait_for_start()
        recorder.lags.clear()
        writing = gevent.spawn(self._write, recorder)
        player = gevent.getcurrent()
        writing.link_exception(lambda failed: gevent.kill(player, failed.exception))
        beating = gevent.spawn(hub_beat, self.clock.now, recorder.late)
        watch = self._watch(recorder)
        watched = watch is not None or self.plan.length_s >= SOAK_S
        soak = recorder.soak = Soak() if watched else None
        sampling = gevent.spawn(self._sample, fleet, soak, watch)
        sampling.link_exception(lambda failed: gevent.kill(player, failed.exception))
        try:
            fleet.dispatch(self._calls(), partial(self._begun, soak))
            self._sleep_until(self.plan.length_s + self.plan.tail_s)
            sampling.kill()
            fleet.cancel()
            self._sleep_until(recorder.last_ended_s + LINGER_S)
            pools = self._folder / POOLS_FILE.format(worker=self._number)
            write_json(pools, asdict(fleet.connections().with_soak(soak)))
        finally:
            gevent.killall([beating, writing, sampling])
            if watch is not None:
                watch.close()
            recorder.close()
        self._write_progress(recorder, done=True)
        fleet.close()

    def _build(self, recorder: Recorder) -> Fleet:
        plan = self.plan
        numbers = range(self._number, plan.load.instances, self._processes)
        hosts = Hosts(plan.hosts, self._urls, self.clock.since_t0, end_process) if plan.hosts else None
        if hosts is not None:
            take_over(hosts)
        profiles = {number: of_instance(plan.profile, number) for number in numbers}
        homes = {number: home_of(profile, plan.region) for number, profile in profiles.items()}
        settings = {
            number: Setting(
                profile=profiles[number],
                client=plan.client,
                instance=number,
                worker=self._number,
                region=homes[number],
                model=plan.load.model,
                base_url=self._urls[homes[number]],
                seed=plan.seed,
                observer=recorder,
                targets=targets_of(profiles[number], homes[number], plan.load.model, self._urls),
                clock=self.clock,
                hosts=hosts,
                broken=partial(gevent.kill, gevent.getcurrent()),
            )
            for number in numbers
        }
        fleet = build_fleet(settings, plan.load.concurrency, recorder)
        fleet.warm_up({number: self._warm_up_spec(number) for number in numbers})
        return fleet

    def _warm_up_spec(self, instance: int) -> CallSpec:
        """The first call of an instance, before anything counts: small, and outside of the schedule."""
        load = self.plan.load
        call_id = f"first{instance}"
        body = body_of(load, call_id, self.plan.seed)
        return CallSpec(
            call_id=call_id,
            api=load.api,
            stream=load.streams(call_id, self.plan.seed),
            body=body,
            intended_s=0.0,
            warmup=True,
        )

    def _spec(self, arrival: Arrival) -> CallSpec:
        load = self.plan.load
        return CallSpec(
            call_id=arrival.call_id,
            api=load.api,
            stream=load.streams(arrival.call_id, self.plan.seed),
            body=body_of(load, arrival.call_id, self.plan.seed),
            intended_s=arrival.intended_s,
            phase=self.plan.phase_at(arrival.intended_s) if arrival.measured else None,
            warmup=arrival.intended_s < 0,
            priority=load.priority(arrival.call_id, self.plan.seed),
        )

    def _calls(self) -> Iterator[tuple[int, CallSpec]]:
        for arrival in self._schedule:
            yield arrival.instance, self._spec(arrival)

    def _begun(self, soak: Soak | None, spec: CallSpec) -> None:
        self._intended += spec.phase is not None
        if soak is not None:
            soak.began(spec.call_id, self.clock.now())

    def _watch(self, recorder: Recorder) -> InsideWatch | None:
        """Who watches the client in a soak; None in any other run."""
        if not is_watched(self.plan, self._number):
            return None
        return InsideWatch(self._folder, self.plan.client, self.clock.now, recorder.worst_lag_s)

    def _sample(self, fleet: Fleet, soak: Soak | None, watch: InsideWatch | None) -> None:
        """Look into the pools now and then, and in a soak at what else the client holds, until killed."""
        while soak is not None:
            gevent.sleep(SAMPLE_S if watch is None else WATCH_S)
            fleet.sample(soak, watch)

    def _sleep_until(self, time_s: float) -> None:
        while (left := time_s - self.clock.now()) > 0:
            gevent.sleep(left)

    def _say_ready(self) -> None:
        write_json(self._folder / f"ready-{self._number}.json", {"pid": os.getpid(), "worker": self._number})

    def _wait_for_start(self) -> float:
        path = self._folder / "start.json"
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            with contextlib.suppress(FileNotFoundError):
                return float(json.loads(path.read_text())["t0"])
            gevent.sleep(POLL_S)
        raise TimeoutError(f"no start was announced in {path} within {START_TIMEOUT_S:.0f} s")

    def _write(self, recorder: Recorder) -> None:
        """Write rows and progress until killed."""
        flushed = told = time.monotonic()
        while True:
            gevent.sleep(DRAIN_S)
            recorder.drain()
            now = time.monotonic()
            if now - flushed >= FLUSH_S:
                recorder.flush()
                flushed = now
            if now - told >= PROGRESS_S:
                self._write_progress(recorder)
                told = now

    def _write_progress(self, recorder: Recorder, *, done: bool = False) -> None:
        recorder.counts.write_progress(
            self._folder, self._number, intended=self._intended, now_s=self.clock.now(), done=done
        )
