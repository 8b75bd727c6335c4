"""What a policy is: one file, one small class, and of the hooks below only those that it needs.

    call_began ─► may_begin ─► may_wait, waits ─► begins ─► answered, content … ─► after ─► may_retry ─► call_ended
                  (of a try)  (for its turn)               (an answer comes)    (try ended)     (again)

An instance of the application has one object of each of its policies. The call machine (`call.py`) asks them in the
order of the table `POLICIES`; they never wait, do no I/O, and are given the time. To add one: write its class in
a file of its own, add a part to the profile (`inputs/policies/`), and a row to `POLICIES`.

What a policy knows of one call it keeps in `call.own[self]`; what it keeps between calls, in itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from windtunnel.harness.policies.failure import Failure

GaveUp: TypeAlias = Literal["", "deadline", "budget", "shed", "breaker"]
"""What kept a call from another try. `shed` and `breaker` can keep it from its first."""

PRIMARY = ""
"""The name of the target that a call goes to when no policy says otherwise."""

HEDGE = "hedge"
"""The name of the target that hedges go to, where that is another one."""

LOCAL = "local"
"""The name of a model of the application's own: no request is made, so nothing limits, breaks or hedges it."""


@dataclass(frozen=True, slots=True)
class No:
    """No try is made there and then; `reason` is what the call's ending says if nothing else is tried."""

    reason: GaveUp


Answer: TypeAlias = float | No | None
"""What `may_begin` says: None: as far as this policy is concerned, now; seconds: a turn after so long (0: now, and it
is a turn that `waits` takes); `No`: not at all."""


@dataclass(slots=True)
class TryState:
    """One try of a call: `number` counts from 0 over all of its tries, on whatever target.

    `content_at` is the time of its first content. `hedge`: it was begun while another one was under way.
    `shadow`: it only shows whether its target answers; the application never sees it.
    """

    number: int
    target: str
    began_at: float
    content_at: float | None = None
    ended_at: float | None = None
    failure: Failure | None = None
    hedge: bool = False
    shadow: bool = False
    cancelled: bool = False


@dataclass(slots=True, eq=False)
class CallState:
    """One call as policies see it. They write to `own` alone.

    `tokens` is what its prompt and its answer may take together, as far as the request says it; `priority` the class
    that the load gives it. `failure` is that of its last try that failed. `last_wait_s` is the wait before its last
    retry, None before there is one; `retries` counts the retries that were made on the present target.
    """

    call_id: str
    began_at: float
    tokens: float = 0.0
    priority: str | None = None
    failure: Failure | None = None
    retries: int = 0
    last_wait_s: float | None = None
    tries: list[TryState] = field(default_factory=list)
    own: dict[Any, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CallEnding:
    """How a call ended: the last failure (None: it succeeded, or no try was made), and what kept it from another try.

    `winner` is the number of the try whose answer is delivered.
    """

    failure: Failure | None
    gave_up: GaveUp = ""
    winner: int | None = field(default=None, compare=False)


class Policy:
    """A policy without any hook. All times are seconds on the instance's one clock."""

    name = ""
    """Its name in the table of policies."""

    counts_tokens = False
    """Whether it reads `CallState.tokens`, which costs something for a long prompt."""

    # ---- the life of a call

    def call_began(self, call: CallState, now: float) -> None:
        """A call was made by the application."""

    def call_ended(self, call: CallState, ending: CallEnding | None, now: float) -> None:
        """It is over; None: the application itself has cancelled it. Give back what it still holds."""

    def goes_to(self, call: CallState, now: float) -> str | None:
        """The target of the call's first try; None: the primary one, as far as this policy is concerned."""

    # ---- before a try

    def may_begin(self, call: CallState, target: str, now: float) -> Answer:
        """Whether a try may begin: a question, which changes nothing. Asked again after a wait."""

    def may_wait(self, call: CallState, seconds: float, now: float) -> No | None:
        """Whether the call may wait so long before its next try: for another policy's turn, or for a retry.

        Also asked of a turn that is now (0 seconds), so that a deadline is kept to.
        """

    def waits(self, call: CallState, target: str, seconds: float, now: float) -> None:
        """All have agreed to that turn: whoever offered it in `may_begin` counts it as taken."""

    def begins(self, call: CallState, one: TryState, now: float) -> None:
        """A try begins now, and will end: with `after`, or with `called_off`."""

    # ---- during a try

    def answered(
        self, call: CallState, one: TryState, status: int, headers: Mapping[str, str], now: float, wall: float
    ) -> None:
        """The head of an answer is here, of any HTTP attempt of the try; `headers` have lower-case names."""

    def content(self, call: CallState, one: TryState, now: float) -> None:
        """Its first content is here."""

    def shadows(self, call: CallState, one: TryState, now: float) -> str | None:
        """A target that is asked the same beside this try, to see whether it answers again; None: none."""

    def wake_at(self, call: CallState, now: float) -> float | None:
        """When this policy wants to be woken while tries are under way (`wake`); None: never."""

    def wake(self, call: CallState, now: float) -> str | None:
        """That time has come: the target of another try beside those that are under way, or None."""

    # ---- after a try

    def called_off(self, call: CallState, one: TryState, now: float) -> None:
        """The try was cancelled before its end, as another one won or the call is over: it shows nothing."""

    def after(self, call: CallState, one: TryState, now: float) -> float | None:
        """A try ended (`one.failure`; None: it succeeded). Seconds until a retry on the same target; None: no retry."""

    def may_retry(self, call: CallState, one: TryState, now: float) -> No | None:
        """Whether the retry that all others agree to is made. Whoever says None has been paid for it."""

    def instead(self, call: CallState, target: str, now: float) -> str | None:
        """The target to try now that `target` was refused or given up; None: none."""

    # ---- for whoever watches

    def says(self, call: CallState, now: float) -> str:
        """Its state in a few words, such as `budget 3.20`; empty: nothing worth saying. Changes nothing."""
        return ""
