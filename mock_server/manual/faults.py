"""The fault reference: the table of faults as data, and as the Markdown that stands in the manuals.

    FAULTS ──┐
             ├──► describe() ──► list faults --json
    observed.json  build_overview(), build_order(), build_reference() ──► README.md

`observed.json` is what clients made of each fault when it was last measured, `versions` those of the clients; a fault
that was not measured has no such lines.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

import orjson
from pydantic.fields import FieldInfo

from windtunnel.mock_server.faults.base import ALL_APIS, BEFORE_REQUESTS, LAYERS, FaultKind
from windtunnel.mock_server.faults.retry import RetryParams
from windtunnel.mock_server.manual.clients import Seen, build_clients, cell, clients_table
from windtunnel.mock_server.plan.model import Strict
from windtunnel.mock_server.request import STREAMING_APIS, WORKING_APIS

OBSERVED = "observed.json"

_FAMILIES = (
    ("status", "Status errors", "In place of the answer, before limits and slots."),
    ("edge", "Around the answer", "The connection, the head, the framing: before the answer, or around it."),
    ("stream", "Streams", "The events of a healthy answer, when they come, and how they end."),
    ("body", "Bodies", "What a healthy-looking answer says."),
)
_WIRE = {
    "V": "The words were seen verbatim in public.",
    "U": "The words are the plainest in OpenAI's form; they were not seen verbatim.",
    None: "",
}


@cache
def observed() -> dict[str, Any]:
    """What was measured: `versions` by client, and `faults` by name. Both are empty where nothing was."""
    file = files("windtunnel.mock_server.manual") / OBSERVED
    measured: dict[str, Any] = orjson.loads(file.read_bytes()) if file.is_file() else {}
    return {"versions": {}, "faults": {}} | measured


def describe(kinds: Iterable[FaultKind]) -> list[dict[str, Any]]:
    """Every fault as plain data: name, family, stage, where it can act, what it is, its parameters, an example, and
    what clients make of it. `layer` is None where it never acts on a healthy answer."""
    return [
        {
            "name": kind.name,
            "family": kind.family,
            "stage": kind.stage,
            "layer": kind.layer if _on_answers(kind) else None,
            "apis": list(kind.apis),
            "forms": list(kind.forms),
            "seen": kind.seen,
            "about": kind.about,
            "parameters": [
                {
                    "name": name,
                    "default": default,
                    "required": field.is_required(),
                    "about": field.description,
                }
                for name, field, default in parameters(kind.params)
            ],
            "example": kind.example,
            "clients": observed()["faults"].get(kind.name, {}),
        }
        for kind in kinds
    ]


def build_overview(kinds: Sequence[FaultKind], link: str = "") -> str:
    """All faults in a table a family: what each one sends, and where it acts. `link` is the reference's place."""
    parts = []
    for family, title, _ in _FAMILIES:
        rows = [
            f"| [`{kind.name}`]({link}#{kind.name}) | {cell(_first_sentence(kind.about))} | {_acts_on(kind)} |"
            for kind in kinds
            if kind.family == family
        ]
        parts.append(
            "\n".join((f"| {title.lower()} | what is sent | acts on |", "| --- | --- | --- |", *rows))
        )
    return "\n\n".join(parts) + "\n"


def build_order(kinds: Sequence[FaultKind]) -> str:
    """In which order faults of one request act, and which ones act where."""
    listener = [kind.name for kind in kinds if kind.stage == "listener"]
    handshake = [kind.name for kind in kinds if kind.stage == "handshake"]
    edge = [kind.name for kind in kinds if kind.stage == "edge" and kind.family != "status"]
    rows = [
        ("listener", "before there is a request: the region's port", _named(listener)),
        ("handshake", "before there is a request: the TLS handshake of a new connection", _named(handshake)),
        (
            "edge",
            "in place of the answer: the first one in the plan's order, alone (a status error is as late as slow "
            "headers make it)",
            f"status errors, {_named(edge)}",
        ),
    ]
    for layer, about in LAYERS.items():
        names = [
            kind.name
            for kind in kinds
            if _on_answers(kind)
            and (kind.layer == layer or (kind.layer_of is not None and layer == "gateway"))
        ]
        rows.append((layer, f"on the healthy answer: {about}", _named(names)))
    lines = [f"| {i}. {name} | {about} | {faults} |" for i, (name, about, faults) in enumerate(rows, 1)]
    return "\n".join(("| order | what is decided | faults |", "| --- | --- | --- |", *lines)) + "\n"


def build_seen(kinds: Sequence[FaultKind]) -> str:
    """What stands out of what clients make of the faults."""
    faults: dict[str, Seen] = observed()["faults"]
    in_order = {kind.name: faults[kind.name] for kind in kinds if kind.name in faults}
    return build_clients(in_order, observed()["versions"])


def build_reference(kinds: Sequence[FaultKind]) -> str:
    """The reference as Markdown: a section a fault, by family, and once what all status errors take."""
    parts = []
    for family, title, about in _FAMILIES:
        parts.append(f"### {title}\n\n{about}")
        if family == "status":
            parts.append(_common(RetryParams))
        parts += [_section(kind) for kind in kinds if kind.family == family]
    return "\n\n".join(parts) + "\n"


def _section(kind: FaultKind) -> str:
    parts = [f"#### {kind.name}", kind.about]
    own = [item for item in parameters(kind.params) if not _is_common(kind, item[0])]
    if own:
        parts.append("\n".join(f"- {explained(*item)}" for item in own))
    parts.append(" ".join(filter(None, (f"Acts on {_acts_on(kind)}; {_place(kind)}.", _WIRE[kind.seen]))))
    if kind.example:
        parts.append(f"```yaml\n- {kind.example}\n```")
    seen: Seen = observed()["faults"].get(kind.name, {})
    if seen:
        parts.append(clients_table(seen, observed()["versions"]))
    return "\n\n".join(parts)


def _first_sentence(about: str) -> str:
    return about.partition(". ")[0].removesuffix(".")


def _named(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _on_answers(kind: FaultKind) -> bool:
    return kind.stage == "answer" or kind.stage_of is not None


def _place(kind: FaultKind) -> str:
    """Where it acts among others, in words."""
    layer = f"in the layer *{kind.layer}*"
    if kind.stage in BEFORE_REQUESTS:
        return "before there is a request"
    if kind.stage == "edge":
        alone = "alone, in place of the answer"
        if kind.stage_of is None:
            return alone
        where = "after" if kind.layer == "gateway" else "at"
        layer += " (a time: *gateway*)" if kind.layer_of is not None else ""
        return f"{alone}, or (`{where}`) {layer}"
    if kind.layer_of is not None:
        return f"{layer} (a time: *gateway*)"
    return layer


def _is_common(kind: FaultKind, name: str) -> bool:
    return kind.family == "status" and name in RetryParams.model_fields


def _common(params: type[Strict]) -> str:
    lines = "\n".join(f"- {explained(*item)}" for item in parameters(params))
    return f"Each of them takes, besides its own parameters:\n\n{lines}"


def parameters(params: type[Strict]) -> list[tuple[str, FieldInfo, Any]]:
    """Every key of a model: its name, its field, and its default as it would be written."""
    defaults = _defaults(params)
    return [(field.alias or name, field, defaults.get(name)) for name, field in params.model_fields.items()]


def _defaults(params: type[Strict]) -> dict[str, Any]:
    optional = {
        name: field.get_default(call_default_factory=False)
        for name, field in params.model_fields.items()
        if not field.is_required()
    }
    return params.model_construct(**optional).model_dump(mode="json", warnings=False)


def explained(name: str, field: FieldInfo, default: Any) -> str:
    """A key in a line of Markdown: name, default, what it is."""
    if field.is_required():
        default_text = ", required"
    elif default in (None, {}):
        default_text = ""
    else:
        default_text = f" = {str(default).lower() if isinstance(default, bool) else default}"
    return f"`{name}`{default_text}: {field.description}"


def _acts_on(kind: FaultKind) -> str:
    if not kind.apis:
        return "the region's port" if kind.stage == "listener" else "new connections of a region with TLS"
    if set(kind.apis) == set(STREAMING_APIS) and kind.forms == ("streamed",):
        return "every stream"
    only = {"streamed": ", streamed only", "whole": ", not streamed only"}
    over = ", over HTTP/2 only" if kind.http2 else ""
    return _apis(kind.apis) + (only[kind.forms[0]] if len(kind.forms) == 1 else "") + over


def _apis(apis: tuple[str, ...]) -> str:
    missing = [api for api in ALL_APIS if api not in apis]
    if len(missing) <= 2:
        return f"every API{' but ' if missing else ''}{' and '.join(missing)}"
    return "every API with a model behind it" if set(apis) == set(WORKING_APIS) else ", ".join(apis)
