"""The fault reference: the table of faults as data, and as the Markdown that stands in the manual."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from pydantic.fields import FieldInfo

from mock_server.faults.base import ALL_APIS, BOTH_FORMS, STREAMING_APIS, FaultKind
from mock_server.faults.retry import RetryParams
from mock_server.strict import Strict

_FAMILIES = (
    ("status", "Status errors", "In place of the answer, before limits and slots."),
    ("edge", "Around the answer", "Before any byte of the answer, or (`at`) in the middle of it."),
    ("stream", "Streams", "Acting on the healthy answer while it is sent."),
    ("body", "Bodies", "Acting on what a healthy answer says."),
)
_SEEN = {"V": "seen verbatim", "U": "plainest form", None: ""}


def describe(kinds: Iterable[FaultKind]) -> list[dict[str, Any]]:
    """Every fault as plain data: name, family, stage, where it can act, what it is, its parameters."""
    return [
        {
            "name": kind.name,
            "family": kind.family,
            "stage": kind.stage,
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
        }
        for kind in kinds
    ]


def build_reference(kinds: Sequence[FaultKind]) -> str:
    """The reference as Markdown: a table a family, and once what all status errors take."""
    parts = []
    for family, title, about in _FAMILIES:
        members = [kind for kind in kinds if kind.family == family]
        parts.append(f"### {title}\n\n{about}")
        if family == "status":
            parts.append(_common(RetryParams))
        rows = "\n".join(_row(kind) for kind in members)
        parts.append(
            f"| fault | parameters | what it is | acts on | wire |\n| --- | --- | --- | --- | --- |\n{rows}"
        )
    return "\n\n".join(parts) + "\n"


def _row(kind: FaultKind) -> str:
    own = [item for item in parameters(kind.params) if not _is_common(kind, item[0])]
    cell = "<br>".join(explained(*item) for item in own) or "none of its own" * (kind.family == "status")
    cells = (f"`{kind.name}`", cell, kind.about, _acts_on(kind), _SEEN[kind.seen])
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


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
        said = ", required"
    elif default in (None, {}):
        said = ""
    else:
        said = f" = {str(default).lower() if isinstance(default, bool) else default}"
    return f"`{name}`{said}: {field.description}"


def _acts_on(kind: FaultKind) -> str:
    apis = {ALL_APIS: "every API", STREAMING_APIS: "chat, responses"}.get(kind.apis, ", ".join(kind.apis))
    return apis if kind.forms == BOTH_FORMS else f"{apis}; {kind.forms[0]} only"
