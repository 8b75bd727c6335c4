"""summary.md: the report in Markdown, short enough for a pull request."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from windtunnel.harness.contract.text import printable
from windtunnel.reports.charts.svg import slug
from windtunnel.reports.figures.validity import State
from windtunnel.reports.gate.expectations import Result
from windtunnel.reports.page.content import ReportContent
from windtunnel.reports.page.regions import HEADS
from windtunnel.reports.page.rows import CellText, Row

SIGNS: Mapping[Result, str] = {"passed": "✓", "failed": "✗", "undecided": "?"}
_SPECIAL = str.maketrans(
    {sign: f"\\{sign}" for sign in "\\|*_`[]#"} | {"<": "&lt;", ">": "&gt;", "&": "&amp;"}
)


def summary(content: ReportContent) -> str:
    """The Markdown, with charts by relative path."""
    parts: list[str] = [f"# windtunnel: {text(content.title)}", text(content.about)]
    parts += [*_alarms(content), *_grid(content)]
    parts += [_verdicts(content), _expectations(content), _changes(content), *_seeds(content)]
    parts += ["## Metrics", _metrics(content.clients, content.headlines)]
    parts += [
        content.reading,
        "\n".join(f"- {text(note)}" for note in content.notes),
        *_regions(content),
        *_gateway(content),
        "## Is the measurement valid?",
        _checks(content),
    ]
    parts += [
        "## Over time",
        *(f"![{text(c)} over time](charts/{slug(f'timeline-{c}')}.svg)" for c in content.clients),
    ]
    parts += ["## Reproduce", "```sh\n" + "\n".join(content.commands) + "\n```", _versions(content)]
    return "\n\n".join(part for part in parts if part) + "\n"


def text(raw: str) -> str:
    """`raw` without any meaning in Markdown, or to a terminal."""
    return printable(" ".join(raw.translate(_SPECIAL).split()))


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table: the first column left, the others right. Cells are Markdown already."""
    lines = [head, [":--", *("--:" for _ in head[1:])], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _alarms(content: ReportContent) -> list[str]:
    alarms = []
    if not content.valid:
        failed = [f"> - {text(c.sentence)}" for c in content.checks if c.passed is False]
        helps = (f"> - What helps: {text(r)}" for r in content.remedies)
        lines = "\n".join([*failed, *(f"> - {text(t)}" for t in content.troubles), *helps])
        alarms.append(
            f"> [!CAUTION]\n> **✗ INVALID: this measurement does not count.** Draw no conclusions.\n{lines}"
        )
    if content.state == "noisy":
        late = [f"> - {text(c.sentence)}" for c in content.checks if c.state == "noisy"]
        lines = "\n".join([*late, *(f"> - What helps: {text(r)}" for r in content.remedies)])
        alarms.append(
            f"> [!NOTE]\n> **Noisy: the harness was late by more than it should be.** Verdicts stand; times that this "
            f"could have moved are shown with ± the lag.\n{lines}"
        )
    if content.partial:
        lines = "\n".join(f"> - {text(t)}" for t in content.troubles) if content.valid else ""
        alarms.append(f"> [!WARNING]\n> **Partial: {content.why_partial}.**\n{lines}".rstrip())
    return alarms


def _verdicts(content: ReportContent) -> str:
    return "\n".join(
        line
        for v in content.verdicts
        for line in (
            f"- {v.mark} **{text(v.client)}: {text(v.headline)}.** {text(v.sentence)}",
            *(f"  - {text(error)}" for error in v.errors),
        )
    )


def _expectations(content: ReportContent) -> str:
    if not content.expectations:
        return ""
    failed = f"✗ {content.failed} of {content.asked} failed" if content.failed else ""
    undecided = f"? {content.undecided} of {content.asked} undecided" if content.undecided else ""
    heading = ", ".join(filter(None, (failed, undecided))) or f"✓ all {content.asked} passed"
    rows = [
        [text(e.text), *(f"{SIGNS[r[1]]} {text(r[0])}" if r else "not asked" for r in e.results)]
        for e in content.expectations
    ]
    found = table(["The scenario expects", *map(text, content.clients)], rows)
    return "\n\n".join(
        part for part in (f"## Expectations: {heading}", found, text(content.failed_elsewhere)) if part
    )


def _changes(content: ReportContent) -> str:
    """What to change, a line each."""
    lines = [
        f"- {c.mark} **{text(c.client)}**: {text(c.sentence)} {text(c.cure)}"
        + (f" `{c.setting}`" if c.setting else "")
        + (f" Calls: {text(', '.join(c.calls))}." if c.calls else "")
        for c in content.changes
    ]
    return "## What to change\n\n" + "\n".join(lines) if lines else ""


def _metrics(clients: Sequence[str], rows: Iterable[Row]) -> str:
    return table(["Metric", *map(text, clients)], (_line(row) for row in rows))


def _regions(content: ReportContent) -> list[str]:
    """How each client fared with each region."""
    if not content.regions:
        return []
    rows = [
        [text(region), text(client), *map(text, figures)]
        for region, clients in content.regions
        for client, figures in clients
    ]
    return ["## By region", table(["Region", "Client", *HEADS], rows)]


def _grid(content: ReportContent) -> list[str]:
    """What a run that varies says of its cells."""
    grid = content.grid
    if grid is None:
        return []
    parts = [
        f"## {text(grid.label.text)}: {grid.direction}",
        "\n".join(f"- {text(one.text)}" for one in grid.answers),
    ]
    for panel in grid.panels:
        head = [text(panel.title), *map(text, grid.columns)]
        parts.append(
            table(head, ([text(row), *(text(f.text) for f in fields)] for row, fields in panel.rows))
        )
    parts += [text(f"{grid.legend} {grid.how}".replace("Hatched: no", "No sign: worse, or no"))]
    for cuts in grid.cuts:
        parts += [
            f"What timeouts would have cut, {text(cuts.title)} (in brackets: the upper end of the 95 % interval)",
            table(
                ["Timeout", *map(text, cuts.layers)],
                ([text(row), *map(text, cells)] for row, cells in cuts.rows),
            ),
        ]
    return [*parts, f"Below: the {grid.shown} cells to take. All {grid.of} are in grid.csv and metrics.json."]


def _gateway(content: ReportContent) -> list[str]:
    """What is said of the gateway, if there was one."""
    gateway = content.gateway
    if gateway is None:
        return []
    return [
        f"## The gateway: {text(gateway.name)}",
        text(gateway.about),
        "\n".join(f"- {text(line)}" for line in (*gateway.lines, *gateway.deaths)),
        _metrics(content.clients, content.gateway_rows),
    ]


def _line(row: Row) -> list[str]:
    where = f", in phase {row.where}" if row.where else ""
    unit = f" ({row.label.unit})" if row.label.unit else ""
    return [text(row.label.text + where) + unit, *(_figure(cell) for cell in row.cells)]


def _figure(cell: CellText) -> str:
    shown = text(cell.text) or " "
    return {"best": f"▲ **{shown}**", "worst": f"▼ *{shown}*", "": shown}[cell.mark]


def _seeds(content: ReportContent) -> list[str]:
    """What a run over seeds has to say of them."""
    seeds = content.seeds
    if seeds is None:
        return []
    left_out = (
        f" of {seeds.asked} ({seeds.left_out} plays did not come to their end)" if seeds.left_out else ""
    )
    rows = [
        [
            text(h.text),
            *(f"{'✓' if r[1] else '✗'} {text(' '.join(r[::2]))}" if r else "not asked" for r in h.results),
        ]
        for h in seeds.held
    ]
    spread = [
        [
            f"{text(g.text)}: {text(line.client)}{f' ({line.over})' if line.over else ''}",
            text(line.median),
            text(line.low),
            text(line.high),
        ]
        + [f"{text(value)} (seed {seed})" for value, seed in (line.least, line.most)]
        for g in seeds.groups
        for line in g.lines
    ]
    head = ["Metric", "Median", "5th percentile", "95th percentile", "Least", "Most"]
    return [
        f"## Over {seeds.played} seeds{left_out}",
        table(["In how many seeds", *map(text, content.clients)], rows),
        table(head, spread),
        f"To play one seed again: `{seeds.replay}`",
    ]


def _checks(content: ReportContent) -> str:
    signs: dict[State, str] = {"valid": "✓ ", "noisy": "~ ", "invalid": "✗ "}
    rows = [
        [text(c.text), ("" if c.passed is None else signs[c.state]) + text(c.value), text(c.limit)]
        for c in content.checks
    ]
    return (
        {"valid": "Yes.", "noisy": "Noisy.", "invalid": "**No.**"}[content.state]
        + "\n\n"
        + table(["Check", "Found", "Allowed"], rows)
        + "".join(f"\n\n{text(remark)}" for remark in content.remarks)
    )


def _versions(content: ReportContent) -> str:
    versions = ", ".join(f"{text(name)} {text(number)}" for name, number in content.versions)
    seeds = (
        f"Seeds {content.seeds.first} to {content.seeds.last}" if content.seeds else f"Seed {content.seed}"
    )
    others = "".join(
        f" {text(client)} was played by {text(player)}." for client, player in content.players.items()
    )
    return f"{seeds}, {content.clock}. {versions}.{others}"
