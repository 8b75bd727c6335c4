"""What a driver is: a way of making calls, as one configuration of one real client makes them.

    Profile ──build──► Instance (one copy of the application) ──call(CallSpec)──► rows to the Observer

There are two kinds. `greenlet` instances block their greenlet; `loop` instances are coroutines on the one
event loop of the process, which lives in a native thread. Both share every decision and all recording.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar
from weakref import WeakSet

from windtunnel.harness.clients.hosts import Hosts
from windtunnel.harness.clients.waiting import GeventWaiting, Waiting
from windtunnel.harness.contract.records import AttemptRow, CallRow
from windtunnel.harness.inputs.policies import LocalModel
from windtunnel.harness.inputs.profile import Profile
from windtunnel.harness.policies.call import Call, Command
from windtunnel.harness.policies.clock import Clock
from windtunnel.harness.policies.failure import Failure
from windtunnel.harness.policies.policy import PRIMARY
from windtunnel.harness.policies.watchdog import Watch

T = TypeVar("T")

CALL_HEADER = "x-windtunnel-call"
ATTEMPT_HEADER = "x-windtunnel-attempt"
SERVED_HEADER = "x-windtunnel-served"
SERVED_BEHIND_LITELLM = f"llm_provider-{SERVED_HEADER}"
"""litellm's proxy passes a provider's headers on under names of its own."""
SDK_RETRY_HEADER = "x-stainless-retry-count"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallSpec:
    """One call that is due. `body` is the request's JSON body, as one would write it for curl.

    `priority`: the class that the load gives it; None where all calls are the same.
    """

    call_id: str
    api: str
    stream: bool
    body: Mapping[str, Any]
    intended_s: float
    phase: str | None = None
    warmup: bool = False
    priority: str | None = None


class Observer:
    """Who is told of everything that happens to every call; may be called from any thread of the process.

    Each event does nothing here: an observer has those that it needs.
    """

    def call_began(self, row: CallRow) -> None:
        """The application has made a call."""

    def decided(self, call: Call, command: Command) -> None:
        """The policies have said what is done next: a try, a wait, a cancelling, the end."""

    def attempt_began(self, row: AttemptRow, watch: Watch | None) -> None:
        """A client makes an HTTP request. `watch` are the watchdogs that wait for its content."""

    def attempt_ended(self, row: AttemptRow) -> None:
        """The stream of an HTTP request is closed."""

    def content(self, call_id: str, since_s: float | None) -> None:
        """The application has received content; `since_s`: seconds after the content before, None: the first."""

    def try_ended(self, call: Call, number: int, failure: Failure | None) -> None:
        """A try is over."""

    def call_ended(self, row: CallRow, error: BaseException | None) -> None:
        """The call is over."""


class Observers(Observer):
    """Several observers, told in turn."""

    def __init__(self, *observers: Observer) -> None:
        self._observers = observers

    def call_began(self, row: CallRow) -> None:
        for one in self._observers:
            one.call_began(row)

    def decided(self, call: Call, command: Command) -> None:
        for one in self._observers:
            one.decided(call, command)

    def attempt_began(self, row: AttemptRow, watch: Watch | None) -> None:
        for one in self._observers:
            one.attempt_began(row, watch)

    def attempt_ended(self, row: AttemptRow) -> None:
        for one in self._observers:
            one.attempt_ended(row)

    def content(self, call_id: str, since_s: float | None) -> None:
        for one in self._observers:
            one.content(call_id, since_s)

    def try_ended(self, call: Call, number: int, failure: Failure | None) -> None:
        for one in self._observers:
            one.try_ended(call, number, failure)

    def call_ended(self, row: CallRow, error: BaseException | None) -> None:
        for one in self._observers:
            one.call_ended(row, error)


@dataclass(frozen=True, slots=True)
class CallTarget:
    """Where a try goes. `name` is what policies call it; `base_url` ends with `/v1`.

    `local`: to a model of the application's own, which no request is made to; it has no region.
    """

    name: str
    region: str
    model: str
    base_url: str
    local: LocalModel | None = None


@dataclass(slots=True)
class EndOfLoad:
    """When the harness ended all calls that still ran, on the cell's clock; None as long as it has not."""

    at_s: float | None = None


def _raise(error: Exception) -> None:
    raise error


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """Where an instance stands: what is the same in all of its rows, and what it needs from outside.

    `base_url` ends with `/v1`; it is that of the primary target, and `targets` are those that policies may go to
    besides. `seed` is the cell's, for the jitter of waits. `waiting` is how blocking calls wait. Into `pools` go the
    connection pools that the instance's clients turn out to have. `hosts` are names that lead to regions. `broken` is
    told why the instance can make no call any more: what is measured from then on says nothing.
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
    targets: Mapping[str, CallTarget] = field(default_factory=dict)
    clock: Clock = field(default_factory=Clock)
    waiting: Waiting = field(default_factory=GeventWaiting)
    end: EndOfLoad = field(default_factory=EndOfLoad)
    pools: WeakSet[Any] = field(default_factory=WeakSet)
    hosts: Hosts | None = None
    broken: Callable[[Exception], None] = _raise

    @property
    def primary(self) -> CallTarget:
        """Where a call goes if no policy says otherwise."""
        return CallTarget(PRIMARY, self.region, self.model, self.base_url)


class ClientsByUrl(Generic[T]):
    """The HTTP clients of one instance, one for each base URL that it calls; made when first needed."""

    def __init__(self, build: Callable[[str], T], base_url: str) -> None:
        """The client for `base_url` is made at once."""
        self._build = build
        self._clients = {base_url: build(base_url)}

    def at(self, base_url: str) -> T:
        """The client for this URL."""
        client = self._clients.get(base_url)
        if client is None:
            client = self._clients[base_url] = self._build(base_url)
        return client

    def all(self) -> list[T]:
        """Those that were made."""
        return list(self._clients.values())


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
