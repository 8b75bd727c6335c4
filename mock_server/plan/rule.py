"""A rule of a plan: which fault, for whom, and when.

{fault: stall, with: {after_chunks: 3, seconds: 5s}, match: {api: chat, attempt: 0}, rate: 0.2}
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, PrivateAttr, ValidationError, model_validator

from windtunnel.mock_server.errors import PlanError, nearest
from windtunnel.mock_server.faults import FAULTS
from windtunnel.mock_server.faults.base import FaultKind, Params
from windtunnel.mock_server.plan.model import Problem, Strict, raise_located, relocated
from windtunnel.mock_server.plan.units import PositiveSeconds
from windtunnel.mock_server.request import APIS, STREAMING_APIS, Api

OK = "ok"

Probability = Annotated[float, Field(ge=0, le=1)]


class Match(Strict):
    """For whom a rule holds; what is left out matches everything."""

    api: Api | None = Field(default=None, description="The API that is called.")
    model: str | None = Field(default=None, description="The model, with `*` and `?` as wildcards.")
    region: str | None = Field(default=None, description="The region that is called.")
    stream: bool | None = Field(
        default=None, description="Streamed answers only (true), or the others only (false)."
    )
    key: str | None = Field(
        default=None,
        min_length=4,
        description="The key's hash as in the served records, or the beginning of it.",
    )
    attempt: int | None = Field(
        default=None,
        ge=0,
        le=1_000_000,
        description="The attempt of the call, as the server counts them, from 0."
        " At most 1,000,000: no call is tried more often.",
    )

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.stream and self.api is not None and self.api not in STREAMING_APIS:
            problem = PlanError(
                "", f"stream: true with api: {self.api}", f"an api that streams ({', '.join(STREAMING_APIS)})"
            )
            raise_located("Match", [(("stream",), problem)])
        return self

    def holds(self, api: str, model: str, region: str, stream: bool, key_hash: str) -> bool:
        """Whether a request matches, its attempt left aside."""
        return (
            (self.api is None or self.api == api)
            and (self.stream is None or self.stream == stream)
            and (self.region is None or self.region == region)
            and (self.key is None or key_hash.startswith(self.key))
            and (self.model is None or fnmatchcase(model, self.model))
        )


class Burst(Strict):
    """Act only in the first `for` of every `every`."""

    every: PositiveSeconds = Field(description="The period, from the start of the phase.")
    for_: PositiveSeconds = Field(alias="for", description="How long the rule acts in each period.")

    @model_validator(mode="after")
    def _shorter(self) -> Self:
        if self.for_ > self.every:
            problem = PlanError("", "a burst longer than its period", "`for` of at most `every`")
            raise_located("Burst", [(("for",), problem)])
        return self


class Ramp(Strict):
    """A probability that changes linearly with time."""

    from_: Probability = Field(alias="from", description="The probability at the start.")
    to: Probability = Field(description="The probability at the end, and after it.")
    over: PositiveSeconds | None = Field(
        default=None, description="How long the change takes; left out: the whole phase."
    )


class SequenceEntry(Strict):
    """One entry of a sequence that needs parameters."""

    fault: str = Field(description="The name of the fault.")
    with_: dict[str, Any] = Field(default={}, alias="with", description="Its parameters.")


@dataclass(frozen=True, slots=True)
class Use:
    """A fault with its parameters, ready to act."""

    kind: FaultKind
    params: Params


def _schema_of_with(schema: dict[str, Any]) -> None:
    """In the exported schema, `with` is that of the fault's own parameters."""
    schema["allOf"] = [
        {
            "if": {"properties": {"fault": {"const": name}}, "required": ["fault"]},
            "then": {"properties": {"with": kind.params.model_json_schema()}},
        }
        for name, kind in FAULTS.items()
    ]


class Rule(Strict):
    """Which fault, with which parameters, for whom and how often."""

    model_config = ConfigDict(json_schema_extra=_schema_of_with)

    fault: str | None = Field(
        default=None,
        description="The name of the fault; a sequence may name its own.",
        json_schema_extra={"enum": [*FAULTS, None]},
    )
    with_: dict[str, Any] = Field(default={}, alias="with", description="The parameters of the fault.")
    match: Match = Field(default=Match(), description="For whom the rule holds.")
    id: str | None = Field(
        default=None, min_length=1, description="What draws and records call it; left out: phase[index]."
    )
    rate: Probability | None = Field(
        default=None, description="The probability that it acts, drawn per attempt."
    )
    every: int | None = Field(
        default=None,
        ge=1,
        le=1_000_000_000,
        description="It acts on every n-th call (or request). At most 1,000,000,000: no run has more calls.",
    )
    first: int | None = Field(
        default=None,
        ge=1,
        le=1_000_000_000,
        description="It acts on the first n attempts (or requests)."
        " At most 1,000,000,000: no run has more calls.",
    )
    sequence: list[str | SequenceEntry] | None = Field(
        default=None,
        min_length=1,
        max_length=1_000,
        description="What happens to one attempt (or request) after the other: faults or `ok`; then `ok`."
        " At most 1,000: no call has more attempts.",
    )
    ramp: Ramp | None = Field(default=None, description="A probability that changes with time.")
    burst: Burst | None = Field(
        default=None, description="When it acts at all: the first part of every period."
    )
    per: Literal["call", "rule"] | None = Field(
        default=None,
        description="What first, sequence and every count: a call's attempts (every: calls), or requests.",
    )
    charge: bool = Field(
        default=False,
        description="An answer that never reaches the limits takes quota and a slot and is billed all the same.",
    )
    holds_slot: bool = Field(
        default=False, description="The slot is held for as long as the changed answer lasts."
    )
    _uses: tuple[Use | None, ...] = PrivateAttr(default=())

    @model_validator(mode="after")
    def _settle(self) -> Self:
        raise_located("Rule", list(self._shape_problems()))
        self._uses = self._settled_uses()
        raise_located("Rule", list(self._use_problems()))
        return self

    @property
    def uses(self) -> tuple[Use | None, ...]:
        """The fault, alone; or one entry for each of the sequence, None being `ok`."""
        return self._uses

    def acts_on(self, api: str, stream: bool, http2: bool = True) -> bool:
        """Whether any of its faults can act on an answer of this API, streamed or not, over HTTP/2 or not."""
        return any(use is not None and use.kind.acts_on(api, stream, http2) for use in self._uses)

    def _shape_problems(self) -> list[Problem]:
        triggers = [
            name for name in ("rate", "every", "first", "sequence", "ramp") if getattr(self, name) is not None
        ]
        problems: list[Problem] = []
        if len(triggers) > 1:
            at_most_one = "at most one of rate, every, first, sequence, ramp"
            problems.append(((triggers[1],), PlanError("", " and ".join(triggers), at_most_one)))
        if self.fault is None and self.sequence is None:
            problems.append((("fault",), PlanError("", "no fault", "a fault, or a sequence of faults")))
        if self.sequence is not None and not any(entry != OK for entry in self.sequence):
            found = PlanError("", "a sequence without a fault", "at least one fault in it")
            problems.append((("sequence",), found))
        if self.with_ and self.fault is None:
            found = PlanError("", "parameters without a fault", "`with` beside the fault they belong to")
            problems.append((("with",), found))
        return problems

    def _settled_uses(self) -> tuple[Use | None, ...]:
        if self.sequence is None:
            return (settle(self.fault or "", self.with_, ("fault",), ("with",)),)
        uses: list[Use | None] = []
        for i, entry in enumerate(self.sequence):
            if isinstance(entry, SequenceEntry):
                at = ("sequence", i)
                uses.append(settle(entry.fault, entry.with_, (*at, "fault"), (*at, "with")))
            elif entry == OK:
                uses.append(None)
            else:
                own = self.with_ if entry == self.fault else {}
                uses.append(settle(entry, own, ("sequence", i), ("with",)))
        return tuple(uses)

    def _use_problems(self) -> list[Problem]:
        uses = [use for use in self._uses if use is not None]
        listening = [use.kind.name for use in uses if use.kind.stage == "listener"]
        if listening:
            return list(self._listener_problems(listening[0]))
        shaking = [use.kind.name for use in uses if use.kind.stage == "handshake"]
        if shaking:
            return list(self._handshake_problems(shaking[0]))
        problems: list[Problem] = []
        if self.sequence is not None and self.fault not in (None, *(use.kind.name for use in uses)):
            unused = PlanError(
                "", f"{self.fault!r}, which the sequence never names", "no fault, or one of its faults"
            )
            problems.append((("fault",), unused))
        if self.charge and not any(use.kind.stage == "edge" for use in uses):
            never = PlanError(
                "", "charge on a fault of a served answer, which is charged anyway", "no `charge`"
            )
            problems.append((("charge",), never))
        if self.holds_slot and not any(use.kind.stage == "answer" for use in uses):
            never = PlanError("", "holds_slot on a fault that never takes a slot", "no `holds_slot`")
            problems.append((("holds_slot",), never))
        idle = [use.kind for use in uses if not self._acts_somewhere(use.kind)]
        if idle and not problems:
            problems.append(((), self._idle(idle[0])))
        return problems

    def _listener_problems(self, name: str) -> Iterator[Problem]:
        """A port is open or closed for everyone: such a rule has a region and times, and nothing of a request."""
        about = f"{name}, which closes a region's port before there is a request"
        narrowed = ("rate", "every", "first", "sequence", "ramp", "per", "charge", "holds_slot")
        yield from self._without_requests(about, narrowed, "`burst`, or a phase of its own")

    def _handshake_problems(self, name: str) -> Iterator[Problem]:
        """A handshake is before any request: such a rule has a region, times and a rate, drawn for each connection."""
        about = f"{name}, which acts on a TLS handshake before there is a request"
        narrowed = ("every", "first", "sequence", "ramp", "per", "charge", "holds_slot")
        yield from self._without_requests(about, narrowed, "`rate`, `burst`, or a phase of its own")

    def _without_requests(self, about: str, narrowed: Sequence[str], instead: str) -> Iterator[Problem]:
        for field in narrowed:
            if getattr(self, field) not in (None, False):
                yield (field,), PlanError("", f"{field} on {about}", instead)
        for field in Match.model_fields:
            if field != "region" and getattr(self.match, field) is not None:
                yield ("match", field), PlanError("", f"a match on {field} for {about}", "`region` alone")

    def _acts_somewhere(self, kind: FaultKind) -> bool:
        apis = APIS if self.match.api is None else (self.match.api,)
        forms = (False, True) if self.match.stream is None else (self.match.stream,)
        return any(kind.acts_on(api, stream) for api in apis for stream in forms)

    def _idle(self, kind: FaultKind) -> PlanError:
        conditions = self.match.model_dump(include={"api", "stream"}, exclude_none=True)
        match_text = ", ".join(f"{key}: {str(value).lower()}" for key, value in conditions.items())
        able = [api for api in APIS if kind.acts_on(api, True) or kind.acts_on(api, False)]
        forms = "" if len(kind.forms) > 1 else f", {kind.forms[0]} answers only"
        found = f"{kind.name} with the match {{{match_text}}}, on which it can never act"
        return PlanError("", found, f"a match within {', '.join(able)}{forms}")


def settle(
    name: str, with_: dict[str, Any], at: tuple[str | int, ...], params_at: tuple[str | int, ...]
) -> Use:
    """The fault `name` with its parameters validated. Errors are located at `at` and below `params_at`."""
    kind = FAULTS.get(name)
    if kind is None:
        unknown = PlanError("", f"the unknown fault {name!r}", nearest(name, FAULTS, what="fault"))
        raise_located("Rule", [(at, unknown)])
        raise AssertionError("raise_located raises")
    try:
        params = kind.params.model_validate(with_)
    except ValidationError as error:
        raise ValidationError.from_exception_data(
            name, relocated(params_at, error.errors(include_url=False))
        ) from None
    return Use(kind.settled(params), params)
