"""The page of a run on both clocks: what each client came to on the one and on the other, side by side.

agreement.json ──► AgreementText ──► report.html, summary.md of the folder that holds both runs
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from windtunnel.harness.contract.files import write_whole
from windtunnel.reports.page.html import rendered
from windtunnel.reports.page.labels import label, limit, say
from windtunnel.reports.page.markdown import table, text
from windtunnel.reports.page.rows import HEADLINES

NOT_SOUND = "not compared: the measurement of a clock is not valid or not whole"


@dataclass(frozen=True, slots=True)
class Pair:
    """What is compared, on the virtual and on the real clock; `same` is None for a figure that nobody judges."""

    name: str
    virtual: str
    real: str
    same: bool | None


@dataclass(frozen=True, slots=True)
class ClientAgreement:
    """One client on both clocks. `mark` and `headline` say the same without colour."""

    client: str
    mark: str
    headline: str
    calls: str
    verdicts: tuple[Pair, ...]
    metrics: tuple[Pair, ...]


@dataclass(frozen=True, slots=True)
class AgreementText:
    """The whole page in words."""

    title: str
    seed: int
    agrees: bool | None
    headline: str
    clients: tuple[ClientAgreement, ...]


def write_agreement(folder: Path, found: Mapping[str, Any]) -> AgreementText:
    """Write report.html and summary.md of a comparison (the contents of agreement.json) into `folder`."""
    told = agreement_text(found)
    write_whole(folder / "summary.md", markdown(told))
    write_whole(folder / "report.html", rendered("agreement.html.j2", a=told))
    return told


def agreement_text(found: Mapping[str, Any]) -> AgreementText:
    """Put a comparison into words."""
    clients = tuple(_client(name, one) for name, one in found["clients"].items())
    sound = [one for one in found["clients"].values() if one["sound"]]
    count = sum(len(one["verdicts"]) for one in sound)
    differ = sum(not verdict["same"] for one in sound for verdict in one["verdicts"])
    if found["agrees"] is None:
        headline = "Nothing could be compared: no client has a valid measurement on both clocks."
    elif found["agrees"]:
        headline = f"Both clocks agree in all {count} verdicts."
    else:
        headline = f"The clocks differ in {differ} of {count} verdicts."
    if sound and len(sound) < len(clients):
        headline += f" {len(clients) - len(sound)} of {len(clients)} clients could not be compared."
    return AgreementText(str(found["scenario"]), int(found["seed"]), found["agrees"], headline, clients)


def _client(name: str, found: Mapping[str, Any]) -> ClientAgreement:
    differ = sum(not verdict["same"] for verdict in found["verdicts"])
    count = len(found["verdicts"])
    if not found["sound"]:
        mark, headline = "?", NOT_SOUND
    elif differ:
        mark, headline = "✗", f"{differ} of {count} verdicts differ"
    else:
        mark, headline = "✓", f"the same in all {count} verdicts"
    return ClientAgreement(
        name,
        mark,
        headline,
        _calls(found["calls"]),
        tuple(map(_verdict, found["verdicts"])),
        tuple(_metrics(found["metrics"])),
    )


def _calls(found: Mapping[str, Any] | None) -> str:
    if found is None:
        return "A clock has no records of its calls."
    waits = found["waits"]
    told = ", ".join(
        f"{say(waits[key]['virtual'], 'seconds')} and {say(waits[key]['real'], 'seconds')} {words}"
        for key, words in (("p50_s", "in the middle"), ("p99_s", "at the 99th percentile"))
    )
    return (
        f"{found['count']:,} calls: {say(found['same'], 'share')} have the same outcome and number of attempts on both "
        f"clocks. Waits, virtual and real: {told}. {say(found['outcomes_distance'], 'share')} of the outcomes are "
        "distributed otherwise."
    )


def _verdict(found: Mapping[str, Any]) -> Pair:
    name, _, rest = str(found["name"]).partition(" ")
    metric, _, phase = name.partition("@")
    said = label(metric)
    text = (
        said.text + (f" in phase {phase}" if phase else "") + (f": {limit(rest, said.kind)}" if rest else "")
    )
    words = {True: "yes", False: "no", None: "not known"}
    here, there = (words.get(found[clock], str(found[clock])) for clock in ("virtual", "real"))
    return Pair(text, here, there, bool(found["same"]))


def _metrics(found: Iterable[Mapping[str, Any]]) -> Iterable[Pair]:
    """The metrics of the report's own table; all others are in agreement.json."""
    shown = [
        one
        for one in found
        if one["name"] in HEADLINES and (one["phase"] is None or one["name"] == "goodput")
    ]
    for one in sorted(shown, key=lambda one: HEADLINES.index(one["name"])):
        said = label(one["name"])
        where = f", in phase {one['phase']}" if one["phase"] else ""
        yield Pair(said.text + where, say(one["virtual"], said.kind), say(one["real"], said.kind), None)


def markdown(told: AgreementText) -> str:
    """summary.md."""
    parts = [
        f"# windtunnel: {text(told.title)} on both clocks",
        f"**{text(told.headline)}** Seed {told.seed}. "
        "The runs themselves: [virtual](virtual/summary.md), [real](real/summary.md).",
    ]
    for one in told.clients:
        parts += [f"## {one.mark} {text(one.client)}: {text(one.headline)}", text(one.calls)]
        parts.append(table(["Verdict", "virtual", "real", ""], (_line(pair) for pair in one.verdicts)))
        parts.append(table(["Metric", "virtual", "real"], (_line(pair)[:3] for pair in one.metrics)))
    return "\n\n".join(parts) + "\n"


def _line(pair: Pair) -> list[str]:
    sign = {True: "✓ same", False: "✗ **differs**", None: ""}[pair.same]
    return [text(pair.name), text(pair.virtual), text(pair.real), sign]
