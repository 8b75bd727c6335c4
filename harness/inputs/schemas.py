"""JSON Schemas of scenario and profile files, for editors that complete and check while one types.

`python -m windtunnel.harness.inputs.schemas` renews the two files beside the gallery. They say less than the harness
checks: a file that is fine for the schema may still have a rule that can never act.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from windtunnel.harness.inputs.gallery import gallery_folder
from windtunnel.harness.inputs.load import CURVE_SCHEMA
from windtunnel.harness.inputs.profile import Profile
from windtunnel.harness.inputs.scenario import Scenario

DIALECT = "https://json-schema.org/draft/2020-12/schema"
FILES: dict[str, type[BaseModel]] = {"scenario.schema.json": Scenario, "client.schema.json": Profile}

_DURATION = r"^\s*\d+(\.\d+)?([eE][+-]?\d+)?\s*(ms|s|m|h)\s*$"
_EXPECTATION = r"^\s*[A-Za-z_]\w*\s*(@.+?)?\s*(<=|>=|==|!=|<|>)\s*\S+\s*$"
SHORT_FORMS: dict[str, dict[str, Any]] = {
    "Duration": {"type": "string", "pattern": _DURATION, "description": "A constant duration."},
    "Size": {"type": "number", "minimum": 1, "description": "A constant count."},
    "Arrivals": {"enum": ["poisson", "constant"], "description": "At the rate of the load."},
    "DailyCurve": CURVE_SCHEMA,
    "Expectation": {"type": "string", "pattern": _EXPECTATION, "description": "About every client."},
}
"""What may stand in a file in place of a mapping: the short form of each model that has one."""

FILLED_IN: dict[str, tuple[str, ...]] = {
    "Arrivals": ("times_s",),
    "TrafficTrace": ("found", "prompts", "answers"),
    "Load": ("prompt_sizes",),
    "Expectation": ("metric", "phase", "op", "limit"),
    "Profile": ("target_folders", "target_kind", "command_folder"),
}
"""Keys that are filled in when a file is read; no file has them."""


def build_schemas() -> dict[str, dict[str, Any]]:
    """File name to JSON Schema."""
    return {name: _schema(model) for name, model in FILES.items()}


def write_schemas(folder: Path) -> None:
    """Write every schema into `folder`."""
    for name, schema in build_schemas().items():
        (folder / name).write_text(json.dumps(schema, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _schema(model: type[BaseModel]) -> dict[str, Any]:
    schema = model.model_json_schema(by_alias=True, mode="validation")
    definitions = schema.get("$defs", {})
    for name, keys in FILLED_IN.items():
        filled_in = schema if name == model.__name__ else definitions.get(name)
        for key in keys if filled_in is not None else ():
            filled_in["properties"].pop(key)
    for name, short in SHORT_FORMS.items():
        if name in definitions:
            definitions[name] = {"anyOf": [short, definitions[name]]}
    return {"$schema": DIALECT, **schema}


if __name__ == "__main__":
    write_schemas(gallery_folder())
