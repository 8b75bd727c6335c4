"""Faults of the connection: never answered, reset, closed.

`reset` and `close` act at the edge (`at: before_headers`: the answer is never made) or inside the healthy
answer (`at: after_bytes N`, `at: after_chunks N`).
"""

from __future__ import annotations

import math
import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema

from windtunnel.mock_server.errors import PlanError
from windtunnel.mock_server.faults.base import BOTH_FORMS, FaultContext, FaultKind, Form, Params, Stage
from windtunnel.mock_server.faults.script_edits import after_bytes, after_chunks, promised
from windtunnel.mock_server.plan.units import SecondsOrForever, as_pydantic_error
from windtunnel.mock_server.script import FOREVER, Abort, Close, Script, Wait

_AT = re.compile(r"\s*(after_bytes|after_chunks)\s+(\d+)\s*")
_EXPECTED = "before_headers, after_bytes N or after_chunks N"


def _read_position(value: Any) -> str:
    """`{after_bytes: 3}` and `after_bytes 3` are the same place; the text is kept."""
    if isinstance(value, dict) and len(value) == 1:
        [(kind, n)] = value.items()
        if isinstance(n, int) and not isinstance(n, bool):
            value = f"{kind} {n}"
    if isinstance(value, str):
        if value.strip() == "before_headers":
            return "before_headers"
        match = _AT.fullmatch(value)
        if match:
            return f"{match[1]} {int(match[2])}"
    raise as_pydantic_error(PlanError("", repr(value), _EXPECTED))


_POSITION_SCHEMA = {
    "anyOf": [
        {"type": "string", "pattern": r"^\s*(before_headers|(after_bytes|after_chunks)\s+\d+)\s*$"},
        *(
            {
                "type": "object",
                "properties": {kind: {"type": "integer", "minimum": 0}},
                "required": [kind],
                "additionalProperties": False,
            }
            for kind in ("after_bytes", "after_chunks")
        ),
    ]
}

EndPosition = Annotated[str, BeforeValidator(_read_position), WithJsonSchema(_POSITION_SCHEMA)]


class EndingParams(Params):
    """Where the connection ends."""

    at: EndPosition = Field(
        default="before_headers",
        description="`before_headers`, `after_bytes N` (of the body) or `after_chunks N` (of a stream).",
    )

    @property
    def n(self) -> int | None:
        """How many bytes or chunks; None before the headers."""
        return None if self.at == "before_headers" else int(self.at.split()[1])


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


def _ended(script: Script, params: EndingParams, last: Abort | Close) -> Script:
    if params.n is None:
        return Script((last,))
    whole = promised(script)
    cut = after_bytes if params.at.startswith("after_bytes") else after_chunks
    before, _ = cut(whole, params.n)
    return Script((*before, last))


def reset(script: Script, params: EndingParams, ctx: FaultContext) -> Script:
    """The connection ends with an RST."""
    return _ended(script, params, Abort())


def close(script: Script, params: EndingParams, ctx: FaultContext) -> Script:
    """The connection ends with a FIN."""
    return _ended(script, params, Close())


def _stage(params: EndingParams) -> Stage:
    return "edge" if params.n is None else "answer"


def _forms(params: EndingParams) -> tuple[Form, ...]:
    return ("streamed",) if params.at.startswith("after_chunks") else BOTH_FORMS


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
        stage_of=_stage,
        forms_of=_forms,
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
        stage_of=_stage,
        forms_of=_forms,
        about="The connection ends with a FIN before the answer is complete. A deploy, a proxy that gave up.",
    ),
)
