"""A region's rules for connections: how long an idle one lasts, how many there may be, what becomes of one too many."""

from __future__ import annotations

from typing import Literal, Self, TypeAlias

from pydantic import Field, model_validator

from windtunnel.mock_server.errors import PlanError
from windtunnel.mock_server.plan.model import Strict, raise_located
from windtunnel.mock_server.plan.units import PositiveSeconds

IdleEnd: TypeAlias = Literal["close", "reset", "silent"]
"""What becomes of a connection that was idle for too long; see `ConnectionRules.expiry`."""

WhenFull: TypeAlias = Literal["reset", "busy", "wait"]
"""What becomes of a connection beyond `most`; see `ConnectionRules.when_full`."""


class ConnectionRules(Strict):
    """What a region does with connections, whatever is asked on them."""

    idle: PositiveSeconds | None = Field(
        default=None,
        description="A connection without a request for so long is ended; left out: never. Half a round trip passes "
        "before its client knows.",
    )
    expiry: IdleEnd = Field(
        default="close",
        description="close: by a FIN, as web servers do; reset: nobody is told, and what comes next is answered by an "
        "RST, as by a load balancer that has forgotten the connection; silent: nobody is told, and what comes next is "
        "never answered, as behind a NAT or after a power cut (a half-open connection).",
    )
    announce: bool = Field(
        default=False, description="Say `keep-alive: timeout=<idle>` in every answer (HTTP/1.1)."
    )
    requests: int | None = Field(
        default=None,
        ge=1,
        le=1_000_000,
        description="Requests on one connection: the answer to the last one says `connection: close` (HTTP/1.1); left "
        "out: any number. At most 1,000,000: as good as any number.",
    )
    most: int | None = Field(
        default=None,
        ge=1,
        le=1_000_000,
        description="Connections that are open at once; left out: any number."
        " At most 1,000,000: more than any machine has.",
    )
    when_full: WhenFull = Field(
        default="reset",
        description="What one more gets. reset: an RST once it is connected; busy: a 503 to its first request, and "
        "the end; wait: it is connected, as by the kernel in its backlog, and served once another one has gone.",
    )

    @model_validator(mode="after")
    def _have_effect(self) -> Self:
        """Refuse what would do nothing."""
        problems = []
        if self.idle is None and (self.announce or self.expiry != "close"):
            key = "announce" if self.announce else "expiry"
            found = f"{key} without idle"
            problems.append(((key,), PlanError("", found, "idle, the time after which a connection ends")))
        if self.idle is not None and self.announce and self.idle < 1:
            found = f"an idle of {self.idle:g} s that is announced"
            problems.append((("announce",), PlanError("", found, "1s at least: it is told in whole seconds")))
        if self.most is None and self.when_full != "reset":
            problems.append((("when_full",), PlanError("", "when_full without most", "most, the limit")))
        raise_located(type(self).__name__, problems)
        return self
