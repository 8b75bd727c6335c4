"""A call while it is under way, and each of its tries: rows, attempts, marks of content, watchdogs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from windtunnel.harness.clients.base import CallSpec, CallTarget, Setting
from windtunnel.harness.clients.error_text import message_of
from windtunnel.harness.clients.handed import HandedBody
from windtunnel.harness.clients.outcome import Outcome, cut_off, outcome_of
from windtunnel.harness.clients.reading import (
    CHARACTERS_PER_TOKEN,
    CUT_REASONS,
    READINGS,
    Reading,
    UnfinishedAnswerError,
)
from windtunnel.harness.contract.records import AttemptRow, CallRow
from windtunnel.harness.inputs.policies import LocalModel
from windtunnel.harness.policies.call import Begin, CallEnding, Command, Policies
from windtunnel.harness.policies.failure import Failure
from windtunnel.harness.policies.watchdog import Watch, WatchdogTimeout, watch_for


def _nothing() -> None:
    return None


class LiveCall:
    """One call from its start on. Used by one greenlet or task at a time, and its tries by one each.

    `latest` is the try whose answer it has, or would have if it ended now; `keys` are those of all its tries.
    """

    __slots__ = ("_limited_since", "call_id", "keys", "latest", "machine", "row", "setting", "spec", "watch")

    def __init__(self, setting: Setting, spec: CallSpec, policies: Policies, *, waited: bool) -> None:
        now = setting.clock.now()
        self.spec = spec
        self.call_id = spec.call_id
        self.row = new_row(setting, spec)
        self.row.started_s = now
        self.row.lateness_cause = "client_limit" if waited else ""
        self.watch: Watch | None = watch_for(setting.profile.timeouts, now)
        self.machine = policies.call(
            spec.call_id,
            tokens=asked_tokens(spec.body) if policies.count_tokens else 0.0,
            priority=spec.priority,
        )
        self.setting = setting
        self.latest: LiveTry | None = None
        self.keys: set[str] = set()
        self._limited_since: float | None = None
        setting.observer.call_began(self.row)

    def new_try(self, begin: Begin, *, alone: bool) -> LiveTry:
        """Open a try. `alone`: none other of this call is under way, and none will be beside it."""
        setting = self.setting
        target = setting.targets.get(begin.target) or setting.primary
        return LiveTry(self, begin.number, target, alone=alone)

    def decided(self, commands: list[Command]) -> list[Command]:
        """Tell the observer what the machine wants, and hand it on."""
        for command in commands:
            self.setting.observer.decided(self.machine, command)
        return commands

    def try_ended(self, number: int, failure: Failure | None) -> list[Command]:
        """A try is over: what is done next."""
        self.setting.observer.try_ended(self.machine, number, failure)
        return self.decided(self.machine.ended(number, failure))

    def pause_began(self, *, limited: bool) -> None:
        """The call waits before its next try; `limited`: because its own limiter holds it."""
        if limited:
            self._limited_since = self.setting.clock.now()

    def pause_ended(self) -> None:
        """The pause is over, or the call is."""
        if self._limited_since is not None:
            self.row.limiter_wait_s += self.setting.clock.now() - self._limited_since
            self._limited_since = None

    def judge(self, ending: CallEnding) -> Outcome:
        """What came of the call, now that its machine has ended it."""
        reading = None if self.latest is None else self.latest.reading
        checks = self.setting.profile.checks
        cut = reading is not None and reading.finish_reason in CUT_REASONS and "finish_reason" in checks
        refused = reading is not None and reading.refused and "refusal" in checks
        told = reading is not None and reading.told_incomplete
        return outcome_of(ending, incomplete=cut or refused or told)

    def ended(self, outcome: Outcome) -> None:
        """Close the row with what came of it, and hand it on.

        What comes of a call after the load's end is not its own doing: it is unfinished, and ended with the load.
        """
        self.pause_ended()
        # Of a call that its machine has ended this says nothing; any other was ended from outside.
        late = isinstance(outcome.error, WatchdogTimeout)
        self.machine.cut_off(Failure("timeout", outcome.error) if late and outcome.error else None)
        row, end_s = self.row, self.setting.end.at_s
        if end_s is not None:
            outcome = cut_off(outcome)
        row.ended_s = self.setting.clock.now() if end_s is None else end_s
        row.outcome = outcome.outcome
        row.error_type = outcome.error_type
        row.error_cause = outcome.error_cause
        if outcome.error is not None:
            row.error_message = message_of(outcome.error)
        if self.latest is not None:
            self.latest.fill(row, outcome)
        self.setting.observer.call_ended(row, outcome.error)


class LiveTry:
    """One try of a call, as its driver and the recording transports see it.

    `keeps`: the bodies that its client receives are kept; `handed` is then the last of an answer. `key` is what its
    requests name in the header of calls until they are recorded. `spec` is the call as it is asked for here.
    """

    __slots__ = (
        "_setting",
        "attempt",
        "call",
        "call_id",
        "first_token_s",
        "gaps_max_s",
        "gaps_s",
        "handed",
        "keeps",
        "key",
        "last_content_s",
        "number",
        "on_first_content",
        "over",
        "place",
        "reading",
        "rearm",
        "saw_done",
        "spec",
        "target",
        "watch",
    )

    def __init__(self, call: LiveCall, number: int, target: CallTarget, *, alone: bool) -> None:
        setting = self._setting = call.setting
        self.call = call
        self.call_id = call.call_id
        self.number = number
        self.target = target
        self.key = call.call_id if alone or number == 0 else f"{call.call_id}~{number}"
        self.spec = spec_for(call.spec, self.key, target, setting)
        self.reading: Reading = READINGS[call.spec.api]()
        self.attempt: AttemptRow | None = None
        if call.latest is not None and alone and target.local is None:
            self.attempt = call.latest.attempt  # until it has its own, as for the application
        # A call's total barks at the call, also while it waits; beside other tries, a try has the rest for itself.
        alone_watch = call.watch if alone else watch_for(setting.profile.timeouts, math.inf)
        self.watch: Watch | None = alone_watch
        self.rearm: Callable[[], None] = _nothing
        self.on_first_content: Callable[[LiveTry], None] = _told
        self.place: str | None = None
        self.keeps = False
        self.handed: HandedBody | None = None
        self.saw_done = False
        self.first_token_s: float | None = None
        self.last_content_s: float | None = None
        self.gaps_max_s: float | None = None
        self.gaps_s: list[float] = []
        self.over = False
        call.latest = self
        call.keys.add(self.key)

    @property
    def row(self) -> CallRow:
        """The call's row."""
        return self.call.row

    def next_attempt(self, sdk_retry_count: int | None) -> AttemptRow:
        """Open the row of the try's next HTTP request."""
        setting, row = self._setting, self.call.row
        now = setting.clock.now()
        self.attempt = AttemptRow(
            call_id=self.call_id,
            attempt=row.attempts_seen,
            client=setting.client,
            instance=setting.instance,
            worker=setting.worker,
            sdk_retry_count=sdk_retry_count,
            started_s=now,
            region=self.target.region,
        )
        row.attempts_seen += 1
        if self.watch is not None:
            self.watch.attempt_began(now)
            self.rearm()
        setting.observer.attempt_began(self.attempt, self.watch)
        return self.attempt

    def answered(self, status: int, headers: Mapping[str, str]) -> None:
        """The head of an answer to one of its HTTP requests is here."""
        self.call.machine.answered(self.number, status, headers)

    def asked(self) -> None:
        """The application's own code begins to ask: content is awaited from now, as nobody may see its requests."""
        if self.watch is not None:
            self.watch.attempt_began(self._setting.clock.now())
            self.rearm()

    def ended(self) -> None:
        """The try is over, well or not: nothing is awaited."""
        self.over = True
        if self.watch is not None:
            self.watch.try_over()
            self.rearm()

    def check(self) -> None:
        """Put the answer together, and look for its end if the profile does.

        Raises `UnfinishedAnswerError` for an answer without an end, and TypeError for pieces of a wrong type: where an
        application joins them, it fails as well.
        """
        self.reading.put_together()
        if not self.reading.complete and "end" in self._setting.profile.checks:
            raise UnfinishedAnswerError("the answer ended without a finish reason")

    def content(self) -> None:
        """The application has just received content."""
        now = self._setting.clock.now()
        last = self.last_content_s
        if last is None:
            self.first_token_s = now
            self.on_first_content(self)
            self._setting.observer.content(self.call_id, None)
        else:
            gap = now - last
            self.gaps_s.append(gap)
            if self.gaps_max_s is None or gap > self.gaps_max_s:
                self.gaps_max_s = gap
            self._setting.observer.content(self.call_id, gap)
        self.last_content_s = now
        if self.attempt is not None:
            self.attempt.last_content_s = now
        if self.watch is not None and self.watch.content(now):
            self.rearm()

    def fill(self, row: CallRow, outcome: Outcome) -> None:
        """Say in the call's row what this try has had, as the last one, or as the one that won."""
        attempt, reading = self.attempt, self.reading
        if outcome.error is not None:
            row.error_place = self.place
        row.first_token_s, row.last_content_s = self.first_token_s, self.last_content_s
        row.gaps_max_s, row.gaps_s = self.gaps_max_s, self.gaps_s
        row.region, row.model = self.target.region, self.target.model
        if attempt is not None:
            row.region = attempt.region
            row.status = attempt.status
            row.served_id = attempt.served_id
        row.tokens_received = reading.tokens
        row.finish_reason = _as_text(reading.finish_reason)
        row.declared_incomplete = reading.declared_incomplete
        # That a chat stream said [DONE] only the transport sees: the SDK keeps it to itself.
        row.saw_done = self.saw_done if row.stream and row.api == "chat" else reading.complete
        if outcome.delivered:
            row.digest = reading.digest()


def answer_locally(one: LiveTry, model: LocalModel) -> Iterator[float]:
    """Let the application's own model answer: yields how long to wait until the next thing happens."""
    one.asked()
    yield model.first_content
    one.reading.answered_locally(model.tokens)
    if one.spec.stream:
        one.content()
        yield model.tokens / model.tokens_per_second
    else:
        yield model.tokens / model.tokens_per_second
    one.content()


def _told(one: LiveTry) -> None:
    """Tell the machine of a try's first content, where no other try is under way that it could want to cancel."""
    one.call.machine.content(one.number)


def asked_tokens(body: Mapping[str, Any]) -> float:
    """What a request may take: its prompt, at four characters a token, and the answer that it allows."""
    messages = body.get("messages") or body.get("input") or ()
    texts = [messages] if isinstance(messages, str) else messages
    characters = sum(
        len(str(one.get("content", "")) if isinstance(one, Mapping) else str(one)) for one in texts
    )
    most = (body.get(key) for key in ("max_completion_tokens", "max_tokens", "max_output_tokens"))
    return characters / CHARACTERS_PER_TOKEN + next((one for one in most if isinstance(one, int)), 0)


def spec_for(spec: CallSpec, key: str, target: CallTarget, setting: Setting) -> CallSpec:
    """The call as a try asks for it: under its own key, and with its target's model."""
    if key == spec.call_id and target.model == setting.model:
        return spec
    body = spec.body if target.model == setting.model else {**spec.body, "model": target.model}
    return replace(spec, call_id=key, body=body)


def _as_text(value: object) -> str | None:
    """A finish reason as its column holds it: a broken answer can have any JSON value there."""
    return value if value is None or isinstance(value, str) else repr(value)


def never_started(setting: Setting, spec: CallSpec) -> None:
    """Record a call that still waited for a worker of its instance when the load ended."""
    row = new_row(setting, spec)
    row.outcome = "unfinished"
    row.lateness_cause = "client_limit"
    row.ended_s = setting.clock.now() if setting.end.at_s is None else setting.end.at_s
    setting.observer.call_ended(row, None)


def new_row(setting: Setting, spec: CallSpec) -> CallRow:
    """The row of a call that has not started."""
    return CallRow(
        call_id=spec.call_id,
        client=setting.client,
        instance=setting.instance,
        worker=setting.worker,
        region=setting.region,
        model=setting.model,
        api=spec.api,
        stream=spec.stream,
        phase=spec.phase,
        warmup=spec.warmup,
        intended_s=spec.intended_s,
        wait_budget_s=setting.profile.deadline,
    )
