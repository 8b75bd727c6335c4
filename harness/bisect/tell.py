"""What a bisect found, in lines for a terminal and as JSON."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any

from windtunnel.harness.bisect.bisect import BisectResult, Blamed
from windtunnel.harness.bisect.followed import BEHAVIOUR
from windtunnel.harness.bisect.steps import Step
from windtunnel.harness.contract.files import write_json, write_whole

SHOWN_LINES = 12
"""Lines of a timeline that are printed; the file has all."""


PORT = re.compile(r"(?<= on)\b \d+|(?<= from)\b \d+")
"""Which port of the client a connection has, in a timeline: it says nothing."""


def lines_of(result: BisectResult) -> Iterator[str]:
    """What was found: the releases that were tried, then each change with its evidence."""
    yield (
        f"{result.package} {result.releases[0]} to {result.releases[-1]}, {result.scenario}, {result.client}: "
        f"{len(result.steps)} of {len(result.releases)} releases played"
        + (f", {len(result.broken)} skipped" if result.broken else "")
    )
    yield from _table(result)
    yield ""
    if not result.blamed:
        yield _nothing(result)
        return
    for one in result.blamed:
        yield from _blamed(result, one)
    if len(result.blamed) > 1:
        names = ", ".join(one.newer.version for one in result.blamed)
        yield f"{len(result.blamed)} releases changed it: {names}."
    yield "Between two releases that agree none was tried: what changed and changed back there is not seen."


def _table(result: BisectResult) -> Iterator[str]:
    name = "" if result.followed is None else result.followed.name
    plain = name == BEHAVIOUR
    rows = [("release", name, "" if plain else "behaviour")]
    before: Step | None = None
    for place in sorted({*result.steps, *result.broken}):
        step = result.steps.get(place)
        if step is None:
            rows.append((str(result.releases[place]), "skipped", result.broken[place]))
            continue
        value = "" if result.followed is None else result.followed.say(step.measured)
        same = before is not None and before.measured.digest == step.measured.digest
        digest = "" if plain else step.measured.digest[:8]
        rows.append((step.version, value, f"{digest} {'the same' if same else ''}".strip()))
        before = step
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    for release, value, behaviour in rows:
        yield f"  {release:<{widths[0]}}  {value:<{widths[1]}}  {behaviour}".rstrip()


def _nothing(result: BisectResult) -> str:
    ends = f"{result.releases[0]} and {result.releases[-1]}"
    if result.followed is None:
        return f"= {ends} do the same in this scenario, call for call: no release is to blame."
    steps = [result.steps[place] for place in sorted(result.steps)]
    apart = steps[0].measured.digest != steps[-1].measured.digest
    hint = " They do not do the same call for call: --metric behaviour follows that." if apart else ""
    return f"= {ends} do not differ in {result.followed.name} beyond its floor: no release is to blame.{hint}"


def _blamed(result: BisectResult, one: Blamed) -> Iterator[str]:
    assert result.followed is not None
    change, (older, newer) = one.change, (one.older, one.newer)
    values = f"{result.followed.say(older.measured)} → {result.followed.say(newer.measured)}"
    if change.open:
        yield (
            f"? {result.package}: between {older.version} and {newer.version}, {change.open} releases not tried "
            f"(--most {result.most}): {result.followed.name} {values}"
        )
    else:
        what = f"{result.followed.name} {values}"
        yield f"✗ {result.package} {newer.version} changed it: {what} (before: {older.version})"
    if change.broken:
        names = ", ".join(str(result.releases[place]) for place in change.broken)
        yield f"  between them, and skipped, so it may have been one of these: {names}"
    if change.small:
        yield "  in steps that are each below the floor; this is the largest of them"
    if one.also:
        yield f"  also different between the two environments: {', '.join(one.also)}"
    if one.call is None:
        return
    how = "differs, in times alone" if one.call.times else "differs"
    yield f"  the first call that {how}: {one.call.call_id}"
    alike = _alike(*one.timelines)
    for step, told, timeline in zip(
        (older, newer), (one.call.older, one.call.newer), one.timelines, strict=True
    ):
        yield f"    {step.version}: {told}"
        if alike:
            yield f"      … {alike} lines that are alike"
        yield from (f"      {line.strip()}" for line in timeline[alike : alike + SHOWN_LINES])
        if len(timeline) > alike + SHOWN_LINES:
            yield f"      … {len(timeline) - alike - SHOWN_LINES} more; all are in {_timeline_file(step, one)}"
        yield f"      {_replay(result.folder, step, one)}"


def _alike(older: Sequence[str], newer: Sequence[str]) -> int:
    """How many lines at the beginning of two timelines are the same, but for the numbers of ports."""
    pairs = [[PORT.sub("", line) for line in pair] for pair in zip(older, newer, strict=False)]
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _timeline_file(step: Step, one: Blamed) -> str:
    assert one.call is not None
    return f"timelines/{step.version}-{one.call.call_id}.txt"


def _replay(folder: Path, step: Step, one: Blamed) -> str:
    assert one.call is not None
    repeat = ["--repeat", str(one.call.repeat)] if one.call.repeat else []
    where = str(folder / "steps" / step.version)
    return shlex.join(["windtunnel", "replay", where, "--call", one.call.call_id, *repeat])


def write(result: BisectResult) -> None:
    """Write `bisect.json`, and the timelines in whole."""
    write_json(result.folder / "bisect.json", as_json(result), indent=1)
    for one in result.blamed:
        for step, timeline in zip((one.older, one.newer), one.timelines, strict=False):
            path = result.folder / _timeline_file(step, one)
            path.parent.mkdir(exist_ok=True)
            write_whole(path, "\n".join([*timeline, ""]))


def as_json(result: BisectResult) -> dict[str, Any]:
    """All that was found, as plain JSON types."""
    followed = result.followed
    return {
        "schema_version": 1,
        "scenario": result.scenario,
        "client": result.client,
        "package": result.package,
        "releases": [str(one) for one in result.releases],
        "followed": None if followed is None else followed.name,
        "whole": result.whole,
        "played": [
            {
                "version": step.version,
                "value": None if followed is None else followed.value(step.measured),
                "digest": step.measured.digest,
                "run_dir": str(step.folder.relative_to(result.folder)),
            }
            for _, step in sorted(result.steps.items())
        ],
        "skipped": {str(result.releases[place]): why for place, why in sorted(result.broken.items())},
        "changes": [
            {
                "before": one.older.version,
                "after": one.newer.version,
                "values": []
                if followed is None
                else [followed.value(step.measured) for step in (one.older, one.newer)],
                "skipped_between": [str(result.releases[place]) for place in one.change.broken],
                "not_tried_between": one.change.open,
                "small": one.change.small,
                "other_packages": list(one.also),
                "first_call": None
                if one.call is None
                else {
                    "call": one.call.call_id,
                    "repeat": one.call.repeat,
                    "before": one.call.older,
                    "after": one.call.newer,
                },
            }
            for one in result.blamed
        ],
    }
