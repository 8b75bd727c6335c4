"""What clients make of the faults, as Markdown: a table for each fault, and what stands out of all of them.

The sentences are those that `windtunnel.harness.matrix` measures; the marks below are the words by which they are
found.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeAlias

Seen: TypeAlias = dict[str, dict[str, str]]
"""What clients make of one fault: by form of the answer (`chat streamed`), then by client."""

SILENT = "silent"
ENDLESS = "never fires"
TRUE = "success: complete and true"
RETRIED = "; retried"
NOT_RETRIED = "; not retried"

_BASES: tuple[str, ...] = ("chat streamed", "chat whole", "responses streamed", "responses whole")
_TOGETHER: dict[tuple[str, ...], str] = {
    _BASES: "every form",
    ("chat streamed", "responses streamed"): "streamed",
    ("chat whole", "responses whole"): "not streamed",
    ("chat streamed", "chat whole"): "chat",
    ("responses streamed", "responses whole"): "responses",
    ("chat whole",): "chat not streamed",
    ("responses whole",): "responses not streamed",
}
_NOTHING = "–"


def clients_table(seen: Seen, versions: Mapping[str, str]) -> str:
    """What clients make of one fault: a row for all forms in which it is the same, a column a client."""
    clients = list(versions) or sorted({client for row in seen.values() for client in row})
    titles = [f"{client} {versions.get(client, '')}".strip() for client in clients]
    same_rows: dict[tuple[str, ...], list[str]] = {}
    for form, row in seen.items():
        same_rows.setdefault(tuple([row.get(client, "not measured") for client in clients]), []).append(form)
    rows = [
        f"| {together(forms)} | " + " | ".join([cell(text) for text in _ditto(row)]) + " |"
        for row, forms in same_rows.items()
    ]
    head = f"| what clients make of it | {' | '.join(titles)} |"
    return "\n".join((head, "| --- " * (len(clients) + 1) + "|", *rows))


def build_clients(faults: Mapping[str, Seen], versions: Mapping[str, str]) -> str:
    """What stands out: what passes for success, what no timeout ends, what the SDK retries."""
    titles = " | ".join([f"{client} {number}" for client, number in versions.items()])
    rows = [f"| {_link(name)} | {' | '.join(_silent(seen, versions))} |" for name, seen in faults.items()]
    nothing = f" | {' | '.join([_NOTHING] * len(versions))} |"
    silent = [row for row in rows if not row.endswith(nothing)]
    endless = [name for name, seen in faults.items() if _forms(seen, ENDLESS)]
    harmless = [name for name, seen in faults.items() if _all_true(seen)]
    return "\n".join(
        (
            "The client takes it for a success, and the content is wrong or incomplete:",
            "",
            f"| fault | {titles} |",
            "| --- " * (len(versions) + 1) + "|",
            *silent,
            "",
            f"- No read timeout ends these, however short it is: {_links(endless)}.",
            f"- These do no harm to any of the three clients: {_links(harmless)}.",
            f"- openai retries by default: {', '.join(_by_sdk(faults, RETRIED))}.",
            f"- openai reports, and does not retry: {', '.join(_by_sdk(faults, NOT_RETRIED))}.",
            "",
        )
    )


def together(forms: Iterable[str]) -> str:
    """One name for several forms: `streamed`, or `every form: by default or `html=true``."""
    bases: dict[str, list[str]] = {}
    for form in forms:
        base, _, params = form.partition(", ")
        bases.setdefault(params, []).append(base)
    params_of: dict[tuple[str, ...], list[str]] = {}
    for params, base_forms in bases.items():
        params_of.setdefault(tuple(base_forms), []).append(params)
    parts = []
    for names, several in params_of.items():
        label = _TOGETHER.get(names, ", ".join(names))
        how = " or ".join([params or "by default" for params in several])
        parts.append(label if several == [""] else f"{label}: {how}")
    return "; ".join(parts)


def cell(text: str) -> str:
    """A text as it can stand in a table."""
    return text.replace("|", "\\|").replace("\n", " ")


def _ditto(row: tuple[str, ...]) -> list[str]:
    """The row, with what the first client makes of it written once."""
    return [text if i == 0 or text != row[0] or len(row) == 1 else "the same" for i, text in enumerate(row)]


def _silent(seen: Seen, clients: Iterable[str]) -> list[str]:
    return [together(_forms(seen, SILENT, client)) or _NOTHING for client in clients]


def _forms(seen: Seen, mark: str, client: str | None = None) -> list[str]:
    """The forms in which a client (any of them, if None) makes of it something with these words."""
    return [
        form
        for form, row in seen.items()
        if any(mark in text for name, text in row.items() if client in (None, name))
    ]


def _all_true(seen: Seen) -> bool:
    return {text for row in seen.values() for text in row.values()} == {TRUE}


def _by_sdk(faults: Mapping[str, Seen], mark: str) -> list[str]:
    """The faults with this end of a sentence, and in which forms where another form is retried, or is not."""
    found = []
    for name, seen in faults.items():
        forms = _forms(seen, mark)
        failed = [*_forms(seen, RETRIED), *_forms(seen, NOT_RETRIED)]
        if forms:
            found.append(_link(name) if len(forms) == len(failed) else f"{_link(name)} ({together(forms)})")
    return found


def _links(names: Iterable[str]) -> str:
    return ", ".join([_link(name) for name in names])


def _link(name: str) -> str:
    return f"[`{name}`](#{name})"
