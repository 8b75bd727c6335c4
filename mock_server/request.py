"""One request as the engine sees it: already parsed, already checked, with no trace of the transport in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, get_args

from windtunnel.mock_server.script import Script

Api: TypeAlias = Literal[
    "chat",
    "responses",
    "completions",
    "embeddings",
    "moderations",
    "images",
    "speech",
    "transcriptions",
    "models",
    "stored",
    "conversations",
    "files",
    "uploads",
    "batches",
]
"""Families of endpoints. `stored` is everything done with a chat completion or response that exists already."""

APIS: tuple[Api, ...] = get_args(Api)

STREAMING_APIS: tuple[Api, ...] = (
    "chat",
    "responses",
    "completions",
    "images",
    "speech",
    "transcriptions",
    "stored",
)
"""What can be asked for as a stream; `stored` because a response's stream can be resumed."""

WORKING_APIS: tuple[Api, ...] = (
    "chat",
    "responses",
    "completions",
    "embeddings",
    "moderations",
    "images",
    "speech",
    "transcriptions",
)
"""What takes quota and a slot; the others are book-keeping."""


GENERATING_APIS: tuple[Api, ...] = ("chat", "responses", "completions")
"""Whose output is billed by the token."""


@dataclass(frozen=True, slots=True)
class FormPart:
    """A file in a multipart form: its name and type as the client gave them, and its bytes."""

    filename: str
    content_type: str
    data: bytes


@dataclass(frozen=True, slots=True)
class AzureCall:
    """A request that came in on one of Azure's paths: the deployment that it names (None on `/openai/v1/`), the
    `api-version` of its query (`v1` below `/openai/v1/`, None if it is missing) and `x-ms-client-request-id`."""

    deployment: str | None
    version: str | None
    client_request_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One parsed HTTP request: what it asks for, and its identity.

    Identity: `call_id` is the call that the client names (`x-windtunnel-call`), or None. `client_attempt`
    (`x-windtunnel-attempt`) and `sdk_retry_count` (`x-stainless-retry-count`) are recorded and decide nothing
    about a named call. `key_hash` stands for the API key, which is never kept. `body_hash` is a digest of
    the body's bytes. `step` is the step of its call that the client declares (`x-windtunnel-step`).

    Size: `prompt_tokens` is an estimate of the input, `max_tokens` the client's limit *per choice*.

    `http2`: it came in as a stream of HTTP/2, and can be answered with what only that can say.

    `fault_header` is the value of `x-windtunnel-fault`. `problem` is the error answer that the API has
    already decided on (401, 404, 400 …); a request with a problem takes no quota and no slot.

    `endpoint` is the name of the endpoint in `api.endpoints`, `ids` what its path named, in order, `query` the last
    value of every query parameter, `parts` the files of a multipart form (whose other fields are the `body`). With
    `unknown_ids` an id that names nothing gets an object that is made up.
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
    step: int | None = None
    sdk_retry_count: int | None = None
    user_agent: str | None = None
    sdk_version: str | None = None
    fault_header: str | None = None
    problem: Script | None = None
    endpoint: str = ""
    ids: tuple[str, ...] = ()
    query: Mapping[str, str] = field(default_factory=dict)
    parts: Mapping[str, tuple[FormPart, ...]] = field(default_factory=dict)
    idempotency_key: str | None = None
    unknown_ids: bool = False
    azure: AzureCall | None = None
    http2: bool = False
