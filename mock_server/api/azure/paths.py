"""Azure OpenAI: translate its paths into the API's own, and the API's answers into Azure's form.

    /openai/deployments/NAME/chat/completions?api-version=V ──translate──► /v1/chat/completions, of deployment NAME
    the engine's Script, faults included ──dress──► the same with Azure's headers and error forms

Headers are those of public logs: a GUID as `x-request-id` and another as `apim-request-id`, `x-ms-*`, limits without
resets (a 429 states them in whole seconds), none of OpenAI's own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from hashlib import blake2b
from typing import Final
from urllib.parse import unquote

from windtunnel.mock_server.api.azure.errors import azure_error
from windtunnel.mock_server.api.azure.filters import blamed
from windtunnel.mock_server.api.headers import Headers
from windtunnel.mock_server.request import AzureCall, Request
from windtunnel.mock_server.script import Head, Script, Send, Step, TimeLimit

REGIONS: Final = {"local": "East US", "us-east": "East US", "us-west": "West US", "eu-west": "West Europe"}
"""How Azure writes the names of regions; any other name is sent as it is."""

_ALWAYS: Final = (
    ("strict-transport-security", "max-age=31536000; includeSubDomains; preload"),
    ("x-content-type-options", "nosniff"),
)


def translate(
    route: str, query: Mapping[str, str], client_request_id: str | None = None
) -> tuple[str, AzureCall]:
    """Translate a path below `/openai/` into one below `/v1/`, and return what only Azure's form holds.

    `/openai/deployments/NAME/chat/completions` is `/v1/chat/completions` of deployment NAME. The `api-version` may
    be left out below `/openai/v1/` only.
    """
    rest = route.removeprefix("/openai/")
    version = query.get("api-version") or None
    if rest.startswith("deployments/"):
        name, _, below = rest.removeprefix("deployments/").partition("/")
        return f"/v1/{below}", AzureCall(unquote(name), version, client_request_id)
    if rest.startswith("v1/"):
        return f"/{rest}", AzureCall(None, version or "v1", client_request_id)
    return f"/v1/{rest}", AzureCall(None, version, client_request_id)


def dress(script: Script, request: Request) -> Script:
    """Return the answer to `request` in Azure's form. Pages of gateways before the API stay as they are."""
    if request.azure is None:
        return script

    def dress_limit(step: Step) -> tuple[Step, ...]:
        if isinstance(step, TimeLimit):
            return (replace(step, steps=dress(Script(step.steps), request).steps),)
        return (step,)

    script = script.map_steps(dress_limit)
    heads = [step for step in script.steps if isinstance(step, Head)]
    if not heads:
        return script
    head = heads[0]
    given = {name.lower(): value for name, value in head.headers}
    if "x-request-id" not in given and "apim-request-id" not in given:
        return script
    status, steps = head.status, script.steps
    if status >= 400:
        status, steps = _error(head, given, request, steps)
    elif status == 200:
        steps = tuple([blamed(step) if isinstance(step, Send) else step for step in steps])
    dressed = replace(head, status=status, headers=_headers(status, head.headers, given, request))
    return Script(tuple([dressed if step is head else step for step in steps]))


def _error(
    head: Head, given: Mapping[str, str], request: Request, steps: tuple[Step, ...]
) -> tuple[int, tuple[Step, ...]]:
    """Return an error that comes in one piece in Azure's form; any other script as it is."""
    sends = [step for step in steps if isinstance(step, Send)]
    if len(sends) != 1 or head.content_length is not None:
        return head.status, steps
    status, body = azure_error(head.status, sends[0].data, given, request)
    changed = replace(sends[0], data=body)
    return status, tuple([changed if step is sends[0] else step for step in steps])


def _headers(status: int, headers: Headers, given: Mapping[str, str], request: Request) -> Headers:
    azure = request.azure
    assert azure is not None
    remaining: list[tuple[str, str]] = []
    for name, value in headers:
        if name.startswith("x-ratelimit-reset-"):
            if status == 429:
                remaining.append((name, str(seconds_of(value))))
        elif name == "x-request-id":
            remaining.append((name, _guid(value.removeprefix("req_"))))
        elif not name.startswith("openai-"):
            remaining.append((name, value))
    ident = blake2b(given.get("x-request-id", "").encode(), digest_size=16).hexdigest()
    added = [
        *_ALWAYS,
        ("apim-request-id", _guid(ident)),
        ("x-ms-client-request-id", azure.client_request_id or "Not-Set"),
        ("x-ms-region", REGIONS.get(request.region, request.region)),
    ]
    if status < 400 and request.model:
        name = request.model.encode("ascii", "replace").decode()
        added += [("x-ms-deployment-name", name), ("x-ms-rai-invoked", "true"), ("x-accel-buffering", "no")]
    return (*remaining, *[(name, value) for name, value in added if name not in given])


def seconds_of(duration: str) -> int:
    """A duration as OpenAI writes it (`1m3s`, `12ms`) in whole seconds, rounded up; 0 for anything else."""
    total, number = 0.0, ""
    rest = duration.replace("ms", "u")
    for letter in rest:
        if letter in "hmsu":
            total += float(number or 0) * {"h": 3600.0, "m": 60.0, "s": 1.0, "u": 0.001}[letter]
            number = ""
        elif letter.isdecimal() or letter == ".":
            number += letter
        else:
            return 0
    return math.ceil(total)


def _guid(digits: str) -> str:
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:32]}"
