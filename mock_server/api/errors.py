"""OpenAI's error bodies, `{"error": {"message", "type", "param", "code"}}`, and their messages.

    ApiError ──.body()──► bytes
             ──.script(stamp)──► Script (head, body, end)

Messages that were seen verbatim in public are kept to the letter; the others use the plainest words in the
same form (the fault reference says which is which).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import orjson

from windtunnel.mock_server.api.headers import ORGANIZATION, RequestStamp, answer_headers, format_duration
from windtunnel.mock_server.script import End, Head, Script, Send

INVALID_REQUEST: Final = "invalid_request_error"

QUOTA_MESSAGE: Final = (
    "You exceeded your current quota, please check your plan and billing details. For more information on "
    "this error, read the docs: https://platform.openai.com/docs/guides/error-codes/api-errors."
)
OVERLOADED_MESSAGE: Final = "Our servers are currently overloaded. Please try again later."
OVERLOADED_LEGACY_MESSAGE: Final = (
    "That model is currently overloaded with other requests. You can retry your request, or contact us "
    "through our help center at help.openai.com if the error persists."
)
SERVER_ERROR_MESSAGE: Final = "The server had an error while processing your request. Sorry about that!"
SLOW_DOWN_MESSAGE: Final = (
    "Your traffic has grown too quickly. Please slow down, keep a steady rate for a while and then increase "
    "it gradually."
)
INVALID_KEY_MESSAGE: Final = "Incorrect API key provided: {key}. You can find your API key at https://platform.openai.com/account/api-keys."
MISSING_KEY_MESSAGE: Final = (
    "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer "
    "auth (i.e. Authorization: Bearer YOUR_KEY), or as the password field (with blank username) if you're "
    "accessing the API from your browser and are prompted for a username and password. You can obtain an API "
    "key from https://platform.openai.com/account/api-keys."
)
BAD_JSON_MESSAGE: Final = (
    "We could not parse the JSON body of your request. (HINT: This likely means you aren't using your HTTP "
    "library correctly. The OpenAI API expects a JSON payload, but what was sent was not valid JSON. If you "
    "have trouble figuring out how to fix this, please contact us through our help center at "
    "help.openai.com.)"
)


def error_body(
    status: int,
    message: str,
    type: str | None,  # noqa: A002 - the field's name on the wire
    param: str | None = None,
    code: str | int | None = None,
) -> bytes:
    """The JSON body of an error in OpenAI's form. `status` is not part of it, but a null `type` becomes
    the type that goes with the status: `server_error` from 500 on, `invalid_request_error` below."""
    kind = type or ("server_error" if status >= 500 else INVALID_REQUEST)
    return orjson.dumps({"error": {"message": message, "type": kind, "param": param, "code": code}})


def error_script(status: int, body: bytes, headers: Iterable[tuple[str, str]]) -> Script:
    """A whole answer of the given status: head with Content-Length, body, proper end."""
    return Script((Head(status, tuple(headers)), Send(body, role="terminal"), End()))


@dataclass(frozen=True, slots=True)
class ApiError:
    """One error of the API: what the body says, and the status it goes with. `allow` is the header of a 405."""

    status: int
    message: str
    type: str | None = INVALID_REQUEST
    param: str | None = None
    code: str | int | None = None
    allow: str = ""

    def body(self) -> bytes:
        """The JSON body."""
        return error_body(self.status, self.message, self.type, self.param, self.code)

    def script(self, stamp: RequestStamp, extra_headers: Iterable[tuple[str, str]] = ()) -> Script:
        """The whole answer, with the headers of every answer and `extra_headers` after them."""
        return error_script(self.status, self.body(), answer_headers(stamp) + tuple(extra_headers))


def rate_limit(
    kind: str,
    *,
    model: str,
    limit: int,
    used: int,
    requested: int,
    wait_s: float,
    organization: str = ORGANIZATION,
) -> ApiError:
    """429 of the RPM (`kind` "requests") or TPM ("tokens") limit, with the wait in the message.

    The wait of a bucket that refills continuously is (used + requested - limit) / (limit / 60) seconds.
    """
    unit = "requests per min (RPM)" if kind == "requests" else "tokens per min (TPM)"
    message = (
        f"Rate limit reached for {model} in organization {organization} on {unit}: Limit {limit}, "
        f"Used {used}, Requested {requested}. Please try again in {format_duration(wait_s)}. "
        "Visit https://platform.openai.com/account/rate-limits to learn more."
    )
    return ApiError(429, message, kind, None, "rate_limit_exceeded")


def request_too_large(
    *, model: str, limit: int, requested: int, organization: str = ORGANIZATION
) -> ApiError:
    """429 for a request that asks for more tokens than the limit holds: retrying can never help."""
    message = (
        f"Request too large for {model} in organization {organization} on tokens per min (TPM): "
        f"Limit {limit}, Requested {requested}. The input or output tokens must be "
        "reduced in order to run successfully. "
        "Visit https://platform.openai.com/account/rate-limits to learn more."
    )
    return ApiError(429, message, "tokens", None, "rate_limit_exceeded")


def insufficient_quota() -> ApiError:
    """429 of an account without credit."""
    return ApiError(429, QUOTA_MESSAGE, "insufficient_quota", None, "insufficient_quota")


def slow_down() -> ApiError:
    """429 of the growth limiter."""
    return ApiError(429, SLOW_DOWN_MESSAGE, "rate_limit_error", None, "slow_down")


def overloaded() -> ApiError:
    """503 of a provider that has no room."""
    return ApiError(503, OVERLOADED_MESSAGE, "service_unavailable_error", None, "server_is_overloaded")


def overloaded_legacy() -> ApiError:
    """503 as it was before the overload had a code of its own."""
    return ApiError(503, OVERLOADED_LEGACY_MESSAGE, "server_error")


def server_error() -> ApiError:
    """500."""
    return ApiError(500, SERVER_ERROR_MESSAGE, "server_error")


def bad_gateway() -> ApiError:
    """502 with an integer code, as the edge sends it."""
    return ApiError(502, "Bad gateway.", "cf_bad_gateway", None, 502)


def invalid_api_key(key: str = "sk-proj-***MxYA") -> ApiError:
    """401 for an unknown key; `key` is shown as given, so give it masked."""
    return ApiError(401, INVALID_KEY_MESSAGE.format(key=key), INVALID_REQUEST, None, "invalid_api_key")


def missing_api_key() -> ApiError:
    """401 without a Bearer key."""
    return ApiError(401, MISSING_KEY_MESSAGE)


def model_not_found(model: str) -> ApiError:
    """404 for a model that the provider does not serve."""
    message = f"The model `{model}` does not exist or you do not have access to it."
    return ApiError(404, message, INVALID_REQUEST, None, "model_not_found")


def context_length_exceeded(*, limit: int, requested: int) -> ApiError:
    """400 for messages longer than the model's context."""
    message = (
        f"This model's maximum context length is {limit} tokens. However, your messages resulted in "
        f"{requested} tokens. Please reduce the length of the messages."
    )
    return ApiError(400, message, INVALID_REQUEST, "messages", "context_length_exceeded")


def unknown_url(method: str, path: str) -> ApiError:
    """404 for a path that is not part of the API."""
    return ApiError(404, f"Invalid URL ({method} {path})")


def method_not_allowed(allowed: str) -> ApiError:
    """405 for a path that takes another method; `allowed` such as "POST"."""
    message = f"Only {allowed} requests are accepted."
    return ApiError(405, message, INVALID_REQUEST, None, "method_not_supported", allowed)


def bad_json() -> ApiError:
    """400 for a body that is not JSON."""
    return ApiError(400, BAD_JSON_MESSAGE)


def missing_parameter(param: str) -> ApiError:
    """400 for a required field that is absent."""
    message = f"Missing required parameter: '{param}'."
    return ApiError(400, message, INVALID_REQUEST, param, "missing_required_parameter")


def unsupported_value(param: str, found: str, why: str) -> ApiError:
    """400 for a value that this combination of fields does not take; `why` ends the message."""
    message = f"Unsupported value: '{param}' does not support '{found}' {why}."
    return ApiError(400, message, INVALID_REQUEST, param, "unsupported_value")


def unknown_parameter(param: str) -> ApiError:
    """400 for a field that the endpoint does not have."""
    return ApiError(400, f"Unknown parameter: '{param}'.", INVALID_REQUEST, param, "unknown_parameter")


def invalid_type(param: str, expected: str, found: object) -> ApiError:
    """400 for a field of another JSON type; `expected` with its article, such as "an array of objects"."""
    message = f"Invalid type for '{param}': expected {expected}, but got {type_name(found)} instead."
    return ApiError(400, message, INVALID_REQUEST, param, "invalid_type")


def invalid_value(param: str, found: object, supported: Iterable[str]) -> ApiError:
    """400 for a value outside a closed list."""
    names = [f"'{name}'" for name in supported]
    comma = "," if len(names) > 2 else ""
    listed = names[0] if len(names) == 1 else f"{', '.join(names[:-1])}{comma} and {names[-1]}"
    message = f"Invalid value: '{found}'. Supported values are: {listed}."
    return ApiError(400, message, INVALID_REQUEST, param, "invalid_value")


def out_of_range(
    param: str, found: float, *, minimum: float | None = None, maximum: float | None = None
) -> ApiError:
    """400 for a number below `minimum` or above `maximum`: give the bound that was broken."""
    kind = "integer" if isinstance(found, int) else "decimal"
    side, sign, bound = (
        ("below minimum", ">=", minimum) if minimum is not None else ("above maximum", "<=", maximum)
    )
    message = (
        f"Invalid '{param}': {kind} {side} value. Expected a value {sign} {bound}, but got {found} instead."
    )
    code = f"{kind}_{'below_min' if minimum is not None else 'above_max'}_value"
    return ApiError(400, message, INVALID_REQUEST, param, code)


def empty_array(param: str) -> ApiError:
    """400 for a list that must hold something."""
    message = (
        f"Invalid '{param}': empty array. "
        "Expected an array with minimum length 1, but got an empty array instead."
    )
    return ApiError(400, message, INVALID_REQUEST, param, "empty_array")


def type_name(value: object) -> str:
    """A JSON value's type with its article, as the API's messages name it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    names = {
        int: "an integer",
        float: "a decimal number",
        str: "a string",
        list: "an array",
        dict: "an object",
    }
    return names.get(type(value), "an unknown type")
