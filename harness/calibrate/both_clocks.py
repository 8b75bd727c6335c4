"""One run on both clocks, compared: per client its verdicts, its metrics side by side, and how alike the calls are.

OUT/virtual, OUT/real (run directories) ─► agreement.json ─► the page of the reports
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from windtunnel.harness.calibrate import agreement
from windtunnel.harness.calibrate.verdicts import verdicts_of

SCHEMA_VERSION = 1


def compare(virtual: Path, real: Path) -> dict[str, Any]:
    """The contents of agreement.json for two run directories that have reports.

    `agrees` is over the clients that are `sound` on both clocks: null if there is none.
    """
    here, there = _metrics(virtual), _metrics(real)
    clients = {
        client: _of_client(client, (virtual, here), (real, there))
        for client in here["clients"]
        if client in there["clients"]
    }
    sound = [found for found in clients.values() if found["sound"]]
    return {
        "schema_version": SCHEMA_VERSION,
        "scenario": here["scenario"],
        "seed": here["seed"],
        "agrees": all(v["same"] for found in sound for v in found["verdicts"]) if sound else None,
        "clients": clients,
    }


def _metrics(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    return found


def _of_client(
    client: str, virtual: tuple[Path, Mapping[str, Any]], real: tuple[Path, Mapping[str, Any]]
) -> dict[str, Any]:
    here, there = verdicts_of(virtual[1], client), verdicts_of(real[1], client)
    cells = [cell for _, metrics in (virtual, real) for cell in metrics["cells"] if cell["client"] == client]
    return {
        "sound": all(cell["state"] != "invalid" and not cell["partial"] for cell in cells),
        "verdicts": [
            {
                "name": name,
                "virtual": here.get(name),
                "real": there.get(name),
                "same": here.get(name) == there.get(name),
            }
            for name in dict.fromkeys((*here, *there))
        ],
        "metrics": list(_side_by_side(virtual[1]["clients"][client], real[1]["clients"][client])),
        "calls": _calls(client, virtual[0], real[0]),
    }


def _side_by_side(virtual: Mapping[str, Any], real: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Every metric that has a value on one of the clocks: over the whole run (phase null), then phase by phase."""
    for phase in (None, *virtual["phases"]):
        here = virtual["overall"] if phase is None else virtual["phases"][phase]
        there = real["overall"] if phase is None else real["phases"].get(phase, {})
        for name in dict.fromkeys((*here, *there)):
            values = {
                clock: figures.get(name, {}).get("value")
                for clock, figures in (("virtual", here), ("real", there))
            }
            if any(value is not None for value in values.values()):
                yield {"name": name, "phase": phase, **values}


def _calls(client: str, virtual: Path, real: Path) -> dict[str, Any] | None:
    """How alike the calls are; None where a clock has no records of them.

    `same` is the share of calls with one outcome and one number of attempts; the distances are those of `calibrate`,
    and `by_chance` is how far two plays of one clock are apart in one of twenty cases.
    """
    mine, theirs = _all_calls(client, virtual), _all_calls(client, real)
    if mine is None or theirs is None:
        return None
    return {
        "count": len(mine),
        "same": agreement.same_share(mine, theirs),
        "waits": {
            f"p{q * 100:g}_s": {"virtual": mine_s, "real": theirs_s}
            for q, (mine_s, theirs_s, _) in agreement.quantile_errors(mine, theirs).items()
        },
        "waits_distance": agreement.distance(mine["wait_s"].dropna(), theirs["wait_s"].dropna()),
        "attempts_distance": agreement.distance(mine["attempts"], theirs["attempts"]),
        "outcomes_distance": agreement.share_apart(mine["outcome"], theirs["outcome"]),
        "by_chance": agreement.chance_distance(len(mine), len(theirs)),
    }


def _all_calls(client: str, run: Path) -> pd.DataFrame | None:
    """The calls of all repeats of a client, by repeat and call id."""
    plan = json.loads((run / "plan.json").read_text(encoding="utf-8"))
    folders = {cell["repeat"]: run / cell["dir"] for cell in plan["cells"] if cell["client"] == client}
    if not all((folder / "calls.parquet").is_file() for folder in folders.values()):
        return None
    calls = pd.concat({repeat: agreement.calls_of(folder) for repeat, folder in folders.items()})
    return calls if calls["wait_s"].notna().any() else None
