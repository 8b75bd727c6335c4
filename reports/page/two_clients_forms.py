"""The words of `windtunnel ab` in each form: on the terminal, as a page, and as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from windtunnel.reports.page.html import rendered
from windtunnel.reports.page.markdown import table, text
from windtunnel.reports.page.two_clients import AbText, CallText, RowText

MOST_IN_SUMMARY: Final = 60
"""Rows of a scenario in summary.md, which has to fit a comment; the page has all."""
MOST_NAMES: Final = 3
"""Metrics that are named beside the call that shows them; the page names all."""


def ab_page(words: AbText) -> str:
    """ab.html."""
    return rendered("ab.html.j2", a=words)


def ab_lines(words: AbText, *, every: bool = False) -> list[str]:
    """What is printed on the terminal: a table for each scenario, of the rows that differ, or of `every` row."""
    lines = [f"A / B: {words.versions}"] if words.versions else []
    for one in words.scenarios:
        about = f" ({one.incidents})" if one.incidents else ""
        lines.append(f"{one.mark} {one.name}: {one.headline}{about}")
        lines += [f"  ✗ {trouble}" for trouble in one.troubles]
        rows = one.rows if every else one.differing
        if rows:
            lines += [f"  {line}" for line in _columns(words, rows)]
        lines += [f"  {one.errors}"] if one.errors else []
        if one.first is not None and not one.calls:
            lines += [f"  {line}" for line in (one.first.sentence, *(f"  {c}" for c in one.first.commands))]
        for shown in one.calls[:1]:
            lines += [f"  {line}" for line in _call_lines(shown.call, shown.names)]
    return [*lines, f"{words.mark} {words.headline}"]


def _columns(words: AbText, rows: Sequence[RowText]) -> list[str]:
    head = ("metric", f"A {words.a}", f"B {words.b}", "B − A", "95 % interval", "verdict")
    cells = [
        (row.name, row.a, row.b, row.difference, row.interval, f"{row.mark} {row.verdict}" + _noted(row))
        for row in rows
    ]
    widths = [max(len(line[i]) for line in (head, *cells)) for i in range(len(head) - 1)]
    return [
        "  ".join([line[0].ljust(widths[0]), *(line[i].rjust(widths[i]) for i in range(1, 5)), line[5]])
        for line in (head, *cells)
    ]


def _noted(row: RowText) -> str:
    return f" ({row.note})" if row.note else ""


def _call_lines(call: CallText, names: Sequence[str]) -> list[str]:
    return [
        f"{_few(names)}: call {call.call_id} differs most ({call.seed}). A: {call.a}. B: {call.b}.",
        *(f"  {command}" for command in call.commands),
    ]


def _few(names: Sequence[str]) -> str:
    """The first names; how many more there are."""
    more = len(names) - MOST_NAMES
    return ", ".join(names[:MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


def ab_markdown(words: AbText) -> str:
    """summary.md: short enough for a pull request."""
    parts = [
        f"# {words.mark} windtunnel ab: {text(words.headline)}",
        f"A: {text(words.a)} · B: {text(words.b)}",
    ]
    for one in words.scenarios:
        about = f" ({text(one.incidents)})" if one.incidents else ""
        parts.append(f"## {one.mark} {text(one.name)}: {text(one.headline)}{about}")
        parts.append("\n".join(f"- ✗ {text(trouble)}" for trouble in one.troubles))
        rows = one.differing[:MOST_IN_SUMMARY]
        if rows:
            parts.append(table(["Metric", "A", "B", "B − A", "95 % interval", "Verdict"], map(_line, rows)))
        left = len(one.differing) - len(rows)
        parts.append(f"{left} more differ: they are in ab.html." if left else "")
        parts.append(text(one.errors))
        if one.first is not None and not one.calls:
            parts += [text(one.first.sentence), "```sh\n" + "\n".join(one.first.commands) + "\n```"]
        for shown in one.calls[:1]:
            said, *commands = _call_lines(shown.call, shown.names)
            parts.append(text(said))
            parts += ["```sh\n" + "\n".join(shown.call.commands) + "\n```"] if commands else []
    parts.append(words.method)
    return "\n\n".join(part for part in parts if part) + "\n"


def _line(row: RowText) -> list[str]:
    where = f", in phase {row.where}" if row.where else ""
    verdict = f"{row.mark} **{row.verdict}**" if row.state == "worse" else f"{row.mark} {row.verdict}"
    cells = (row.a, row.b, row.difference, row.interval)
    return [text(row.label + where), *map(text, cells), verdict + text(_noted(row))]
