"""A check as Markdown for a comment on a pull request: what did not pass first, never more than GitHub takes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from windtunnel.harness.contract.text import printable
from windtunnel.reports.check.model import CheckedExpectation, CheckedRun, CheckResult, Example
from windtunnel.reports.check.strips import drawn, legend
from windtunnel.reports.check.words import (
    NONE,
    SIGNS,
    compared_cells,
    compared_summary,
    conclusion_text,
    interval_text,
    limit_text,
    margin_text,
    open_compared,
    result_text,
    run_text,
    sign_of,
    value_text,
)
from windtunnel.reports.page.labels import label
from windtunnel.reports.page.markdown import text

MOST_BYTES: Final = 59_000
"""GitHub takes 65,536 characters in a comment; what a workflow adds around it needs room, too."""
HEAD: Final = ("", "Client", "Metric", "Value", "Interval", "Limit", "Margin", "Result")
COMPARED_HEAD: Final = (
    "",
    "Client",
    "Metric",
    "Baseline",
    "Now",
    "Difference",
    "Interval",
    "Floor",
    "Verdict",
)
MOST_COMPARED: Final = 12
WORDS: Final = ("", "Client", "Metric", "Result", "Verdict")
"""Columns that hold words; those of all others are values."""
NO_BREAK: Final = "\u00a0"
FEWEST_ROWS: Final = 3


def markdown(result: CheckResult) -> str:
    """The whole comment. Where it would be too long, passed rows go first, then the last of the others."""
    most = max((max(len(run.checked), MOST_COMPARED) for run in result.runs), default=0)
    runs = len(result.runs)
    while True:
        content = "\n\n".join(_parts(result, most, runs)) + "\n"
        if len(content.encode()) <= MOST_BYTES:
            return content
        if most > FEWEST_ROWS:
            most //= 2
        elif runs > 1:
            runs //= 2
        else:
            return content.encode()[:MOST_BYTES].decode(errors="ignore")


def _parts(result: CheckResult, most: int, runs: int) -> Iterator[str]:
    yield f"## windtunnel: {text(conclusion_text(result))}"
    order = sorted(result.runs, key=_is_quiet)
    for run in order[:runs]:
        yield from _run(run, most)
    if len(order) > runs:
        yield f"… and {len(order) - runs} more runs, which have no room here: JUnit and JSON have all."


def _is_quiet(run: CheckedRun) -> bool:
    return not (run.troubles or run.wrong or _open(run) or open_compared(run, 1)[0])


def _open(run: CheckedRun) -> list[CheckedExpectation]:
    return sorted(
        (one for one in run.checked if one.result != "passed"), key=lambda one: one.result == "undecided"
    )


def _run(run: CheckedRun, most: int) -> Iterator[str]:
    yield f"### {text(run_text(run))}"
    if run.troubles:
        lines = "\n".join(f"> - {text(trouble)}" for trouble in run.troubles)
        yield f"> [!CAUTION]\n> **This measurement does not count.** Draw no conclusions from it.\n{lines}"
    if run.wrong:
        lines = "\n".join(f"> - {text(wrong)}" for wrong in run.wrong)
        yield f"> [!CAUTION]\n> **The input is wrong.**\n{lines}"
    opened = _open(run)
    if opened:
        yield _table(HEAD, [_row(one) for one in opened[:most]])
        if len(opened) > most:
            yield f"… and {len(opened) - most} more that did not pass: JUnit and JSON have all."
        yield from _look(opened[:most], run)
    yield from _compared(run, most)
    passed = [one for one in run.checked if one.result == "passed"]
    if passed and len(run.checked) <= most:
        rows = _table(HEAD, [_row(one) for one in passed])
        yield f"<details><summary>{len(passed)} passed</summary>\n\n{rows}\n\n</details>"
    elif passed:
        yield f"{len(passed)} passed."
    yield from _strips(run)
    if run.notes:
        yield "\n".join(f"- {text(note)}" for note in run.notes)
    versions = ", ".join(
        f"{name} {run.versions[name]}" for name in ("windtunnel", "openai", "python") if name in run.versions
    )
    if versions:
        yield f"<sub>{text(versions)}{f', digest {text(run.digest)}' if run.digest else ''}</sub>"


def _row(one: CheckedExpectation) -> list[str]:
    sign = SIGNS[one.result]
    cells = (value_text(one), interval_text(one), limit_text(one), margin_text(one), result_text(one))
    return [sign, f"**{text(one.client)}**", _metric(one.name), *map(text, cells)]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Words to the left, values to the right and never broken; a column without any value is left out."""
    kept = [at for at, name in enumerate(head) if name in WORDS or any(row[at] != NONE for row in rows)]
    lines = [[head[at] for at in kept], [":--" if head[at] in WORDS else "--:" for at in kept]]
    lines += [
        [row[at] if head[at] in WORDS else row[at].replace(" ", NO_BREAK) for at in kept] for row in rows
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _metric(name: str) -> str:
    return f"{text(label(name.partition('@')[0]).text)}<br>{code(name)}"


def _look(opened: Sequence[CheckedExpectation], run: CheckedRun) -> Iterator[str]:
    shown: dict[Example, list[str]] = {}
    for one in opened:
        if one.look:
            shown.setdefault(one.look, []).append(one.name)
    lines = [_look_line(look, names) for look, names in shown.items()]
    yield _folded("Where to look", [*lines, f"- the whole report: {code(run.page)}"])


def _look_line(look: Example, names: Sequence[str]) -> str:
    return f"- {code(look.command)}: {text(look.told)} ({', '.join(code(name) for name in names)})"


def _folded(title: str, lines: Sequence[str]) -> str:
    return f"<details><summary>{title}</summary>\n\n" + "\n".join(lines) + "\n\n</details>"


def _compared(run: CheckedRun, most: int) -> Iterator[str]:
    if not run.compared:
        return
    shown, more = open_compared(run, min(most, MOST_COMPARED))
    yield f"**Against the baseline** {code(str(run.baseline))}:"
    yield "\n".join(f"- {text(line)}" for line in compared_summary(run))
    if shown:
        rows = [
            [sign_of(one), f"**{text(one.client)}**", _metric(one.name), *map(text, compared_cells(one)[2:])]
            for one in shown
        ]
        yield _table(COMPARED_HEAD, rows)
    if more:
        yield f"… and {more} more such metrics: JSON has all."
    looks = {one.look: one.name for one in reversed(shown) if one.look}
    if looks:
        yield _folded(
            "Where to look: the baseline", [_look_line(look, [name]) for look, name in looks.items()][::-1]
        )


def _strips(run: CheckedRun) -> Iterator[str]:
    """Goodput over time, a line a client."""
    if not run.strips:
        return
    width = max(len(client) for client in run.strips)
    lines = [f"{client:<{width}}  {drawn(strip)}" for client, strip in run.strips.items()]
    columns = len(next(iter(run.strips.values())).shares)
    lines.append(f"{'':<{width}}  {legend(run.phases, columns)}")
    yield "Good calls over time (`█` all of them, `▁` none, `!` the fault):\n\n" + fenced(lines)


def fenced(lines: Sequence[str]) -> str:
    """Lines of a block of code, which none of them can end."""
    body = "\n".join(printable(line.replace("\n", " ")).replace("`", "'") for line in lines)
    return f"```text\n{body}\n```"


def code(raw: str) -> str:
    """`raw` as code, in a table as well."""
    plain = printable(" ".join(raw.split())).replace("`", "'").replace("|", "\\|")
    return f"`{plain}`"
