"""JSON that parses and is not what the types say: a field gone, null, renamed or of another type; fields and values
that the types do not have."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import Field, WithJsonSchema, field_validator, model_validator

from windtunnel.mock_server.errors import PlanError
from windtunnel.mock_server.faults.base import ALL_APIS, FaultContext, FaultKind, NoParams, Params
from windtunnel.mock_server.faults.json_edits import edit_json, parts
from windtunnel.mock_server.plan.model import raise_located
from windtunnel.mock_server.script import Script

JSON_APIS = tuple(api for api in ALL_APIS if api != "speech")
"""The APIs that answer in JSON."""

Action: TypeAlias = Literal["drop", "null", "rename", "retype"]
_ACTIONS = {"enum": ["drop", "null", None, "rename", "retype"]}

_CHAT = ("content", "refusal", "tool_calls", "function_call")
_CONTENT: dict[str, tuple[str, ...]] = {
    "chat": tuple(f"choices.*.{holder}.{key}" for holder in ("message", "delta") for key in _CHAT),
    "completions": ("choices.*.text",),
    "responses": ("delta", "output.*.content.*.text", "output.*.content.*.refusal", "output.*.arguments",
                  "output.*.input"),
}  # fmt: skip
"""Where the content of an answer is; what is absent or null there is passed over."""

_ELSEWHERE = ("data", "results", "text", "id", "object", "type")
"""Where it is in the answers of all other APIs, and in an answer that has none: the first of these."""


class ShapeParams(Params):
    """What happens to which field."""

    action: Annotated[Action, WithJsonSchema(_ACTIONS)] = Field(
        default="drop",
        description="drop: the field is gone; null: it is null; rename: it has another name (`_v2` behind it); "
        "retype: its value has another type.",
    )
    path: str | None = Field(
        default=None,
        description="The field, such as choices.0.message.content; `*` is every entry. In a chat's stream `message` "
        "finds `delta`, in a Responses stream a path finds its place in the event or in its `response`. Left out: "
        "the content.",
    )

    @field_validator("action", mode="before")
    @classmethod
    def _word(cls, action: Any) -> Any:
        """`action: null` in YAML is nothing rather than a word, and means the word."""
        return "null" if action is None else action

    @model_validator(mode="after")
    def _followable(self) -> Self:
        steps = [] if self.path is None else self.path.split(".")
        problem: PlanError | None = None
        if not all(steps):
            problem = PlanError("", repr(self.path), "keys and indexes with dots between them")
        elif self.action == "rename" and steps and (steps[-1] == "*" or steps[-1].isdigit()):
            problem = PlanError(
                "", f"rename of the entry {steps[-1]} of a list", "a path that ends with a key"
            )
        raise_located("Shape", [] if problem is None else [(("path",), problem)])
        return self


class EnumValueParams(Params):
    """The value that no type knows."""

    value: str = Field(default="unheard_of", min_length=1, description="The value that is sent.")


def wrong_shape(script: Script, params: ShapeParams, ctx: FaultContext) -> Script:
    """The field at the path is changed, in the body or in every event that has it."""

    def change(data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        if params.path is None:
            _spoil_content(data, params.action, ctx)
        else:
            for path in _readings(params.path.split("."), ctx):
                if _spoil(data, path, params.action):
                    break
        return data

    return edit_json(script, ctx, change)


def _readings(path: list[str], ctx: FaultContext) -> Iterator[list[str]]:
    """Return the paths that a path may mean in an event of a stream."""
    yield path
    if ctx.stream and ctx.api == "chat":
        yield ["delta" if step == "message" else step for step in path]
    if ctx.stream and ctx.api in ("responses", "stored"):
        yield ["response", *path]


def _spoil_content(data: dict[str, Any], action: Action, ctx: FaultContext) -> None:
    places = _CONTENT.get(ctx.api, ())
    paths = [reading for place in places for reading in _readings(place.split("."), ctx)]
    done = [_spoil(data, path, action, absent=(None,)) for path in paths]
    if any(done) or ctx.stream:
        return
    for key in _ELSEWHERE:
        if _spoil(data, [key], action, absent=(None,)):
            return


def _spoil(data: Any, path: Sequence[str], action: Action, absent: tuple[None, ...] = ()) -> bool:
    """Change the value at the path in place; False if there is none, or it is among `absent`."""
    step, *rest = path
    keys = _keys(data, step)
    if rest:
        return sum(_spoil(data[key], rest, action, absent) for key in keys) > 0
    keys = [key for key in keys if data[key] not in absent] if absent else keys
    for key in sorted(keys, reverse=True) if isinstance(data, list) else keys:
        _act(data, key, action)
    return bool(keys)


def _keys(data: Any, step: str) -> list[Any]:
    """The keys (or indexes) of `data` that a step of a path means."""
    if isinstance(data, dict):
        return list(data) if step == "*" else [step] if step in data else []
    if not isinstance(data, list):
        return []
    if step == "*":
        return list(range(len(data)))
    return [int(step)] if step.isdigit() and int(step) < len(data) else []


def _act(holder: Any, key: Any, action: Action) -> None:
    if action == "drop":
        del holder[key]
    elif action == "null":
        holder[key] = None
    elif action == "retype":
        holder[key] = retyped(holder[key])
    else:
        renamed = {f"{key}_v2" if name == key else name: value for name, value in holder.items()}
        holder.clear()
        holder.update(renamed)


def retyped(value: Any) -> Any:
    """A value of another JSON type that says much the same: text in a list, a number as text, an object as a list."""
    if value is None:
        return 0
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return list(value.values())
    if isinstance(value, list):
        return {str(i): entry for i, entry in enumerate(value)}
    return str(value).lower()


_NEW = "x_preview"
_INSIDE = (
    "response",
    "item",
    "part",
    "message",
    "delta",
    "usage",
    "choices",
    "output",
    "content",
    "data",
    "results",
)
"""The keys whose objects gain a field as well; `metadata`, tools and schemas are the caller's own and stay."""


def extra_fields(script: Script, params: NoParams, ctx: FaultContext) -> Script:
    """Every object of the answer gains a field."""
    return edit_json(script, ctx, _extended)


def _extended(data: Any) -> Any:
    if not isinstance(data, dict):
        return data
    for key in _INSIDE:
        inner = [data[key]] if isinstance(data.get(key), dict) else parts(data, key)
        for entry in inner:
            _extended(entry)
    data[_NEW] = {"enabled": True, "since": "2027-01-01"}
    return data


def unknown_enum(script: Script, params: EnumValueParams, ctx: FaultContext) -> Script:
    """The finish_reason (chat, completions), the status (whatever has one) or else the object has an unknown value."""

    def change(data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        ended = [choice for choice in parts(data, "choices") if choice.get("finish_reason")]
        for choice in ended:
            choice["finish_reason"] = params.value
        holders = [data, *(data[key] for key in ("response", "item") if isinstance(data.get(key), dict))]
        stated = [holder for holder in holders if isinstance(holder.get("status"), str)]
        for holder in stated:
            holder["status"] = params.value
        if not ended and not stated and not ctx.stream and isinstance(data.get("object"), str):
            data["object"] = params.value
        return data

    return edit_json(script, ctx, change)


KINDS = (
    FaultKind(
        name="wrong_shape",
        family="body",
        stage="answer",
        layer="events",
        params=ShapeParams,
        apply=wrong_shape,
        apis=JSON_APIS,
        about="One field is gone, null, renamed or of another type; everything else is right. With a `path`, answers "
        "(and events) without that field are left alone, and so is what is no JSON. A new version behind a gateway, a "
        "half-finished migration, a provider that is compatible but for one thing.",
        example="{fault: wrong_shape, with: {action: null, path: choices.0.message.content}, rate: 0.1}",
    ),
    FaultKind(
        name="extra_fields",
        family="body",
        stage="answer",
        layer="events",
        params=NoParams,
        apply=extra_fields,
        apis=JSON_APIS,
        about=f"Every object of the answer has one more field, `{_NEW}`, which is an object. What the API promises not "
        "to be a breaking change, and what strict parsers break on.",
        example="{fault: extra_fields}",
    ),
    FaultKind(
        name="unknown_enum",
        family="body",
        stage="answer",
        layer="events",
        params=EnumValueParams,
        apply=unknown_enum,
        apis=JSON_APIS,
        about="A value that no type lists: the finish_reason of chat and completions, the status of responses and of "
        "everything else that has one, otherwise `object`. A new kind of ending, met by code that was written "
        "before it.",
        example="{fault: unknown_enum, with: {value: paused}, rate: 0.1}",
    ),
)
