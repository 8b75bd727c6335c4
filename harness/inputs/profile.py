"""A client profile: one way of calling OpenAI that people really use, as data.

What the SDK can do itself is done by the SDK (`sdk`, and its share of `timeouts` and `pool`); what surrounds
it is done by the policies (`timeouts.first_content` and below, `retries`, `budget`, `limiter`).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    model_validator,
)
from typing_extensions import TypedDict

from windtunnel.harness.environments.interpreter import InterpreterError, ask, find
from windtunnel.harness.inputs.honoured import SDK_DRIVERS, refusals
from windtunnel.harness.inputs.policies import Breaker, Budget, Fallback, Hedge, Limiter, Retries
from windtunnel.harness.inputs.prompts import Prompts, read_prompts
from windtunnel.harness.inputs.region_choice import RegionPart, refuse_beside
from windtunnel.harness.inputs.signature import Kind
from windtunnel.harness.inputs.target import FORM, OwnCode, check_target
from windtunnel.harness.inputs.validation import InputPart, complaint, show, validate
from windtunnel.harness.inputs.yaml_source import read_yaml
from windtunnel.mock_server.errors import PlanError
from windtunnel.mock_server.plan.units import PositiveSeconds, Seconds, format_seconds, parse_seconds

DriverName: TypeAlias = Literal[
    "openai", "openai-async", "openai-aiohttp", "httpx2", "httpx2-async", "aiohttp", "python", "exec"
]
AnswerCheck: TypeAlias = Literal["finish_reason", "refusal", "end"]
SOCKET_TIMEOUTS = ("connect", "read", "write", "pool")
TARGET = r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$"


STAND_INS = {
    "name": "name",
    "about": "about",
    "driver": "openai",
    "timeouts": {},
    "pool": {},
    "kind": "ratio",
    "deposit": 1,
    "cap": 1,
    "rpm": 1,
    "wait": "1s",
    "retry_on": 429,
    "checks": "end",
}
"""What stands in for a wrong or missing part while the rest of a file is looked through."""


class SdkArguments(TypedDict, total=False):
    """Arguments of `openai.OpenAI(...)`, handed over as they are; what is absent is left to the SDK.

    With the driver aiohttp, `timeout` is `aiohttp.ClientTimeout(total=...)`: of one request, its answer included.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")  # type: ignore[misc]  # pydantic's way for a TypedDict

    max_retries: Annotated[int, Field(ge=0)]
    timeout: PositiveSeconds
    default_headers: dict[str, str]


class Timeouts(InputPart):
    """How long each layer may take. A layer that is not given has no limit."""

    connect: PositiveSeconds | None = Field(default=None, description="Opening a connection, TLS included.")
    read: PositiveSeconds | None = Field(
        default=None, description="Between two reads of a socket; waiting for the headers counts as one."
    )
    write: PositiveSeconds | None = Field(default=None, description="Between two writes to a socket.")
    pool: PositiveSeconds | None = Field(
        default=None, description="Waiting for a connection of the client's own pool."
    )
    first_content: PositiveSeconds | None = Field(
        default=None,
        description="From sending an attempt to the first content of its answer. Kept by a policy.",
    )
    between_contents: PositiveSeconds | None = Field(
        default=None,
        description="Between two contents; comments and empty deltas do not count. Kept by a policy.",
    )
    total: PositiveSeconds | None = Field(
        default=None,
        description="The whole call over all its attempts, waits included: the client's declared deadline.",
    )


class Pool(InputPart):
    """The connections that one instance of the application may hold."""

    connections: Annotated[int, Field(ge=1)] | None = Field(
        default=None,
        le=1_000_000,
        description="Connections at once; null: without a limit."
        " At most 1,000,000: more than any machine has connections.",
    )
    keepalive: Annotated[int, Field(ge=0)] | None = Field(
        default=None,
        le=1_000_000,
        description="Idle connections kept; null: without a limit."
        " At most 1,000,000: more than any machine has connections.",
    )
    expiry: Seconds | None = Field(
        default=None, description="How long an idle connection is kept; null: for ever."
    )


def _http(value: Any) -> Any:
    """YAML has `1.1` for a number; a version is none."""
    if isinstance(value, bool) or value not in (1.1, 2, "1.1", "2"):
        raise complaint("", show(value), "1.1 or 2")
    return str(value).removesuffix(".0")


Http: TypeAlias = Annotated[Literal["1.1", "2"], BeforeValidator(_http), WithJsonSchema({"enum": [1.1, 2]})]


def _target(value: str) -> str:
    if not re.fullmatch(TARGET, value):
        raise complaint("", show(value), f"{FORM}, such as my_client:ask")
    return value


Target: TypeAlias = Annotated[
    str, AfterValidator(_target), WithJsonSchema({"type": "string", "pattern": TARGET})
]
Python: TypeAlias = Annotated[str, Field(min_length=1)]


class EnvNeeded(InputPart):
    """An environment of `windtunnel env create`, and what must be in it: so that a message can say how to make it."""

    name: str = Field(min_length=1, description="Its name.")
    with_: tuple[str, ...] = Field(
        default=(), alias="with", description="What pip installs there, such as litellm==1.110.2."
    )
    npm: tuple[str, ...] = Field(default=(), description="What npm installs there, such as openai@6.")

    @model_validator(mode="after")
    def _of_one_kind(self) -> EnvNeeded:
        if self.with_ and self.npm:
            raise complaint(
                "npm", "packages of npm beside those of pip", "one of them: an environment has one kind"
            )
        return self


def _env(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


class Profile(InputPart):
    """One client configuration. All that it does is written in it, also where it is the library's default."""

    name: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", description="Its name in reports: also a directory."
    )
    about: str = Field(min_length=1, description="One sentence that a reviewer understands.")
    driver: DriverName = Field(description="What makes the requests.")
    target: Target | None = Field(
        default=None,
        description="With the driver python: `package.module:function`, one's own function (async or plain, with "
        "`return` or `yield`), class or method.",
    )
    setup: Target | None = Field(
        default=None,
        description="With a target: `package.module:function`, called once for each instance before its calls. What it "
        "returns or yields is the target's parameter `state`.",
    )
    teardown: Target | None = Field(
        default=None,
        description="With a target: `package.module:function`, called with the `state` after the calls of an instance.",
    )
    prompts: Prompts | None = Field(
        default=None,
        description="With a target: a file (its path from this one) with a line for each call, in turn: JSON if it "
        "ends in .jsonl, else text.",
    )
    returns: Literal["text", "message"] | None = Field(
        default=None,
        description="With a target: its return value is the answer, as text, or as an object of the API, and is "
        "compared. null: what its client was handed is compared, and it may return anything.",
    )
    python: Python | None = Field(
        default=None,
        description="The interpreter that plays it: a path from this file, or a name made by `windtunnel env create`. "
        "null: the one that runs windtunnel.",
    )
    target_folders: tuple[str, ...] = Field(
        default=(),
        description="Where the target's module is looked for first; filled in when the profile is read.",
    )
    target_kind: Kind | None = Field(
        default=None,
        description="Whether the target is async (null, too) or plain; filled in when the profile is read.",
    )
    command: Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(min_length=1)] | None = Field(
        default=None,
        description="With the driver exec: the program and its arguments. A path is one from this file; {adapters} is "
        "the folder of the adapters that come with windtunnel; python is that of `env`.",
    )
    env: Annotated[EnvNeeded, BeforeValidator(_env)] | None = Field(
        default=None,
        description="With the driver exec: the environment whose programs and packages it uses, by name, or with what "
        "must be in it. null: what is on the PATH.",
    )
    workers: Annotated[int, Field(ge=1, le=1000)] | None = Field(
        default=None,
        description="With the driver exec: how many processes of the program one instance keeps. null: one.",
    )
    command_folder: str = Field(
        default="", description="Where the program runs; filled in when the profile is read."
    )
    sdk: SdkArguments = Field(default_factory=lambda: SdkArguments(), description="The SDK's own arguments.")
    timeouts: Timeouts = Field(description="How long each layer may take.")
    pool: Pool = Field(description="The connections it may hold.")
    http: Http = Field(
        default="1.1",
        description="HTTP's version: 1.1, or 2 with the drivers openai, openai-async, httpx2 and httpx2-async. With 2 "
        "all requests to one host share one connection, by prior knowledge where there is no TLS.",
    )
    retries: Retries = Field(default_factory=lambda: Retries(), description="Retries around the driver.")
    budget: Budget | None = Field(default=None, description="What retries around the driver are paid from.")
    breaker: Breaker | None = Field(
        default=None, description="What stops tries for a time when too many fail. A refused call is `shed`."
    )
    limiter: Limiter | None = Field(default=None, description="A limiter in front of every attempt.")
    hedge: Hedge | None = Field(default=None, description="A second request beside a slow first one.")
    fallback: Fallback | None = Field(
        default=None, description="Where calls go that the first target does not serve."
    )
    region: RegionPart | None = Field(
        default=None,
        description="Which regions it calls, and how it chooses; a name alone: that one. null: that of the load.",
    )
    checks: tuple[AnswerCheck, ...] = Field(
        default=(),
        description="What the application checks of an answer: finish_reason (length, content_filter, an "
        "incomplete response), refusal, end (no finish_reason or terminal event is an error).",
    )

    @property
    def deadline(self) -> float | None:
        """Seconds that the client itself allows a call, over all its attempts; None: no deadline."""
        return self.timeouts.total

    @model_validator(mode="before")
    @classmethod
    def _sdk_timeout_fills_the_sockets(cls, data: Any) -> Any:
        """`sdk.timeout` is what the SDK gives all four socket timeouts: state them or leave them out."""
        sdk, timeouts = (
            (data.get("sdk"), data.get("timeouts", {})) if isinstance(data, dict) else (None, None)
        )
        if not isinstance(sdk, dict) or not isinstance(timeouts, dict) or "timeout" not in sdk:
            return data
        if data.get("driver") not in SDK_DRIVERS:
            return data
        try:
            parse_seconds(sdk["timeout"])
        except PlanError:
            return data  # its own field says what is wrong with it
        given = {name: sdk["timeout"] for name in SOCKET_TIMEOUTS if timeouts.get(name) is None}
        return {**data, "timeouts": {**timeouts, **given}}

    @model_validator(mode="after")
    def _parts_agree(self) -> Profile:
        self._driver_can()
        refuse_beside(self)
        sdk_timeout = self.sdk.get("timeout")
        if sdk_timeout is None or self.driver not in SDK_DRIVERS:
            return self
        for name in SOCKET_TIMEOUTS:
            if getattr(self.timeouts, name) != sdk_timeout:
                found = format_seconds(getattr(self.timeouts, name))
                raise complaint(
                    f"timeouts.{name}", found, f"{format_seconds(sdk_timeout)}, as sdk.timeout says"
                )
        return self

    def _driver_can(self) -> None:
        """Refuse what the driver has no way to do, rather than playing something else than what is written."""
        for it in refusals(self):
            raise complaint(it.path, it.found, it.expected)
        if self.driver == "python" and self.target is None:
            raise complaint("target", "nothing", f"{FORM} with the driver python")
        if self.driver == "exec" and self.command is None:
            raise complaint("command", "nothing", "the program and its arguments with the driver exec")


def load_profile_file(path: str | Path, *, python: str | None = None) -> Profile:
    """The profile in a YAML file. Raises InputError with every mistake in it, with one in its target, and if its
    interpreter cannot play it.

    `python` replaces the profile's own interpreter: it is the path of one, as `interpreter.find` gives it.
    """
    source = read_yaml(path)
    profile = validate(source, Profile, STAND_INS)
    if python is None and profile.python is not None:
        try:
            python = find(profile.python, source.base)
            ask(python)
        except InterpreterError as error:
            raise source.error(
                ("python",), found=error.found, expected=error.expected, hint=error.cure
            ) from error
    profile = profile.model_copy(update={"python": python})
    if profile.command is not None:
        return profile.model_copy(update={"command_folder": str(source.base.resolve())})
    if profile.target is None:
        return profile
    folders = tuple(dict.fromkeys((str(source.base.resolve()), str(Path.cwd()))))
    update: dict[str, Any] = {"target_folders": folders}
    fields: tuple[str, ...] = ()
    if profile.prompts is not None:
        update["prompts"] = path_of_prompts = str(source.base.resolve() / profile.prompts)
        fields = read_prompts(path_of_prompts, source).fields
    wanted = OwnCode(profile.target, folders, profile.setup, profile.teardown, fields)
    update["target_kind"] = check_target(source, wanted, python=python)
    return profile.model_copy(update=update)
