"""Faults of a TLS handshake: what a region shows to a new connection, or that it shows nothing.

These act on a connection, before there is a request on it. A rule with one of them is narrowed by its region, by time
(its phase, `burst`) and by `rate`, drawn for each connection; it has no script: the transports act on it. A connection
that is open does not meet it, so clients that keep their connections notice it late.
"""

from __future__ import annotations

from pydantic import Field

from windtunnel.mock_server.faults.base import FaultContext, FaultKind, NoParams, Params
from windtunnel.mock_server.plan.units import PositiveSeconds
from windtunnel.mock_server.script import Script


class HandshakeStallParams(Params):
    """How long the server says nothing."""

    seconds: PositiveSeconds | None = Field(
        default=None,
        description="Silence from connecting on; then the handshake goes on. Left out: until the client leaves.",
    )


def no_answer(script: Script, params: Params, ctx: FaultContext) -> Script:
    """Answers stay as they are."""
    return script


def _kind(name: str, about: str, params: type[Params] = NoParams, example: str = "") -> FaultKind:
    return FaultKind(
        name=name,
        family="edge",
        stage="handshake",
        params=params,
        apply=no_answer,
        apis=(),
        example=example or f"{{fault: {name}, rate: 0.2}}",
        about=about,
    )


KINDS = (
    _kind(
        "tls_expired",
        "The certificate ended in 2025. A renewal that failed, or one that was never loaded.",
        example="{fault: tls_expired, match: {region: local}, burst: {every: 60s, for: 20s}}",
    ),
    _kind(
        "tls_wrong_host",
        "The certificate is valid, and for another name. A load balancer with the default certificate, a wrong SNI.",
    ),
    _kind(
        "tls_untrusted",
        "The certificate is of an authority that no client knows. A proxy that opens TLS, a missing CA bundle.",
    ),
    _kind(
        "tls_incomplete_chain",
        "The intermediate certificate is missing: browsers fetch it, HTTP libraries do not. A half-done renewal.",
    ),
    _kind(
        "tls_old_protocol",
        "The server speaks nothing newer than TLS 1.1 (forbidden by RFC 8996). An appliance that nobody updates.",
    ),
    _kind(
        "tls_handshake_stall",
        "The connection is accepted, and the client's hello is never answered. A process that hangs, a middlebox.",
        HandshakeStallParams,
        "{fault: tls_handshake_stall, with: {seconds: 20s}, rate: 0.1}",
    ),
)
