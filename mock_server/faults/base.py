"""What a fault is: a name, parameters, where it can act, and a pure function from script to script.

    healthy script ──► kind.apply(script, params, ctx) ──► the script that is played

A *listener* fault acts on the region's listening socket, before there is any request; a *handshake* fault on the TLS
handshake of a new connection. An *edge* fault stands in for the whole answer, before limits and slots: it is given the
empty script. An *answer* fault changes the healthy script and relies on its form alone: a head, work, sends, an end.
Several of them act in the order of `LAYERS`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

from windtunnel.mock_server.api.headers import LimitLevel
from windtunnel.mock_server.plan.model import Strict
from windtunnel.mock_server.request import APIS, STREAMING_APIS
from windtunnel.mock_server.script import Script

Family: TypeAlias = Literal["status", "edge", "stream", "body"]
Stage: TypeAlias = Literal["listener", "handshake", "edge", "answer"]
BEFORE_REQUESTS: frozenset[Stage] = frozenset({"listener", "handshake"})
"""Stages of faults that no request meets: of a port, or of a connection."""

Layer: TypeAlias = Literal["content", "events", "ending", "pace", "bytes", "gateway"]
Form: TypeAlias = Literal["streamed", "whole"]
Headers: TypeAlias = tuple[tuple[str, str], ...]

LAYERS: dict[Layer, str] = {
    "content": "what is said",
    "events": "the events, or the document, that say it",
    "ending": "where and how that ends",
    "pace": "when it comes",
    "bytes": "how its bytes are cut, spelled and sent",
    "gateway": "how long something in front of the provider waits for it",
}
"""In which order the answer faults of one request act, each on what the one before it made. Within a layer the order
of the rules counts."""

RANK: dict[Layer, int] = {layer: rank for rank, layer in enumerate(LAYERS)}

ALL_APIS: tuple[str, ...] = APIS
BOTH_FORMS: tuple[Form, ...] = ("streamed", "whole")


class Params(Strict):
    """The parameters of a fault: what stands under `with` in a rule."""


class NoParams(Params):
    """No parameters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultContext:
    """What a fault may know of the request: never the time, never a generator.

    `headers` are those of every answer, content-type included (a fault that sends another body replaces
    it). `u` is a draw in [0, 1) for this rule, call and attempt. `created` is the answer's wall clock in
    Unix seconds, for a Retry-After that is a date. `api_version` is that of a request on Azure's paths. `limits` are
    the levels of requests and of tokens that the provider has for this key, None where there is no such limit;
    `tokens` is what the request would be charged of the second one. `states_limits`: answers have headers about limits.
    """

    api: str
    model: str = ""
    stream: bool = False
    headers: Headers = ()
    u: float = 0.5
    created: float = 0.0
    api_version: str | None = None
    limits: tuple[LimitLevel | None, LimitLevel | None] = (None, None)
    tokens: int = 0
    states_limits: bool = True


Apply: TypeAlias = Callable[[Script, Any, FaultContext], Script]


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultKind:
    """One fault of the vocabulary.

    `about` says what is sent and what that stands for. `seen` is "V" where the wire form was seen verbatim
    in public, "U" where it is the plainest form of a documented status, None where there are no words to
    see. `layer` is where an answer fault acts among others, `example` a rule as it stands in a plan. `forms` are
    the kinds of answer it can act on. `stage_of` is given where the stage depends on the parameters, `forms_of`
    and `layer_of` where the forms and the layer do. `on_errors`: it acts on the answer of an edge fault, too.
    `http2`: it is said in frames of HTTP/2, and acts on no other request.
    """

    name: str
    family: Family
    stage: Stage
    params: type[Params]
    about: str
    apply: Apply
    seen: Literal["V", "U"] | None = None
    layer: Layer = "content"
    example: str = ""
    apis: tuple[str, ...] = ALL_APIS
    forms: tuple[Form, ...] = BOTH_FORMS
    stage_of: Callable[[Any], Stage] | None = None
    forms_of: Callable[[Any], tuple[Form, ...]] | None = None
    layer_of: Callable[[Any], Layer] | None = None
    on_errors: bool = False
    http2: bool = False

    def settled(self, params: Params) -> FaultKind:
        """The same kind with the stage, the forms and the layer that it has with these parameters."""
        if self.stage_of is None and self.forms_of is None and self.layer_of is None:
            return self
        return replace(
            self,
            stage=self.stage_of(params) if self.stage_of else self.stage,
            forms=self.forms_of(params) if self.forms_of else self.forms,
            layer=self.layer_of(params) if self.layer_of else self.layer,
            stage_of=None,
            forms_of=None,
            layer_of=None,
        )

    def acts_on(self, api: str, stream: bool, http2: bool = True) -> bool:
        """Whether it can act on an answer of this API, streamed or not, over HTTP/2 or not."""
        if self.http2 and not http2:
            return False
        if api not in self.apis or (stream and api not in STREAMING_APIS):
            return False
        return ("streamed" if stream else "whole") in self.forms


def with_content_type(headers: Headers, content_type: str) -> Headers:
    """`headers` with this content-type in place of whatever they say."""
    others = tuple(header for header in headers if header[0].lower() != "content-type")
    return (("content-type", content_type), *others)
