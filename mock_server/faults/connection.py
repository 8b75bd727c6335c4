"""Faults of the connection: never answered, reset, closed.

`reset` and `close` act at the edge (`at: before_headers`: the answer is never made) or inside the healthy
answer (`at: after_bytes N`, `at: after_chunks N`), or when somebody has waited long enough (`at: after 30s`,
`at: after_silence 30s`).
"""

from __future__ import annotations

import math
import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema

from windtunnel.mock_server.errors import PlanError
from windtunnel.mock_server.faults.base import (
    BOTH_FORMS,
    FaultContext,
    FaultKind,
    Form,
    Layer,
    Params,
    Stage,
)
from windtunnel.mock_server.faults.patience import SlotParams, limited
from windtunnel.mock_server.faults.retry import duration_of
from windtunnel.mock_server.faults.script_edits import after_bytes, after_chunks, promised
from windtunnel.mock_server.plan.units import SecondsOrForever, as_pydantic_error, parse_seconds
from windtunnel.mock_server.script import FOREVER, Abort, Close, Patience, Script, Wait

_AT = re.compile(r"\s*(after_bytes|after_chunks)\s+(\d+)\s*")
_TIMED_AT = re.compile(r"\s*(after|after_silence)\s+(\S+)\s*")
_EXPECTED = "before_headers, after_bytes N, after_chunks N, after T or after_silence T (T such as 30s)"


def _read_position(value: Any) -> str:
    """`{after_bytes: 3}` and `after_bytes 3` are the same place; the text is kept."""
    if isinstance(value, dict) and len(value) == 1:
        [(kind, n)] = value.items()
        timed = kind in ("after", "after_silence")
        if isinstance(n, str) if timed else (isinstance(n, int) and not isinstance(n, bool)):
            value = f"{kind} {n}"
    if isinstance(value, str):
        if value.strip() == "before_headers":
            return "before_headers"
        match = _AT.fullmatch(value)
        if match:
            return f"{match[1]} {int(match[2])}"
        time = _TIMED_AT.fullmatch(value)
        if time and duration_of(time[2]) is not None:
            return f"{time[1]} {time[2]}"
    raise as_pydantic_error(PlanError("", repr(value), _EXPECTED))


_AT_PATTERN = r"^\s*(before_headers|(after_bytes|after_chunks)\s+\d+|(after|after_silence)\s+\S+)\s*$"
_POSITION_SCHEMA = {
    "anyOf": [
        {"type": "string", "pattern": _AT_PATTERN},
        *(
            {
                "type": "object",
                "properties": {kind: {"type": "integer", "minimum": 0}},
                "required": [kind],
                "additionalProperties": False,
            }
            for kind in ("after_bytes", "after_chunks")
        ),
        *(
            {
                "type": "object",
                "properties": {kind: {"type": "string"}},
                "required": [kind],
                "additionalProperties": False,
            }
            for kind in ("after", "after_silence")
        ),
    ]
}

EndPosition = Annotated[str, BeforeValidator(_read_position), WithJsonSchema(_POSITION_SCHEMA)]


class EndingParams(SlotParams):
    """Where, or when, the connection ends."""

    at: EndPosition = Field(
        default="before_headers",
        description="`before_headers`, `after_bytes N` (of the body) or `after_chunks N` (of a stream); `after T`, or "
        "`after_silence T`: only where the answer takes longer, queueing included, or is silent for longer.",
    )

    @property
    def n(self) -> int | None:
        """How many bytes or chunks; None before the headers, and where a time counts."""
        return None if self.at == "before_headers" or self.timed is not None else int(self.at.split()[1])

    @property
    def timed(self) -> tuple[Patience, float] | None:
        """Which time counts, and how long it is; None where a place counts."""
        kind, _, time = self.at.partition(" ")
        if kind not in ("after", "after_silence"):
            return None
        return ("whole" if kind == "after" else "silence"), parse_seconds(time)


class HangParams(Params):
    """How long nothing happens."""

    seconds: SecondsOrForever = Field(
        default=math.inf,
        description="How long until the connection is closed; `forever` until the client leaves.",
    )


def hang(script: Script, params: HangParams, ctx: FaultContext) -> Script:
    """The request is read and nothing comes back."""
    if math.isinf(params.seconds):
        return Script((Wait(FOREVER),))
    return Script((Wait(params.seconds), Close()))


def ended(script: Script, params: EndingParams, last: Abort | Close, fault: str) -> Script:
    """Return a script that ends with `last`, where or when the parameters say; `fault` is the name of what does so."""
    if params.timed is not None:
        patience, seconds = params.timed
        return limited(script, seconds, patience, (last,), fault, params.frees_slot)
    if params.n is None:
        return Script((last,))
    whole = promised(script)
    cut = after_bytes if params.at.startswith("after_bytes ") else after_chunks
    before, _ = cut(whole, params.n)
    return Script((*before, last))


def reset(script: Script, params: EndingParams, ctx: FaultContext) -> Script:
    """The connection ends with an RST."""
    return ended(script, params, Abort(), "reset")


def close(script: Script, params: EndingParams, ctx: FaultContext) -> Script:
    """The connection ends with a FIN."""
    return ended(script, params, Close(), "close")


def ending_stage(params: EndingParams) -> Stage:
    """The stage of a fault that ends an answer: before the headers the answer is never made."""
    return "edge" if params.at == "before_headers" else "answer"


def ending_layer(params: EndingParams) -> Layer:
    """Its layer: a time counts behind everything else."""
    return "ending" if params.timed is None else "gateway"


def ending_forms(params: EndingParams) -> tuple[Form, ...]:
    """What it acts on: only a stream has chunks."""
    return ("streamed",) if params.at.startswith("after_chunks ") else BOTH_FORMS


KINDS = (
    FaultKind(
        name="hang",
        family="edge",
        stage="edge",
        params=HangParams,
        apply=hang,
        example="{fault: hang, with: {seconds: 30s}, rate: 0.05}",
        about="The connection is accepted, the request read, and no byte ever comes back. A stuck gateway.",
    ),
    FaultKind(
        name="reset",
        family="edge",
        stage="edge",
        params=EndingParams,
        apply=reset,
        layer="ending",
        example="{fault: reset, with: {at: after_bytes 200}, rate: 0.05}",
        stage_of=ending_stage,
        forms_of=ending_forms,
        layer_of=ending_layer,
        about="The connection ends with an RST. A crashed process, a firewall, an idle timeout on the way.",
    ),
    FaultKind(
        name="close",
        family="edge",
        stage="edge",
        params=EndingParams,
        apply=close,
        layer="ending",
        example="{fault: close, with: {at: before_headers}, rate: 0.05}",
        stage_of=ending_stage,
        forms_of=ending_forms,
        layer_of=ending_layer,
        about="The connection ends with a FIN before the answer is complete. A deploy, a proxy that gave up.",
    ),
)
