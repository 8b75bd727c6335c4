"""The server's view as a page and as Markdown: the same tables, once each.

ServerView ──► ServerText(tables) ──► summary.md, report.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from windtunnel.reports.figures.server_view import (
    Abandonment,
    Attempts,
    Connections,
    Promises,
    ServerView,
    unknown_figures,
)
from windtunnel.reports.page.html import rendered
from windtunnel.reports.page.labels import say
from windtunnel.reports.page.markdown import table, text

TITLE = "The server's view"
ABOUT = (
    "The records of a mock server alone. No run with known calls stood behind them, "
    "so the clients' side is not known; what the server saw is."
)


@dataclass(frozen=True, slots=True)
class ServerTable:
    """One table: a title, a sentence on how to read it, a head and rows of words."""

    title: str
    note: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class ServerText:
    """Everything that the page says."""

    folder: str
    chips: tuple[str, ...]
    notes: tuple[str, ...]
    damages: tuple[str, ...]
    tables: tuple[ServerTable, ...]
    not_known: tuple[str, ...]


def server_text(view: ServerView, folder: str) -> ServerText:
    """Put the view into words."""
    return ServerText(
        folder=folder,
        chips=tuple(_chips(view)),
        notes=view.notes,
        damages=view.damages,
        tables=tuple(one for one in _tables(view) if one.rows),
        not_known=tuple(unknown_figures(view)),
    )


def _chips(view: ServerView) -> list[str]:
    said = [f"{view.requests:,} requests"]
    if view.first_s is not None and view.last_s is not None:
        said.append(f"over {say(view.last_s - view.first_s, 'seconds')}")
    return said


def _tables(view: ServerView) -> list[ServerTable]:
    return [
        ServerTable(
            "Attempts per call",
            "A call is one intention of a user. Where the client sent a call id the server knows which requests belong "
            "to it; otherwise that is inferred, and is shown only where it is certain enough.",
            (
                "identity",
                "requests",
                "calls",
                "attempts per call",
                "calls with a retry",
                "most attempts",
                "certainty",
            ),
            tuple(_attempts(one) for one in view.attempts),
        ),
        ServerTable(
            "Who called",
            "By User-Agent. An error is a status of 400 or above, or none at all.",
            ("User-Agent", "requests", "retries", "left early", "errors"),
            tuple(
                (one.user_agent, *(f"{n:,}" for n in (one.requests, one.retries, one.abandoned, one.errors)))
                for one in view.clients
            ),
        ),
        _counted("Statuses", "What was sent first.", view.statuses, view.requests),
        _counted("Faults", "A request may meet several.", view.faults, view.requests),
        _counted(
            "How the wire ended",
            "end: whole; left: the client closed; close and abort: the server broke off; cut: the server was stopped.",
            view.endings,
            view.requests,
        ),
        _counted("Models", "As asked for.", view.models, view.requests),
        _promises(view.promises),
        _abandonment(view.abandonment),
        _connections(view.connections),
        _times(view),
    ]


def _promises(promises: Promises) -> ServerTable:
    counts = (f"{n:,}" for n in (promises.made, promises.followed, promises.broken))
    return ServerTable(
        "After a refusal that named a wait",
        "Broken: the call came back to the same region, key and model more than 50 ms before the wait was over.",
        ("promises", "followed by another attempt", "broken", "share broken"),
        ((*counts, say(promises.violations, "share")),) if promises.made else (),
    )


def _abandonment(left: Abandonment) -> ServerTable:
    row = (
        f"{left.requests:,}",
        say(left.share, "share"),
        say(left.after_p50_s, "seconds"),
        say(left.after_p99_s, "seconds"),
        f"{left.tokens_sent:,}",
        f"{left.tokens_billed:,}",
    )
    return ServerTable(
        "Clients that left early",
        "Tokens are billed for work that was done, whether or not anybody read it.",
        ("requests", "share", "after (median)", "after (99 %)", "tokens sent", "tokens billed"),
        (row,) if left.requests else (),
    )


def _connections(held: Connections) -> ServerTable:
    row = (
        *(say(n, "count") for n in (held.opened, held.open_at_the_end, held.peak)),
        "–" if held.requests_each is None else f"{held.requests_each:.2f}",
        say(held.churn, "share"),
    )
    return ServerTable(
        "Connections",
        "A new connection for every request costs each of them a handshake.",
        ("opened", "open at the end", "most at once", "requests on each", "new connections per request"),
        (row,),
    )


def _times(view: ServerView) -> ServerTable:
    times = view.times
    seconds = (times.first_byte_p50_s, times.first_byte_p99_s, times.last_byte_p50_s, times.last_byte_p99_s)
    counts = (view.queue_depth_max, view.in_flight_max)
    return ServerTable(
        "Times at the server",
        "From the arrival of a request, answers with a status of 200 to 299. A user may have waited longer.",
        (
            *("first byte (median)", "first byte (99 %)", "last byte (median)", "last byte (99 %)"),
            *("longest queue", "most in work"),
        ),
        ((*(say(one, "seconds") for one in seconds), *(say(one, "count") for one in counts)),),
    )


def _attempts(one: Attempts) -> tuple[str, ...]:
    return (
        one.identity,
        f"{one.requests:,}",
        f"{one.calls:,}" if one.amplification is not None else "not known",
        f"{one.amplification:.2f}×" if one.amplification is not None else "not known",
        say(one.retried_calls, "count"),
        say(one.most_attempts, "count"),
        "–" if one.certainty is None else f"{one.certainty:.2f}",
    )


def _counted(title: str, note: str, counts: Mapping[str, int], whole: int) -> ServerTable:
    rows = tuple((name, f"{count:,}", say(count / max(1, whole), "share")) for name, count in counts.items())
    return ServerTable(title, note, ("", "requests", "share"), rows)


def server_summary(words: ServerText) -> str:
    """summary.md."""
    parts = [f"# windtunnel: {TITLE} of {text(words.folder)}", ABOUT, ", ".join(words.chips) + "."]
    if words.damages:
        lines = "\n".join(f"> - {text(damage)}" for damage in words.damages)
        parts.append(f"> [!CAUTION]\n> **✗ Records are damaged: figures that need them are wrong.**\n{lines}")
    parts += [_list(words.notes)] if words.notes else []
    for one in words.tables:
        rows = [[text(cell) for cell in row] for row in one.rows]
        parts += [f"## {one.title}", one.note, table(one.head, rows)]
    parts += [
        "## Not known",
        "It takes the client's records (`windtunnel run`) to tell:",
        _list(words.not_known),
    ]
    return "\n\n".join(parts) + "\n"


def _list(lines: Sequence[str]) -> str:
    return "\n".join(f"- {text(line)}" for line in lines)


def server_page(words: ServerText) -> str:
    """report.html."""
    return rendered("server.html.j2", b=words, title=TITLE, about=ABOUT)
