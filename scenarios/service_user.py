"""The Locust user that calls a service: what `attach.py` and `soak_users.py` have in common."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import Any, ClassVar, NamedTuple

import gevent
from locust import FastHttpUser, task
from locust.exception import StopUser

from windtunnel.harness.probe.users import call_service


class ServiceCalled(NamedTuple):
    """A call that has ended: number, times in seconds from t0, status (None: no answer), and what went wrong."""

    number: int
    intended_s: float
    started_s: float
    ended_s: float
    status: int | None
    wrong: Exception | None


Record = Callable[[ServiceCalled], None]


class ServiceUser(FastHttpUser):
    """All users of the service in one: it plays a list of intended times, and leaves."""

    abstract = True
    asked: ClassVar[dict[str, Any]]
    """What to call (url, method, body, headers, timeout_s), and t0, the monotonic time from which seconds count."""
    concurrency = 10_000

    def __init__(self, environment: Any) -> None:
        self.host = self.asked["url"].split("?")[0]
        self.connection_timeout = self.network_timeout = self.asked["timeout_s"]
        super().__init__(environment)

    def due(self) -> Iterable[tuple[int, float]]:
        """Number and intended time of every call, in the order of time."""
        raise NotImplementedError

    def records(self) -> AbstractContextManager[Record]:
        """Give what writes down each call that has ended."""
        raise NotImplementedError

    @task
    def play(self) -> None:
        """Make every call at its time, wait for those under way, and end the run."""
        under_way: set[gevent.Greenlet] = set()
        with self.records() as record:
            for number, intended_s in self.due():
                left = self.asked["t0"] + intended_s - time.monotonic()
                if left > 0:
                    gevent.sleep(left)
                call = gevent.spawn(self._call, record, number, intended_s)
                under_way.add(call)
                call.link(under_way.discard)
            gevent.joinall(list(under_way))
        self.environment.runner.quit()
        raise StopUser

    def _call(self, record: Record, number: int, intended_s: float) -> None:
        t0: float = self.asked["t0"]
        started_s = time.monotonic() - t0
        status, wrong = call_service(self.client, self.asked, number)
        record(ServiceCalled(number, intended_s, started_s, time.monotonic() - t0, status, wrong))
