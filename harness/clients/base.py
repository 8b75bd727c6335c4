"""What a driver is: a way of making calls, as one configuration of one real client makes them.

    Profile ──build──► Instance (one copy of the application) ──call(CallSpec)──► rows to the Observer

There are two kinds. `greenlet` instances block their greenlet; `loop` instances are coroutines on the one
event loop of the process, which lives in a native thread. Both share every decision and all recording.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol
from weakref import WeakSet

from windtunnel.harness.clients.waiting import GeventWaiting, Waiting
from windtunnel.harness.contract.records import AttemptRow, CallRow
from windtunnel.harness.inputs.profile import Profile
from windtunnel.harness.policies.clock import Clock

CALL_HEADER = "x-windtunnel-call"
ATTEMPT_HEADER = "x-windtunnel-attempt"
SERVED_HEADER = "x-windtunnel-served"
SDK_RETRY_HEADER = "x-stainless-retry-count"
API_KEY = "sk-windtunnel"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallSpec:
    """One call that is due. `body` is the request's JSON body, as one would write it for curl."""

    call_id: str
    api: str
    stream: bool
    body: Mapping[str, Any]
    intended_s: float
    phase: str | None = None
    warmup: bool = False


class Observer(Protocol):
    """Who is told of every call and attempt that ended; may be called from any thread of the process."""

    def call_ended(self, row: CallRow, error: BaseException | None) -> None: ...

    def attempt_ended(self, row: AttemptRow) -> None: ...


@dataclass(slots=True)
class EndOfLoad:
    """When the harness ended all calls that still ran, on the cell's clock; None as long as it has not."""

    at_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """Where an instance stands: what is the same in all of its rows, and what it needs from outside.

    `base_url` ends with `/v1`. `seed` is the cell's, for the jitter of waits. `waiting` is how blocking calls wait.
    Into `pools` go the connection pools that the instance's clients turn out to have.
    """

    profile: Profile
    client: str
    instance: int
    worker: int
    region: str
    model: str
    base_url: str
    seed: int
    observer: Observer
    clock: Clock = field(default_factory=Clock)
    waiting: Waiting = field(default_factory=GeventWaiting)
    end: EndOfLoad = field(default_factory=EndOfLoad)
    pools: WeakSet[Any] = field(default_factory=WeakSet)


class GreenletInstance(Protocol):
    """One copy of the application with a blocking client."""

    def warm_up(self, spec: CallSpec) -> None:
        """Make the call once around all policies and records; its outcome does not matter."""

    def call(self, spec: CallSpec, *, waited: bool = False) -> None:
        """Make the call; it is recorded however it ends. `waited`: the client's own limit held it back."""

    def close(self) -> None: ...


class LoopInstance(Protocol):
    """One copy of the application with an async client; built and used on the loop alone."""

    async def warm_up(self, spec: CallSpec) -> None: ...

    async def call(self, spec: CallSpec, *, waited: bool = False) -> None: ...

    async def close(self) -> None: ...
