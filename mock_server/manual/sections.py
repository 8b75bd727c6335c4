"""The parts of this package's manuals that are made from its tables."""

from __future__ import annotations

from pathlib import Path

from windtunnel.mock_server.faults import FAULTS
from windtunnel.mock_server.manual.faults import (
    build_order,
    build_overview,
    build_reference,
    build_seen,
    explained,
    parameters,
)
from windtunnel.mock_server.manual.renderer import Sections
from windtunnel.mock_server.manual.retention import build_kept
from windtunnel.mock_server.plan.connections import ConnectionRules
from windtunnel.mock_server.plan.distributions import Duration, Size
from windtunnel.mock_server.plan.middle import Middle
from windtunnel.mock_server.plan.model import Strict
from windtunnel.mock_server.plan.plan import Phase, Plan
from windtunnel.mock_server.plan.provider import (
    AnswerModel,
    BatchPace,
    Capacity,
    ColdStart,
    Growth,
    Limits,
    Provider,
    Region,
    RegionLink,
)
from windtunnel.mock_server.plan.rule import Burst, Match, Ramp, Rule, SequenceEntry

MANUAL = Path(__file__).parents[1] / "README.md"
FAULTS_MANUAL = Path(__file__).parents[1] / "faults" / "README.md"
KINDS = list(FAULTS.values())

_MODELS: tuple[tuple[str, type[Strict]], ...] = (
    ("plan", Plan),
    ("phases", Phase),
    ("provider", Provider),
    ("provider.regions.NAME", Region),
    ("provider.regions.NAME.link", RegionLink),
    ("provider.regions.NAME.connections", ConnectionRules),
    ("provider.regions.NAME.middle", Middle),
    ("provider.capacity", Capacity),
    ("provider.answer", AnswerModel),
    ("provider.answer.cold_start", ColdStart),
    ("provider.limits", Limits),
    ("provider.limits.growth", Growth),
    ("provider.batches", BatchPace),
    ("wherever a duration is random", Duration),
    ("wherever a count is random", Size),
    ("rules", Rule),
    ("rules.match", Match),
    ("rules.burst", Burst),
    ("rules.ramp", Ramp),
    ("rules.sequence.N", SequenceEntry),
)
_PLAIN = (str, int, float, bool)


def build_plan_reference() -> str:
    """Every key of a plan as Markdown: a list a model, with defaults."""
    parts = []
    for title, model in _MODELS:
        about = (model.__doc__ or "").strip().partition("\n")[0]
        lines = "\n".join(
            f"- {explained(name, field, default if isinstance(default, _PLAIN) and default != '' else None)}"
            for name, field, default in parameters(model)
        )
        name = f"`{title}`" if " " not in title else title[0].upper() + title[1:]
        parts.append(f"**{name}**: {about}\n\n{lines}")
    return "\n\n".join(parts) + "\n"


SECTIONS: dict[Path, Sections] = {
    MANUAL: {
        "kept": build_kept,
        "plan": build_plan_reference,
        "faults": lambda: build_overview(KINDS, "faults/README.md"),
    },
    FAULTS_MANUAL: {
        "order": lambda: build_order(KINDS),
        "overview": lambda: build_overview(KINDS),
        "clients": lambda: build_seen(KINDS),
        "reference": lambda: build_reference(KINDS),
    },
}
"""By manual: what stands between the markers of each name."""
