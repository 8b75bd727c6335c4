"""A client that is a program of its own, in any language: `driver: exec`, `command: [...]`.

It reads calls as lines on stdin, and writes on stdout what became of them (`exec_protocol.py`). All times are those at
which its lines are written and read here: its own clock is never asked. Its HTTP requests are seen by the server
alone, so the table of attempts has no row of them: what the server recorded is what reports count.
"""

from __future__ import annotations

import contextlib
import json
import math
import sys
from dataclasses import replace

import gevent

from windtunnel.harness.clients.base import CALL_HEADER, CallSpec, Setting
from windtunnel.harness.clients.call import LiveTry
from windtunnel.harness.clients.drivers.exec_pool import InHand, Programs
from windtunnel.harness.clients.drivers.exec_protocol import FAILURES, CallEnded, Progress, call_line
from windtunnel.harness.clients.drivers.openai_common import WARM_UP_TIMEOUT_S
from windtunnel.harness.clients.drivers.python_call import TEXT
from windtunnel.harness.clients.greenlet_shell import GreenletShell
from windtunnel.harness.clients.outcome import ToldError
from windtunnel.harness.clients.reading import READINGS, JsonAnswer, Reading
from windtunnel.harness.clients.recording.httpx2 import Book
from windtunnel.harness.contract.files import UNUSABLE
from windtunnel.harness.environments.interpreter import InterpreterError
from windtunnel.harness.errors import MeasurementError
from windtunnel.harness.inputs.program import program_of
from windtunnel.harness.inputs.target import in_environment
from windtunnel.harness.plan import API_KEY


class ExecClient:
    """One copy of an application that is a program, or several processes of it."""

    warm_up_timeout_s = 80.0
    """A program may take long until it is ready: some import for seconds."""

    def __init__(self, setting: Setting) -> None:
        profile = setting.profile
        try:
            program = program_of(profile)
        except InterpreterError as error:
            raise error.told(f"the client {profile.name}", "command") from error
        variables = {**in_environment(setting.base_url, API_KEY), **program.variables}
        self._setting = setting
        self._pool = Programs(
            replace(program, variables=variables),
            name=f"{setting.client} #{setting.instance}",
            workers=profile.workers or 1,
            failed=setting.broken,
        )
        self.call = GreenletShell(setting, Book(setting), self._request).call

    def warm_up(self, spec: CallSpec) -> None:
        """Wait until the program is ready, and have it make the call."""
        try:
            self._pool.wait_until_ready()
        except MeasurementError as error:
            told = {"path": "command", "found": str(error), "expected": "a program that says it is ready"}
            print(f"\n{UNUSABLE}{json.dumps(told)}", file=sys.stderr, flush=True)
            raise
        quiet = InHand(lambda _: None)
        with gevent.Timeout(WARM_UP_TIMEOUT_S, exception=False), contextlib.suppress(ToldError):
            self._ask(spec, quiet, {})

    def close(self) -> None:
        self._pool.close()

    def _request(self, spec: CallSpec, live: LiveTry, reading: Reading) -> None:
        watcher = _Watcher(spec.api, live, reading)
        headers = {CALL_HEADER: live.call_id}
        try:
            ended = self._ask(spec, InHand(watcher.progress), headers, live)
        except ToldError:
            reading.opened = False  # it is the program that broke, not the answer
            raise
        watcher.ended(ended)

    def _ask(
        self, spec: CallSpec, in_hand: InHand, headers: dict[str, str], live: LiveTry | None = None
    ) -> CallEnded:
        worker = self._pool.worker()
        call_id = self._pool.unused(spec.call_id)
        line = call_line(
            spec,
            call_id,
            base_url=self._setting.base_url if live is None else live.target.base_url,
            api_key=API_KEY,
            headers=headers,
            deadline_s=self._left(live),
        )
        worker.take(call_id, line, in_hand)
        if live is not None:
            live.asked()
        try:
            ended: CallEnded = in_hand.ended.get()
            return ended
        finally:
            worker.leave(call_id, over=self._setting.end.at_s is not None)

    def _left(self, live: LiveTry | None) -> float | None:
        """Seconds that the profile still allows the call, over all its tries."""
        if live is None or live.watch is None or math.isinf(live.watch.ends_at):
            return None
        return max(0.0, live.watch.ends_at - self._setting.clock.now())


class _Watcher:
    """Puts what a program tells of a call into its row and its reading."""

    def __init__(self, api: str, live: LiveTry, reading: Reading) -> None:
        self._api = api
        self._live = live
        self._reading = reading
        self._heard = False

    def progress(self, message: Progress) -> None:
        """Note content, at the time at which its line is read."""
        if message.event == "started":
            return
        self._live.content()
        self._reading.opened = True
        if message.text and self._api in TEXT:
            self._reading.take(TEXT[self._api][0](message.text))
            self._heard = True

    def ended(self, ended: CallEnded) -> None:
        """Take over what the program has in hand. Raises ToldError for a call that failed."""
        live, reading = self._live, self._reading
        live.row.status = ended.status
        if ended.outcome in FAILURES:
            raise ToldError(
                ended.outcome,
                ended.error_type or "Error",
                ended.error_message or "",
                cause=ended.error_cause,
                status=ended.status,
                headers=ended.headers,
            )
        if live.first_token_s is None:
            live.content()
        reading.opened = True
        self._read(ended, reading)
        reading.told_incomplete = ended.outcome == "incomplete"

    def _read(self, ended: CallEnded, reading: Reading) -> None:
        if ended.answer is not None:
            whole = READINGS[self._api]()
            whole.whole(ended.answer)
            reading.become(whole)
        elif ended.digest is not None:
            reading.with_digest(ended.digest)
            reading.finish_reason, reading.complete = ended.finish_reason, True
        elif self._api in TEXT and (ended.text is not None or self._heard):
            if ended.text is not None:
                whole = READINGS[self._api]()
                whole.take(TEXT[self._api][0](ended.text))
                reading.become(whole)
            if ended.finish_reason is not None:
                reading.take(_end(self._api, ended.finish_reason))
        else:
            reading.comparable, reading.complete = False, True  # nobody can say what it has
        reading.opened = True


def _end(api: str, reason: str) -> JsonAnswer:
    """The event that ends an answer of text."""
    if api == "chat":
        return JsonAnswer(choices=[JsonAnswer(index=0, delta=JsonAnswer(), finish_reason=reason)])
    if reason == "stop":
        return JsonAnswer(type="response.completed", response=JsonAnswer(status="completed"))
    details = JsonAnswer(reason="max_output_tokens" if reason == "length" else reason)
    response = JsonAnswer(status="incomplete", incomplete_details=details)
    return JsonAnswer(type="response.incomplete", response=response)
