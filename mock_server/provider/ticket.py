"""The ticket: one request on its way through the provider."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from windtunnel.mock_server.provider.calls import KnownCall
from windtunnel.mock_server.request import GENERATING_APIS, WORKING_APIS, Request
from windtunnel.mock_server.rules import NO_FAULTS, Chosen
from windtunnel.mock_server.script import Script

if TYPE_CHECKING:
    from windtunnel.mock_server.api.endpoint import Answer, World
    from windtunnel.mock_server.provider.idempotency import IdempotencyEntry
    from windtunnel.mock_server.provider.rate_limiter import Quota
    from windtunnel.mock_server.provider.regions import RegionState
    from windtunnel.mock_server.provider.work_clock import TokenProgress
    from windtunnel.mock_server.provider.work_handle import TicketHandle

State: TypeAlias = Literal["identified", "refused", "queued", "granted", "running", "ended", "gone"]
"""
    identified ─► refused                        (its script is set, it took nothing)
               ─► queued ─► granted ─► running ─► ended
               ─► granted          (a slot is kept for it: call `start` at once)
    identified, queued or granted ─► gone         (its client left, or it was cancelled: nothing more happens)
"""


class Ticket:
    """The engine's state of one request, and the source of its served record.

    Times are seconds from t0. `queue_depth` and `in_flight` are the region's at admission, this request left
    out. `done` is set by the player: the answer is complete for the client, who may leave now.

    `early` is set at admission where the client gets an answer at once, however the work goes on. `executed` says
    that the request's effect has happened, or is happening. A `replay` repeats the answer of an earlier request and
    does no work; until that one has its slot the replay `follows` it, and is among its `followers`. `awaited` says
    that a replay needs the answer, so the work goes on when the first client leaves. `handle` and `idempotency` are
    notified when the work is over.
    """

    __slots__ = (
        "abandoned",
        "abandoned_at_s",
        "admitted_s",
        "answer",
        "arrived_s",
        "attempt",
        "awaited",
        "call",
        "came_back_early",
        "charged_tokens",
        "chosen",
        "done",
        "early",
        "executed",
        "fault_hold_s",
        "faults",
        "followers",
        "follows",
        "generates",
        "handle",
        "idempotency",
        "identity_certainty",
        "in_flight",
        "next_content_s",
        "phase",
        "plan",
        "prepared",
        "progress",
        "prompt_tokens",
        "prompt_tokens_billed",
        "queue_depth",
        "quota",
        "region",
        "replay",
        "request",
        "retry_after_promised_s",
        "rtt_s",
        "script",
        "slot_ends_s",
        "started_s",
        "state",
        "status",
        "takes_slot",
        "tokens_billed",
        "tokens_planned",
        "tokens_when_left",
        "truth_digest",
        "world",
    )

    def __init__(
        self,
        request: Request,
        call: KnownCall,
        attempt: int,
        region: RegionState,
        phase: int,
        rtt_s: float,
        now: float,
        plan: str = "",
        identity_certainty: float = 1.0,
    ) -> None:
        self.request = request
        self.call = call
        self.attempt = attempt
        self.identity_certainty = identity_certainty
        self.region = region
        self.phase = phase
        self.plan = plan
        self.rtt_s = rtt_s
        self.arrived_s = now
        self.admitted_s = now  # half a round trip later, where there is one
        self.started_s: float | None = None
        self.state: State = "identified"
        self.script: Script | None = None
        self.status: int | None = None
        self.faults: tuple[str, ...] = ()
        self.truth_digest: str | None = None
        self.tokens_planned = 0
        self.prompt_tokens = request.prompt_tokens
        self.tokens_billed = 0
        self.prompt_tokens_billed = 0
        self.abandoned = False
        self.abandoned_at_s: float | None = None
        self.tokens_when_left: int | None = None
        self.next_content_s: float | None = None
        self.queue_depth = 0
        self.in_flight = 0
        self.retry_after_promised_s: float | None = None
        self.came_back_early = False
        self.done = False
        self.chosen: Chosen = NO_FAULTS
        self.answer: Answer | None = None
        self.prepared: Any = None  # what the endpoint's `prepare` has made
        self.world: World | None = None  # what the answer is made from, once it was needed
        self.quota: Quota | None = None
        self.charged_tokens = 0
        self.takes_slot = request.api in WORKING_APIS
        self.generates = request.api in GENERATING_APIS  # what it generates is billed as output
        self.progress: TokenProgress | None = None  # of the answer, once started in a slot
        self.fault_hold_s = 0.0  # how long faults keep the slot after the healthy answer is over
        self.slot_ends_s = math.inf  # when, as the schedule has noted it; infinite while it has not
        self.early: Script | None = None
        self.executed = False
        self.replay = False
        self.follows: Ticket | None = None
        self.followers: tuple[Ticket, ...] = ()
        self.awaited = False
        self.handle: TicketHandle | None = None
        self.idempotency: IdempotencyEntry | None = None

    def slot_end(self) -> float:
        """Return when the slot of a started ticket is free, at the present speed; `inf` if only leaving frees it.

        That is the end of the *healthy* answer, and of what faults with `holds_slot` add.
        """
        return self.region.healthy_end(self) + self.fault_hold_s

    @property
    def detached(self) -> bool:
        """Whether the work goes on without its client, whatever the region does with abandoned requests."""
        answer = self.answer
        return self.awaited or (answer is not None and (answer.background or answer.early is not None))

    @property
    def call_id(self) -> str:
        """The client's call id, or the inferred one."""
        return self.call.call_id

    @property
    def identity(self) -> Literal["header", "inferred"]:
        """Whether the call id comes from a header or was inferred."""
        return "inferred" if self.call.inferred else "header"
