"""What `windtunnel replay` prints, and its exit code."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from rich.console import Console

from windtunnel.harness.replay.replay import Replay, replay
from windtunnel.harness.replay.timeline import as_json, show

DIFFERENT = 3


def replay_command(
    run_dir: Path, call_id: str, *, client: str | None, repeat: int | None, as_json_text: bool
) -> int:
    """Replay and print; gives the exit code: 3 if the replay did not repeat the record."""
    with Console(stderr=True).status("Playing the cell again …") as status:
        found = replay(
            run_dir,
            call_id,
            client=client,
            repeat=repeat,
            progress=lambda at_s: status.update(f"Playing the cell again … at {at_s:,.1f} s"),
        )
    if as_json_text:
        print(json.dumps(_as_json(found), indent=1, ensure_ascii=False))
    else:
        _show(found, call_id)
    for difference in found.differences:
        print(f"windtunnel: the replay does not repeat the record: {difference}", file=sys.stderr)
    return 0 if found.repeats else DIFFERENT


def _show(found: Replay, call_id: str) -> None:
    console = Console(highlight=False)
    plan = found.plan
    print(f"Call {call_id} of {plan.client}, repeat {plan.repeat}, in {plan.scenario}, seed {plan.seed}")
    compared = ", ".join(f"{count} {table}" for table, count in found.rows.items())
    print(
        f"Played again up to its end; as recorded: {compared}"
        if found.repeats
        else "Not as recorded: see below"
    )
    print()
    show(found.events, found.start_s, console)


def _as_json(found: Replay) -> dict[str, object]:
    plan = found.plan
    return {
        "scenario": plan.scenario,
        "client": plan.client,
        "repeat": plan.repeat,
        "seed": plan.seed,
        "call": found.call,
        "repeats_the_record": found.repeats,
        "rows_compared": found.rows,
        "differences": list(found.differences),
        "events": [
            {**as_json(event), "since_start_s": round(event.at_s - found.start_s, 6)}
            for event in found.events
        ],
    }
