"""What a server keeps, and how much of it at most: the manual's table, made from the constants that hold."""

from __future__ import annotations

from windtunnel.mock_server import rules
from windtunnel.mock_server.api import forms, json_body, parse, store
from windtunnel.mock_server.api.batches import input as batch_input
from windtunnel.mock_server.api.conversations import state as conversations
from windtunnel.mock_server.api.files import state as files
from windtunnel.mock_server.api.json_schema import compile as schema_compile
from windtunnel.mock_server.api.json_schema import nodes as schema_nodes
from windtunnel.mock_server.api.json_schema import values as schema
from windtunnel.mock_server.control import history, recent_requests
from windtunnel.mock_server.control.named_plans import MAX_PLANS
from windtunnel.mock_server.journal import journal, segments
from windtunnel.mock_server.provider import calls, idempotency, rate_limiter
from windtunnel.mock_server.transports import limits

_MIB = 2**20


def build_kept() -> str:
    """Two Markdown tables: what is kept, and what a client may send."""
    return (
        "\n".join([*_table("what is kept", _kept()), "", *_table("what a client may send", _sent())]) + "\n"
    )


def _kept() -> list[tuple[str, str, str]]:
    bare = store.Store()
    sizes = [
        (name, shelf.most_entries, shelf.most_bytes)
        for name, shelf in vars(bare).items()
        if isinstance(shelf, store.Shelf)
    ]
    usual = (store.MOST_ENTRIES, store.MOST_BYTES)
    alike = [name for name, *caps in sizes if tuple(caps) == usual]
    oldest = "the oldest is forgotten"
    unused = "the least recently used one is forgotten"
    return [
        ("served records without a journal directory", f"{journal.REMEMBERED_ROWS:,} rows", oldest),
        (
            "served records with one, in memory",
            f"{segments.ROWS_PER_BATCH} rows",
            "they are written, a second later at the latest",
        ),
        ("last requests, with their scripts", f"{recent_requests.MAX_REQUESTS}", oldest),
        ("seconds on the live page", f"{history.MAX_SAMPLES}", oldest),
        (
            f"stored objects of each kind ({', '.join(alike)})",
            f"{store.MOST_ENTRIES:,} in {store.MOST_BYTES // _MIB} MiB",
            oldest,
        ),
        *[
            (f"stored {name}", f"{entries:,} in {size // _MIB} MiB", oldest)
            for name, entries, size in sizes
            if name not in alike
        ],
        (
            "items of one conversation",
            f"{conversations.MOST_ITEMS:,} in {conversations.MOST_BYTES // _MIB} MiB",
            oldest,
        ),
        (
            "idempotency keys, with their answers",
            f"{idempotency.MAX_KEYS:,} in {idempotency.MAX_BYTES // _MIB} MiB",
            unused,
        ),
        ("calls that clients name", f"{calls.NAMED_CALLS:,}", unused),
        (
            "bodies of calls without a name, as digests",
            f"{calls.UNNAMED_BODIES:,}, {calls.OPEN_CALLS_PER_BODY} calls each",
            unused,
        ),
        ("pairs of key and model with limits", f"{rate_limiter.REMEMBERED_QUOTAS:,}", unused),
        ("calls that rules have numbered", f"{rules.NUMBERED_CALLS:,}", unused),
        ("which rules match what", f"{rules.CACHED_MATCHES:,} combinations", "all are worked out anew"),
        ("named plans", f"{MAX_PLANS}, scoped ones included", "one more is a 409"),
        ("compiled JSON schemas", f"{schema.MOST_SCHEMAS}", unused),
    ]


def _sent() -> list[tuple[str, str, str]]:
    return [
        (
            "connections",
            f"the descriptor limit less {limits.SPARE_DESCRIPTORS}",
            "503 and closed; the admin port takes some more",
        ),
        (
            "time for a request to arrive",
            f"{limits.REQUEST_S:g} s from its first byte",
            "408 and closed",
        ),
        ("a request line, or one header", f"{limits.MAX_LINE // 1024} KiB", "431 and closed"),
        (
            "a request's head",
            f"{limits.MAX_HEADERS} headers in {limits.MAX_HEAD // 1024} KiB",
            "431 and closed",
        ),
        (
            "a request's body",
            f"{limits.MAX_BODY // _MIB} MiB, "
            f"{limits.MAX_UNREAD_BODY // _MIB} MiB where no endpoint takes one",
            "413 and closed",
        ),
        ("values in a JSON body", f"{json_body.MAX_VALUES:,}", "413 and closed"),
        ("levels of a JSON body", f"{json_body.MOST_LEVELS}", "400"),
        ("parts of a form", f"{forms.MOST_PARTS:,}", "400"),
        (
            "a JSON schema",
            f"{schema.MOST_BYTES // 1024} KiB, {schema_compile.MOST_NODES:,} sub-schemas; values of it "
            f"{schema_nodes.MOST_VALUES:,} parts, strings {schema_nodes.MOST_CHARS // _MIB} MiB",
            "400",
        ),
        (
            "requests in a pipeline",
            f"{limits.MAX_PIPELINED} behind the one in flight",
            "the connection is not read meanwhile",
        ),
        (
            "requests arriving and under way, all together",
            f"{limits.MAX_HELD // _MIB} MiB, as what they take once they are read",
            "503 and closed",
        ),
        (
            "one answer",
            f"{limits.MAX_ANSWER // _MIB} MiB, estimated before it is made; it counts as requests under way do",
            "503 and closed",
        ),
        ("what a refused client goes on sending", f"{limits.LINGER_S:g} s", "dropped, then closed"),
        (
            "call id, model, idempotency key, user agent",
            f"{parse.MOST_HEADER_CHARS} characters each",
            "a longer one is kept as its beginning and a digest",
        ),
        (
            "lines of a batch, embedding inputs in them",
            f"{batch_input.MOST_LINES:,} each",
            "the batch fails",
        ),
        ("output of a batch", f"{files.MOST_FILE_BYTES // _MIB} MiB", "further lines are errors"),
    ]


def _table(title: str, rows: list[tuple[str, str, str]]) -> list[str]:
    return [f"| {title} | at most | beyond that |", "| --- | --- | --- |"] + [
        f"| {what} | {most} | {beyond} |" for what, most, beyond in rows
    ]
