"""The JSON Schema of soak.json."""

from __future__ import annotations

from typing import Any, Final

from windtunnel.reports.figures.json_schema import COUNT, DRAFT, NUMBER, TEXT, list_of, object_of
from windtunnel.reports.soak.build import SOAK_VERSION

_FIGURE: Final = {"type": "number"}
"""A figure that is always there."""


def soak_schema() -> dict[str, Any]:
    """The schema, as draft 2020-12."""
    finding = object_of(
        {
            "measure": {**TEXT, "description": "What changes: a name of `watched`."},
            "unit": TEXT,
            "sentence": {**TEXT, "description": "The finding in words."},
            "since_h": {**_FIGURE, "description": "Since which hour; 0: from the start."},
            "per_hour": {**_FIGURE, "description": "How fast; of a fall below 0."},
            "low": {**_FIGURE, "description": "Lower end of the 99.9 % interval of the speed."},
            "high": {**_FIGURE, "description": "Upper end of it."},
            "first": {**_FIGURE, "description": "The value where it began, on the fitted line."},
            "last": {**_FIGURE, "description": "The value at the end, on the fitted line."},
            "limit": {**NUMBER, "description": "Where it hurts; null: not known."},
            "hurts_h": {**NUMBER, "description": "The hour at which the limit is reached at this speed."},
            "incident": {**TEXT, "description": "The phase that it happens in; empty: no one phase."},
            "detail": {
                **TEXT,
                "description": "Which parts of it grow, such as types of objects; empty: none.",
            },
        }
    )
    unseen = object_of(
        {
            "measure": {**TEXT, "description": "A name of `watched` without a finding."},
            "unit": TEXT,
            "per_hour": {
                **NUMBER,
                "description": "A change slower than this would not have been noticed; null: nothing can be said.",
            },
            "noisy": {
                "type": "boolean",
                "description": "Whether even a change that matters may have gone unnoticed.",
            },
        }
    )
    hole = object_of(
        {
            "mark": {**TEXT, "description": "What happened to the measuring, such as worker replaced."},
            "from_h": {**_FIGURE, "description": "From which hour on nothing is known."},
            "to_h": {**_FIGURE, "description": "Until which hour."},
            "why": TEXT,
        }
    )
    client = object_of(
        {
            "client": TEXT,
            "hours": _FIGURE,
            "cycles": COUNT,
            "calls": COUNT,
            "reason": {**TEXT, "description": "Why nothing can be said; empty if it can."},
            "holes": list_of(hole),
            "watched": list_of(TEXT),
            "findings": list_of(finding),
            "unseen": list_of(unseen),
        }
    )
    top = {
        "soak_version": {"const": SOAK_VERSION},
        "scenario": TEXT,
        "clients": list_of(client),
    }
    return {"$schema": DRAFT, "title": "soak.json", **object_of(top)}
