"""capacity.json and its JSON Schema, both from the dataclasses of `harness/contract/capacity.py`."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter

from windtunnel.harness.contract.capacity import CapacityFound


def capacity_json(found: CapacityFound) -> dict[str, Any]:
    """What capacity.json holds."""
    data: dict[str, Any] = TypeAdapter(CapacityFound).dump_python(found, mode="json")
    return data


def capacity_schema() -> dict[str, Any]:
    """The JSON Schema of capacity.json."""
    return TypeAdapter(CapacityFound).json_schema(mode="serialization")
