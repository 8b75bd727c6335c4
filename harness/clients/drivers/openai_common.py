"""What both OpenAI drivers share: the SDK's arguments, and how a body becomes those of a call."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from windtunnel.harness.clients.base import CALL_HEADER, CallSpec, Setting
from windtunnel.harness.clients.http_library import sdk_http
from windtunnel.harness.inputs.profile import Pool, Profile, Timeouts
from windtunnel.harness.plan import API_KEY

ARGUMENTS = frozenset(
    {"model", "messages", "input", "stream", "max_tokens", "max_completion_tokens", "max_output_tokens"}
)
"""What of a body is passed as arguments of `create`; the rest goes through `extra_body`, whatever it is."""

WARM_UP_TIMEOUT_S = 5.0


def client_arguments(setting: Setting, base_url: str) -> dict[str, Any]:
    """Arguments of `OpenAI(...)` but for its `http_client`. The SDK's own arguments go in as the profile has them."""
    profile = setting.profile
    arguments: dict[str, Any] = {"base_url": base_url, "api_key": API_KEY, **profile.sdk}
    arguments.setdefault("timeout", socket_timeouts(profile.timeouts))
    return arguments


def socket_timeouts(timeouts: Timeouts, library: Any = sdk_http) -> Any:
    """Return the `Timeout` of an HTTP library, the SDK's own by default; a layer that is not given has no limit."""
    return library.Timeout(
        connect=timeouts.connect, read=timeouts.read, write=timeouts.write, pool=timeouts.pool
    )


def limits(pool: Pool, library: Any = sdk_http) -> Any:
    """Return the `Limits` of an HTTP library, the SDK's own by default; a number that is not given has no limit."""
    return library.Limits(
        max_connections=pool.connections,
        max_keepalive_connections=pool.keepalive,
        keepalive_expiry=pool.expiry,
    )


def transport_arguments(profile: Profile, library: Any = sdk_http) -> dict[str, Any]:
    """Arguments of an `HTTPTransport` of an HTTP library, the SDK's own by default: its pool, and HTTP's version.

    Raises ImportError if HTTP/2 is asked for and the library cannot speak it: it would find out in the first call.
    """
    http2 = profile.http == "2"
    if http2 and find_spec("h2") is None:
        name = library.__name__
        raise ImportError(
            f"http: 2 needs the package h2, and it is not installed: pip install '{name}[http2]'"
        )
    # Without TLS a version cannot be agreed on, so HTTP/2 is spoken by prior knowledge: HTTP/1.1 must be off for it.
    return {"limits": limits(profile.pool, library), "http1": not http2, "http2": http2}


def call_arguments(spec: CallSpec) -> dict[str, Any]:
    """Arguments of `create` for one call, with the header that says which call it is."""
    arguments = body_arguments(spec.body)
    arguments["extra_headers"] = {CALL_HEADER: spec.call_id}
    return arguments


def body_arguments(body: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of `create` that send exactly this body."""
    arguments = {key: value for key, value in body.items() if key in ARGUMENTS}
    if len(arguments) < len(body):
        arguments["extra_body"] = {key: value for key, value in body.items() if key not in ARGUMENTS}
    return arguments
