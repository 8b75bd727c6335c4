"""A call while it is under way: its row, its attempts, its marks of content, its watchdogs."""

from __future__ import annotations

from collections.abc import Callable

from windtunnel.harness.clients.base import CallSpec, Setting
from windtunnel.harness.clients.error_text import message_of
from windtunnel.harness.clients.handed import HandedBody
from windtunnel.harness.clients.outcome import Outcome, cut_off, outcome_of
from windtunnel.harness.clients.reading import CUT_REASONS, READINGS, Reading, UnfinishedAnswerError
from windtunnel.harness.contract.records import AttemptRow, CallRow
from windtunnel.harness.policies.call import CallEnding
from windtunnel.harness.policies.watchdog import Watch, watch_for


def _nothing() -> None:
    return None


class LiveCall:
    """One call from its start on. Used by one greenlet or task at a time.

    `keeps`: the bodies that its client receives are kept; `handed` is then the last of an answer.
    """

    __slots__ = (
        "_limited_since",
        "_reading",
        "_setting",
        "attempt",
        "call_id",
        "handed",
        "keeps",
        "place",
        "rearm",
        "row",
        "spec",
        "watch",
    )

    def __init__(self, setting: Setting, spec: CallSpec, *, waited: bool) -> None:
        now = setting.clock.now()
        self.spec = spec
        self.call_id = spec.call_id
        self.row = new_row(setting, spec)
        self.row.started_s = now
        self.row.lateness_cause = "client_limit" if waited else ""
        self.attempt: AttemptRow | None = None
        self.watch: Watch | None = watch_for(setting.profile.timeouts, now)
        self.rearm: Callable[[], None] = _nothing
        self.place: str | None = None
        self.keeps = False
        self.handed: HandedBody | None = None
        self._setting = setting
        self._reading: Reading | None = None
        self._limited_since: float | None = None

    def next_attempt(self, sdk_retry_count: int | None) -> AttemptRow:
        """Open the row of the call's next HTTP request."""
        setting, row = self._setting, self.row
        now = setting.clock.now()
        self.attempt = AttemptRow(
            call_id=self.call_id,
            attempt=row.attempts_seen,
            client=setting.client,
            instance=setting.instance,
            worker=setting.worker,
            sdk_retry_count=sdk_retry_count,
            started_s=now,
            region=setting.region,
        )
        row.attempts_seen += 1
        if self.watch is not None:
            self.watch.attempt_began(now)
            self.rearm()
        return self.attempt

    def try_began(self) -> Reading:
        """Another try: whatever an earlier one delivered is gone, as it is for the application."""
        reading = self._reading = READINGS[self.spec.api]()
        self.place = None
        self.handed = None
        row = self.row
        row.saw_done = False
        row.status = row.served_id = row.first_token_s = row.last_content_s = row.gaps_max_s = None
        if row.gaps_s:
            row.gaps_s = []
        return reading

    def pause_began(self, *, limited: bool) -> None:
        """The call waits before its next try; `limited`: because its own limiter holds it."""
        if limited:
            self._limited_since = self._setting.clock.now()

    def pause_ended(self) -> None:
        """The pause is over, or the call is."""
        if self._limited_since is not None:
            self.row.limiter_wait_s += self._setting.clock.now() - self._limited_since
            self._limited_since = None

    def asked(self) -> None:
        """The application's own code begins to ask: content is awaited from now, as nobody may see its requests."""
        if self.watch is not None:
            self.watch.attempt_began(self._setting.clock.now())
            self.rearm()

    def try_ended(self) -> None:
        """The try is over, well or not: nothing is awaited."""
        if self.watch is not None:
            self.watch.try_over()
            self.rearm()

    def check(self, reading: Reading) -> None:
        """Put the answer together, and look for its end if the profile does.

        Raises `UnfinishedAnswerError` for an answer without an end, and TypeError for pieces of a wrong type: where an
        application joins them, it fails as well.
        """
        reading.put_together()
        if not reading.complete and "end" in self._setting.profile.checks:
            raise UnfinishedAnswerError("the answer ended without a finish reason")

    def judge(self, ending: CallEnding) -> Outcome:
        """What came of the call, now that `play` has ended it."""
        reading, checks = self._reading, self._setting.profile.checks
        cut = reading is not None and reading.finish_reason in CUT_REASONS and "finish_reason" in checks
        refused = reading is not None and reading.refused and "refusal" in checks
        return outcome_of(ending, incomplete=cut or refused)

    def content(self) -> None:
        """The application has just received content."""
        now = self._setting.clock.now()
        row = self.row
        last = row.last_content_s
        if last is None:
            row.first_token_s = now
        else:
            gap = now - last
            row.gaps_s.append(gap)
            if row.gaps_max_s is None or gap > row.gaps_max_s:
                row.gaps_max_s = gap
        row.last_content_s = now
        if self.attempt is not None:
            self.attempt.last_content_s = now
        if self.watch is not None and self.watch.content(now):
            self.rearm()

    def ended(self, outcome: Outcome) -> None:
        """Close the row with what came of it, and hand it on.

        What comes of a call after the load's end is not its own doing: it is unfinished, and ended with the load.
        """
        self.pause_ended()
        row, attempt, reading = self.row, self.attempt, self._reading
        end_s = self._setting.end.at_s
        if end_s is not None:
            outcome = cut_off(outcome)
        row.ended_s = self._setting.clock.now() if end_s is None else end_s
        row.outcome = outcome.outcome
        row.error_type = outcome.error_type
        row.error_cause = outcome.error_cause
        if outcome.error is not None:
            row.error_message = message_of(outcome.error)
            row.error_place = self.place
        if attempt is not None:
            row.status = attempt.status
            row.served_id = attempt.served_id
        if reading is not None:
            row.tokens_received = reading.tokens
            row.finish_reason = _as_text(reading.finish_reason)
            row.declared_incomplete = reading.declared_incomplete
            # That a chat stream said [DONE] only the transport sees: the SDK keeps it to itself.
            if not (row.stream and row.api == "chat"):
                row.saw_done = reading.complete
            if outcome.delivered:
                row.digest = reading.digest()
        self._setting.observer.call_ended(row, outcome.error)


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
