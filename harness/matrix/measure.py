"""Every case, seen by the three clients at once, and the file in which it is kept."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import TypeAlias

import orjson

from windtunnel.harness.matrix import loops
from windtunnel.harness.matrix.cases import CONNECT, FORMS, HEALTHY, Case, all_cases
from windtunnel.harness.matrix.clients import Httpx2Client, OpenAIClient
from windtunnel.harness.matrix.server import OPEN, ObserveError, Served, serving
from windtunnel.harness.matrix.wording import Seen, tell
from windtunnel.mock_server.manual.clients import TRUE

CLIENTS = ("openai", "httpx2", "aiohttp")
FILE = Path(str(files("windtunnel.mock_server.manual"))) / "observed.json"

AT_ONCE = 24
"""Calls of each kind of client at a time: most of them wait for a timeout."""

_WARM_UP = "warm-up"
"""Marks the calls that come first: what a client imports late is not what it makes of anything."""

ROUNDS = 4
"""Measurements at most; all but the first are of the few cases that are in doubt."""

IDLE = "the fault did not act"

Row: TypeAlias = dict[str, str]
"""By client: what was made of it."""

Rows: TypeAlias = dict[str, dict[str, Row]]
"""By fault, form and client: what was made of it."""


def versions() -> dict[str, str]:
    """The clients, in the order of the columns, and which ones they are."""
    return {name: version(name) for name in CLIENTS}


def observe(before: Rows, cases: Sequence[Case] | None = None) -> Rows:
    """What the clients make of each case (of every fault, if None), measured now, over real sockets.

    A measurement holds if it is as `before`, or if it is the same twice in a row: a machine that stood still for a
    second is no other client. Raises `ObserveError` for what is never the same.
    """
    asked = all_cases() if cases is None else list(cases)
    held: dict[Case, Row] = {}
    last: dict[Case, Row] = {}
    reason = ""
    for _ in range(ROUNDS):
        doubtful = [case for case in asked if case not in held]
        if not doubtful:
            break
        try:
            measured = _measured(doubtful)
        except ObserveError as error:
            reason = f": {error}"
            continue
        for case, row in measured.items():
            known = (before.get(case.fault, {}).get(case.form), last.get(case))
            if row in known and IDLE not in row.values():
                held |= {case: row}
        last = measured
    doubtful = [case for case in asked if case not in held]
    if doubtful:
        shown = "; ".join([f"{case.name}: {last.get(case, 'not measured')}" for case in doubtful[:5]])
        raise ObserveError(f"{len(doubtful)} of {len(asked)} cases are not measured{reason}: {shown}")
    rows: Rows = {}
    for case in asked:
        rows.setdefault(case.fault, {})[case.form] = held[case]
    return rows


def _measured(cases: Sequence[Case]) -> dict[Case, Row]:
    """One measurement, by a server of its own. Raises `ObserveError` where a healthy answer is not seen as one."""
    controls = [Case(HEALTHY, (), form) for form in FORMS]
    warm_up = [Case(HEALTHY, (_WARM_UP,), form) for form in FORMS]
    with serving() as served:
        seen, sent = _seen((warm_up, [*controls, *cases]), served)
    rows = {
        case: {client: _told(case, client, seen, sent, served) for client in CLIENTS}
        for case in [*controls, *cases]
    }
    healthy = {text for control in controls for text in rows.pop(control).values()}
    if healthy != {TRUE}:
        raise ObserveError(f"healthy answers were seen as {sorted(healthy)}, expected {TRUE!r} alone")
    return rows


def save(rows: Rows) -> None:
    """Keep what was observed, for the reference."""
    measured = {"versions": versions(), "faults": rows}
    FILE.write_bytes(orjson.dumps(measured, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


def differences(expected: Rows, found: Rows) -> list[str]:
    """Where what is found is not what is expected, a line each."""
    return [
        f"{fault} / {form} / {client}: expected {before.get(client, 'nothing yet')!r}, found {text!r}"
        for fault, forms in found.items()
        for form, row in forms.items()
        for before in [expected.get(fault, {}).get(form, {})]
        for client, text in row.items()
        if before.get(client) != text
    ]


def _seen(waves: Iterable[Sequence[Case]], served: Served) -> tuple[dict[str, Seen], Counter[str]]:
    """What every client saw, by call id, and how many attempts left the SDK; one wave after the other."""
    sdk, plain = OpenAIClient(), Httpx2Client()
    seen: dict[str, Seen] = {}
    try:
        for cases in waves:
            seen |= _wave(cases, sdk, plain, served)
    finally:
        sdk.close()
        plain.close()
    return seen, sdk.sent


def _wave(cases: Sequence[Case], sdk: OpenAIClient, plain: Httpx2Client, served: Served) -> dict[str, Seen]:
    asked = [(case, _url(case, served)) for case in cases]
    with ThreadPoolExecutor(AT_ONCE) as one, ThreadPoolExecutor(AT_ONCE) as other:
        first = [one.submit(_by_sdk, sdk, case, url) for case, url in asked]
        second = [other.submit(plain.call, case, _id(case, plain.name), url) for case, url in asked]
        on_loop = [(case, _id(case, loops.NAME), url) for case, url in asked]
        seen = dict(
            zip([call for _, call, _ in on_loop], asyncio.run(loops.calls(on_loop, AT_ONCE)), strict=True)
        )
        seen |= {_id(case, sdk.name): future.result() for case, future in zip(cases, first, strict=True)}
        seen |= {_id(case, plain.name): future.result() for case, future in zip(cases, second, strict=True)}
    return seen


def _by_sdk(sdk: OpenAIClient, case: Case, url: str) -> Seen:
    """The SDK without retries; then again with one, which the server counts, if it had a failure to retry."""
    seen = sdk.call(case, _id(case, sdk.name), url)
    if seen.failed:
        sdk.call(case, _again(case), url, retries=1)
    return seen


def _told(case: Case, client: str, seen: dict[str, Seen], sent: Counter[str], served: Served) -> str:
    call = _id(case, client)
    if case.header is not None:
        acted = served.faults.get(call, set())
        if case.fault not in acted:
            return IDLE
    retried = None
    if client == CLIENTS[0] and seen[call].failed:
        count = sent if case.base == CONNECT else served.attempts
        retried = count[_again(case)] > 1
    return tell(case, seen[call], served.truths.get(call), retried)


def _url(case: Case, served: Served) -> str:
    return served.regions[case.fault if case.base == CONNECT else OPEN]


def _id(case: Case, client: str) -> str:
    return f"{case.name} / {client}"


def _again(case: Case) -> str:
    return f"{case.name} / {CLIENTS[0]} with a retry"
