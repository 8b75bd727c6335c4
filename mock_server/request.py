"""One request as the engine sees it: already parsed, already checked, with no trace of the transport in it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from mock_server.script import Script

Api: TypeAlias = Literal["chat", "responses", "embeddings", "models"]

APIS: tuple[Api, ...] = ("chat", "responses", "embeddings", "models")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What one HTTP request asks for, and what it says about itself.

    Identity: `call_id` is the call that the client names (`x-windtunnel-call`), or None. `client_attempt`
    (`x-windtunnel-attempt`) and `sdk_retry_count` (`x-stainless-retry-count`) are recorded and decide nothing
    about a named call. `key_hash` stands for the API key, which is never kept. `body_hash` is a digest of
    the body's bytes.

    Size: `prompt_tokens` is an estimate of the input, `max_tokens` the client's limit *per choice*.

    `fault_header` is the value of `x-windtunnel-fault`. `problem` is the error answer that the API has
    already decided on (401, 404, 400 …); a request with a problem takes no quota and no slot.
    """

    api: Api
    model: str
    region: str
    stream: bool
    key_hash: str
    body_hash: str
    prompt_tokens: int
    call_id: str | None = None
    body: dict[str, Any] = field(default_factory=dict)
    max_tokens: int | None = None
    client_attempt: int | None = None
    sdk_retry_count: int | None = None
    user_agent: str | None = None
    sdk_version: str | None = None
    fault_header: str | None = None
    problem: Script | None = None
