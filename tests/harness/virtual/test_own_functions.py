"""A user's own functions on the virtual clock: each kind over each transport, against the mock with faults."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.harness.virtual.shards import play
from tests.harness.virtual.test_drivers import SCENARIO, prepare, rows

FAULTY: dict[str, Any] = {
    "load": {**SCENARIO["load"], "rate": "1/s", "deadline": "2s"},
    "phases": [
        {"name": "well", "for": "2s"},
        {"name": "limited", "for": "2s", "rules": [{"fault": "rate_limit_requests", "first": 1}]},
        {
            "name": "stalled",
            "for": "2s",
            "rules": [
                {"fault": "stall", "with": {"after_chunks": 3, "seconds": "30s"}, "match": {"attempt": 0}}
            ],
        },
    ],
}
AGAIN = {"kind": "fixed", "tries": 2, "base": "200ms", "retry_on": ["everything"]}
OVER = {
    "plain": ("httpx", "httpx2", "requests", "urllib3", "urllib", "openai"),
    "async": ("httpx", "aiohttp", "openai"),
}
GROUPS = [
    [f"{kind}_{name}{way}" for name in names] for kind, names in OVER.items() for way in ("", "_stream")
]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def changes_for(name: str) -> dict[str, Any]:
    """A stall is a thing of streams."""
    if name.endswith("_stream"):
        return FAULTY
    return {**FAULTY, "load": {**FAULTY["load"], "stream": False}, "phases": FAULTY["phases"][:2]}


def parts_of(name: str) -> dict[str, Any]:
    kind = "plain" if name.startswith("plain") else "async"
    return {"target": f"own_functions:{name}", "target_kind": kind, "timeouts": {}, "retries": AGAIN}


@pytest.mark.parametrize("names", GROUPS)
def test_each_kind_over_each_transport(tmp_path: Path, names: list[str]) -> None:
    """Its attempts are the rows that the mock served, a refused or stalled one is made again, and all of it is the same
    in another process."""
    cells = [
        prepare(tmp_path / again / name, "python", changes=changes_for(name), **parts_of(name))
        for again in ("one", "two")
        for name in names
    ]
    first, second = cells[: len(names)], cells[len(names) :]
    assert play(first, 1, 200) == play(second, 2, 200) == [0] * len(names)
    for name, cell, again in zip(names, first, second, strict=True):
        one, two = (json.loads((folder / "digest.json").read_text()) for folder in (cell, again))
        assert one == two, name
        calls, attempts, served = (rows(cell, table) for table in ("calls", "attempts", "served"))
        inside = {call["call_id"]: call for call in calls if call["phase"]}
        made = {"well": 1, "limited": 2, "stalled": 2}
        found = {(call["phase"], call["outcome"], call["attempts_seen"]) for call in inside.values()}
        phases = [phase["name"] for phase in changes_for(name)["phases"]]
        assert found == {(phase, "ok", made[phase]) for phase in phases}, name
        assert sorted((row["call_id"], row["attempt"]) for row in attempts) == sorted(
            (row["call_id"], row["attempt"]) for row in served
        ), name
        assert {row["served_id"] for row in attempts} == {row["served_id"] for row in served}, name
        if "stream" in name:
            well = [call for call in inside.values() if call["phase"] == "well"]
            assert all(call["first_token_s"] is not None and call["gaps_s"] for call in well), name
