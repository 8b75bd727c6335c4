"""The reference of scenario and profile files, made from the models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from windtunnel.harness.contract.expectation import Expectation
from windtunnel.harness.inputs.load import Arrivals, DailyCurve, Load, RateRamp, RateStep
from windtunnel.harness.inputs.policies import Adaptive, Breaker, Budget, Limiter, Priority, Retries
from windtunnel.harness.inputs.profile import Pool, Profile, Timeouts
from windtunnel.harness.inputs.region_choice import RegionChoice
from windtunnel.harness.inputs.scenario import Prices, Scenario, ScenarioPhase
from windtunnel.harness.inputs.schemas import FILLED_IN
from windtunnel.harness.inputs.traces.settings import TrafficTrace
from windtunnel.harness.inputs.vary import GridSettings
from windtunnel.mock_server.plan.units import format_seconds

_SCENARIO: Sequence[tuple[str, type[BaseModel]]] = (
    ("A scenario", Scenario),
    ("`load`", Load),
    ("`load.arrivals`", Arrivals),
    ("`load.arrivals.ramp`", RateRamp),
    ("an entry of `load.arrivals.steps`", RateStep),
    ("`load.arrivals.daily`", DailyCurve),
    ("`load.trace`", TrafficTrace),
    ("an entry of `phases`", ScenarioPhase),
    ("an entry of `expect`, where it is a mapping", Expectation),
    ("`grid`", GridSettings),
    ("`prices`", Prices),
)
_PROFILE: Sequence[tuple[str, type[BaseModel]]] = (
    ("A profile", Profile),
    ("`timeouts`", Timeouts),
    ("`pool`", Pool),
    ("`retries`", Retries),
    ("`budget`", Budget),
    ("`breaker`", Breaker),
    ("`limiter`", Limiter),
    ("`limiter.adaptive`", Adaptive),
    ("an entry of `limiter.priorities`", Priority),
    ("`region`", RegionChoice),
)


def build_scenario_reference() -> str:
    """Return every key of a scenario file as Markdown."""
    return _reference(_SCENARIO)


def build_profile_reference() -> str:
    """Return every key of a profile file as Markdown."""
    return _reference(_PROFILE)


def _reference(models: Sequence[tuple[str, type[BaseModel]]]) -> str:
    """Return a table for each model: key, default, what it is."""
    return "\n".join(_section(title, model) for title, model in models)


def _section(title: str, model: type[BaseModel]) -> str:
    left_out = FILLED_IN.get(model.__name__, ())
    rows = [
        f"| `{field.alias or name}` | {_default(field)} | {(field.description or '').replace('|', chr(92) + '|')} |"
        for name, field in model.model_fields.items()
        if name not in left_out
    ]
    head = f"**{title}**: {_about(model)}"
    return "\n".join((head, "", "| key | default | what it is |", "| --- | --- | --- |", *rows, ""))


def _about(model: type[BaseModel]) -> str:
    """The first paragraph of a model's docstring, on one line."""
    return " ".join((model.__doc__ or "").split("\n\n")[0].split())


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value: Any = field.get_default(call_default_factory=True, validated_data={})
    if value is None:
        return "null"
    if isinstance(value, str | bool | int | float):
        text = str(value).lower() if isinstance(value, bool) else f"{value}"
        return f"`{_with_unit(field, value) or text}`" if text else "empty"
    if isinstance(value, list | tuple):
        return f"`[{', '.join(map(str, value))}]`" if value else "none"
    return "see below" if isinstance(value, BaseModel) else "none"


def _with_unit(field: FieldInfo, value: object) -> str:
    """A duration as one writes it; empty for anything else."""
    timed = isinstance(value, float) and any("format_seconds" in repr(part) for part in field.metadata)
    return format_seconds(float(value)) if timed and isinstance(value, float) else ""
