"""The mock as a process of its own, for the tests of one session: over real sockets, each test with a view of its own.

    session ─► MockProcess (one, on a free port) ─► ends with the session, however that ends
    test    ─► ProcessView ─► PUT test {plan, key}: everything anew, the key of the test before is refused

Tests of a process follow each other, so one plan at a time is enough, and everything works under it: closed ports,
limits, clients with keys of their own. What comes late from an earlier test is known by that test's key, or was under
way and is cut off. Under pytest-xdist every worker is a session and has its own process.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import subprocess
import tempfile
import time
from itertools import count
from typing import Any, Self
from urllib.parse import urlsplit

from windtunnel.harness.errors import MeasurementError
from windtunnel.harness.run.children import environment, python
from windtunnel.harness.testing.view import NAME, MockOpenAI

END_S = 5.0
SETTLE_S = 0.2
"""Seconds that a client's leaving may take to be seen: its end of a connection is closed, and the mock reads that."""

LOOK_EVERY_S = 0.01
ANSWER_S = 30.0

CLOSING = ("refuse", "blackhole")
UNANSWERED_S = 0.2
"""Seconds after which a connect on loopback is taken for one that nobody answers."""


class MockProcess:
    """A mock that runs as a child. It ends by itself when this process does: its stdin is closed then."""

    def __init__(self) -> None:
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115 (lives as long as the process)
        self._child = subprocess.Popen(
            python("-m", "windtunnel.mock_server", "--port", "0", "--with-parent"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=environment({}),
            start_new_session=True,  # a Ctrl-C is pytest's to handle
        )
        assert self._child.stdout is not None
        line = self._child.stdout.readline()
        if not line:
            self._log.seek(0)
            last = self._log.read().strip().splitlines()[-1:] or ["it said nothing"]
            raise MeasurementError(f"the mock did not start: {last[0]}")
        announced = json.loads(line)
        self.base_url: str = announced["base_url"]
        self.pid: int = announced["pid"]
        self._admin = urlsplit(announced["admin_url"])
        self._connection: http.client.HTTPConnection | None = None
        self.keys = count(1)
        self._open = True

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """Ask the admin API. Raises `MeasurementError` when the mock is gone or refuses."""
        data = None if body is None else json.dumps(body)
        for last in (False, True):
            if self._connection is None:
                self._connection = http.client.HTTPConnection(
                    self._admin.hostname or "", self._admin.port, timeout=ANSWER_S
                )
            try:
                self._connection.request(method, f"{self._admin.path}/{path}", data)
                answer = self._connection.getresponse()
                said = json.loads(answer.read())
            except (OSError, http.client.HTTPException) as error:
                self._connection.close()
                self._connection = None
                if last:  # a kept connection may have been closed meanwhile; a new one tells the truth
                    raise MeasurementError(f"the mock does not answer: {error}") from error
                continue
            if answer.status >= 400:
                raise MeasurementError(f"the mock refuses: {said['error']['message']}")
            return said
        raise AssertionError("the loop returns or raises")

    def settle_port(self, plan: dict[str, Any]) -> None:
        """Wait until the port is as a plan has it: the admin API may reply before it is closed, or open again.

        With phases or bursts it changes by itself, and nothing is waited for.
        """
        rules = [
            *plan.get("rules", ()),
            *(rule for one in plan.get("phases", ()) for rule in one.get("rules", ())),
        ]
        closing = [rule for rule in rules if rule.get("fault") in CLOSING]
        by_itself = plan.get("phases") or any("burst" in rule for rule in closing)
        wanted = {None} if not closing or by_itself else {rule["fault"] for rule in closing}
        was_open, self._open = self._open, not closing
        if by_itself or (was_open and self._open):
            return
        until = time.monotonic() + ANSWER_S
        while self._port_is() not in wanted:
            if time.monotonic() > until:
                raise MeasurementError("the mock's port does not open or close as it should")
            time.sleep(LOOK_EVERY_S)

    def _port_is(self) -> str | None:
        address = urlsplit(self.base_url)
        try:
            socket.create_connection(
                (address.hostname or "", address.port or 0), timeout=UNANSWERED_S
            ).close()
        except ConnectionRefusedError:
            return "refuse"
        except TimeoutError:
            return "blackhole"
        return None

    def end(self) -> None:
        """End the process: politely, then for good."""
        if self._connection is not None:
            self._connection.close()
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        with contextlib.suppress(OSError):
            self._child.stdin.close()
        try:
            self._child.wait(END_S)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        self._child.stdout.close()
        self._log.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()


class ProcessView(MockOpenAI):
    """The view that one test has of a mock process. A test begins when this is made."""

    def __init__(self, process: MockProcess, *, seed: int = 0) -> None:
        super().__init__(seed=seed)
        self._process = process
        self.base_url = process.base_url
        self.api_key = f"sk-windtunnel-{next(process.keys):06d}"
        self._began = time.monotonic()
        self._begin(self._plan(NAME))

    def _begin(self, plan: dict[str, Any]) -> None:
        self._began = time.monotonic()
        self._process.ask("PUT", "test", {"plan": plan, "key": self.api_key})
        self._process.settle_port(plan)

    def _change(self, plan: dict[str, Any]) -> None:
        self._process.ask("PUT", "plan", plan)
        self._process.settle_port(plan)

    def _rows(self) -> list[dict[str, Any]]:
        until = time.monotonic() + SETTLE_S
        while True:
            rows: list[dict[str, Any]] = self._process.ask("GET", "test")["requests"]
            waiting = any(row["ended_s"] is None and not row["abandoned"] for row in rows)
            if not waiting or time.monotonic() > until:
                return rows
            time.sleep(LOOK_EVERY_S)

    def _now_s(self) -> float:
        return time.monotonic() - self._began
