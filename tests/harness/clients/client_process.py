"""Plays calls in a process that gevent has patched, as Locust's are: a job a line in, its rows a line out.

A job is `{profile, base_url, specs, warm_up, cancel_after_s}`: the calls begin together; what still runs after
`cancel_after_s` is cancelled.
"""

from gevent import monkey

monkey.patch_all()

import asyncio  # noqa: E402  # nothing may be imported before the patches
import dataclasses  # noqa: E402  # after the patches
import json  # noqa: E402  # after the patches
import sys  # noqa: E402  # after the patches
from typing import Any  # noqa: E402  # after the patches

import gevent  # noqa: E402  # after the patches
from gevent.pool import Group  # noqa: E402  # after the patches

from windtunnel.harness.clients import Driver, driver_of  # noqa: E402  # after the patches
from windtunnel.harness.clients.base import CallSpec, Observer, Setting  # noqa: E402  # after the patches
from windtunnel.harness.contract.records import AttemptRow, CallRow  # noqa: E402  # after the patches
from windtunnel.harness.inputs.profile import Profile  # noqa: E402  # after the patches
from windtunnel.harness.load.loop_thread import LoopThread  # noqa: E402  # after the patches
from windtunnel.harness.load.targets import targets_of  # noqa: E402  # after the patches
from windtunnel.harness.policies.clock import Clock  # noqa: E402  # after the patches
from windtunnel.mock_server.server.end_with_parent import die_with_parent  # noqa: E402  # after the patches

TIMEOUT_S = 60.0


class Rows(Observer):
    def __init__(self) -> None:
        self.calls: list[CallRow] = []
        self.attempts: list[AttemptRow] = []

    def call_ended(self, row: CallRow, error: BaseException | None) -> None:
        self.calls.append(row)

    def attempt_ended(self, row: AttemptRow) -> None:
        self.attempts.append(row)


def settings(job: dict[str, Any], rows: Rows) -> Setting:
    profile = Profile.model_validate(job["profile"])
    return Setting(
        profile=profile,
        targets=targets_of(profile, "local", "gpt-4.1-mini", {"local": job["base_url"]}),
        client="tested",
        instance=0,
        worker=0,
        region="local",
        model="gpt-4.1-mini",
        base_url=job["base_url"],
        seed=7,
        observer=rows,
        clock=Clock(),
    )


def play_greenlets(driver: Driver, job: dict[str, Any], specs: list[CallSpec], rows: Rows) -> None:
    instance = driver.build(settings(job, rows))
    if job.get("warm_up"):
        instance.warm_up(specs[0])
    group = Group()
    for spec in specs:
        group.spawn(instance.call, spec)
    if (after := job.get("cancel_after_s")) is not None:
        gevent.sleep(after)
        group.kill()
    group.join(TIMEOUT_S, raise_error=True)
    instance.close()


def play_loop(
    thread: LoopThread, driver: Driver, job: dict[str, Any], specs: list[CallSpec], rows: Rows
) -> None:
    async def work() -> None:
        instance = driver.build(settings(job, rows))
        if job.get("warm_up"):
            await instance.warm_up(specs[0])
        tasks = [asyncio.create_task(instance.call(spec)) for spec in specs]
        if (after := job.get("cancel_after_s")) is not None:
            await asyncio.sleep(after)
            for task in tasks:
                task.cancel()
        await asyncio.gather(*tasks, return_exceptions=job.get("cancel_after_s") is not None)
        await instance.close()

    thread.wait_for(work(), TIMEOUT_S)


def main() -> None:
    die_with_parent()
    thread = LoopThread()
    for line in sys.stdin:
        job = json.loads(line)
        rows = Rows()
        specs = [CallSpec(intended_s=0.0, **spec) for spec in job["specs"]]
        driver = driver_of(Profile.model_validate(job["profile"]))
        if driver.kind == "greenlet":
            play_greenlets(driver, job, specs, rows)
        else:
            play_loop(thread, driver, job, specs, rows)
        calls = sorted(rows.calls, key=lambda row: row.call_id)
        attempts = sorted(rows.attempts, key=lambda row: (row.call_id, row.attempt))
        answer = {"calls": [dataclasses.asdict(row) for row in calls]}
        answer["attempts"] = [dataclasses.asdict(row) for row in attempts]
        print(json.dumps(answer), flush=True)
    thread.stop()


if __name__ == "__main__":
    main()
