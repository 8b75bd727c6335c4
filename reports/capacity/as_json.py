"""capacity.json and its JSON Schema, both from dataclasses: `harness/contract/capacity.py`, `plan.py`."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter

from windtunnel.reports.capacity.plan import CapacityReport


def capacity_json(found: CapacityReport) -> dict[str, Any]:
    """What capacity.json holds."""
    data: dict[str, Any] = TypeAdapter(CapacityReport).dump_python(found, mode="json")
    return data


def capacity_schema() -> dict[str, Any]:
    """The JSON Schema of capacity.json."""
    return TypeAdapter(CapacityReport).json_schema(mode="serialization")
