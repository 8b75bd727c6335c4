"""Every case, seen by the three clients at once, and the file in which it is kept."""

from __future__ import annotations

import asyncio
import ssl
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import TypeAlias

import orjson

from windtunnel.harness.contract.files import write_whole
from windtunnel.harness.errors import MeasurementError
from windtunnel.harness.matrix.cases import CONNECT, FORMS, HEALTHY, Case, all_cases
from windtunnel.harness.matrix.clients import AiohttpClient, Httpx2Client, OpenAIClient
from windtunnel.harness.matrix.observed_call import ObservedCall
from windtunnel.harness.matrix.sentence import sentence_of
from windtunnel.harness.matrix.server import OPEN, ServerRecords, running_server
from windtunnel.mock_server.manual.clients import TRUE

CLIENTS = (OpenAIClient.name, Httpx2Client.name, AiohttpClient.name)
FILE = Path(str(files("windtunnel.mock_server.manual"))) / "observed.json"

AT_ONCE = 24
"""Calls of each kind of client at a time: most of them wait for a timeout."""

_WARM_UP = "warm-up"
"""Marks the calls that come first: what a client imports late is not what it makes of anything."""

ROUNDS = 4
"""Measurements at most; all but the first are of the few cases that are in doubt."""

IDLE = "the fault did not act"

Sentences: TypeAlias = dict[str, str]
"""By client: what was made of it."""

Matrix: TypeAlias = dict[str, dict[str, Sentences]]
"""By fault, form and client: what was made of it."""


def versions() -> dict[str, str]:
    """The clients, in the order of the columns, and which ones they are."""
    return {name: version(name) for name in CLIENTS}


def observe(before: Matrix, cases: Sequence[Case] | None = None) -> Matrix:
    """What the clients make of each case (of every fault, if None), measured now, over real sockets.

    A measurement holds if it is as `before`, or if it is the same twice in a row: a machine that stood still for a
    second is no other client. Raises `MeasurementError` for what is never the same.
    """
    asked = all_cases() if cases is None else list(cases)
    held: dict[Case, Sentences] = {}
    last: dict[Case, Sentences] = {}
    reason = ""
    for _ in range(ROUNDS):
        doubtful = [case for case in asked if case not in held]
        if not doubtful:
            break
        try:
            measured = _measured(doubtful)
        except MeasurementError as error:
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
        raise MeasurementError(f"{len(doubtful)} of {len(asked)} cases are not measured{reason}: {shown}")
    rows: Matrix = {}
    for case in asked:
        rows.setdefault(case.fault, {})[case.form] = held[case]
    return rows


def _measured(cases: Sequence[Case]) -> dict[Case, Sentences]:
    """One measurement, by a server of its own. Raises `MeasurementError` where a healthy answer is not seen as one."""
    controls = [Case(HEALTHY, (), form) for form in FORMS]
    rows = asyncio.run(_observe_once([*controls, *cases]))
    healthy = {text for control in controls for text in rows.pop(control).values()}
    if healthy != {TRUE}:
        raise MeasurementError(f"healthy answers were seen as {sorted(healthy)}, expected {TRUE!r} alone")
    return rows


async def _observe_once(cases: Sequence[Case]) -> dict[Case, Sentences]:
    warm_up = [Case(HEALTHY, (_WARM_UP,), form) for form in FORMS]
    async with running_server() as records:
        trust = ssl.create_default_context(cafile=records.ca_file)
        sdk, plain, session = OpenAIClient(trust), Httpx2Client(trust), AiohttpClient(trust)
        try:
            await _calls(warm_up, sdk, plain, session, records)
            calls = await _calls(cases, sdk, plain, session, records)
        finally:
            sdk.close()
            plain.close()
    return {
        case: {client: _sentence(case, client, calls, sdk.sent, records) for client in CLIENTS}
        for case in cases
    }


def save(rows: Matrix) -> None:
    """Keep what was observed, for the reference."""
    measured = {"versions": versions(), "faults": rows}
    write_whole(FILE, orjson.dumps(measured, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


def differences(expected: Matrix, found: Matrix) -> list[str]:
    """Where what is found is not what is expected, a line each."""
    return [
        f"{fault} / {form} / {client}: expected {before.get(client, 'nothing yet')!r}, found {text!r}"
        for fault, forms in found.items()
        for form, row in forms.items()
        for before in [expected.get(fault, {}).get(form, {})]
        for client, text in row.items()
        if before.get(client) != text
    ]


async def _calls(
    cases: Sequence[Case],
    sdk: OpenAIClient,
    plain: Httpx2Client,
    session: AiohttpClient,
    records: ServerRecords,
) -> dict[str, ObservedCall]:
    """Let all three clients make the call of every case at once. Returns what each saw, by call id."""
    urls = [(case, records.regions[case.fault if case.base == CONNECT else OPEN]) for case in cases]
    start = asyncio.get_running_loop().run_in_executor
    # Threads of their own for each client: one that waits for its timeouts must not hold up the other.
    with ThreadPoolExecutor(AT_ONCE) as one, ThreadPoolExecutor(AT_ONCE) as other:
        by_client = (
            (sdk.name, asyncio.gather(*[start(one, _by_sdk, sdk, *each) for each in urls])),
            (
                plain.name,
                asyncio.gather(
                    *[start(other, plain.call, case, _id(case, plain.name), url) for case, url in urls]
                ),
            ),
            (
                session.name,
                session.calls([(case, _id(case, session.name), url) for case, url in urls], AT_ONCE),
            ),
        )
        return {
            _id(case, client): call
            for client, calls in by_client
            for case, call in zip(cases, await calls, strict=True)
        }


def _by_sdk(sdk: OpenAIClient, case: Case, url: str) -> ObservedCall:
    """The SDK without retries; then again with one, which the server counts, if it had a failure to retry."""
    call = sdk.call(case, _id(case, sdk.name), url)
    if call.failed:
        sdk.call(case, _again(case), url, retries=1)
    return call


def _sentence(
    case: Case, client: str, calls: dict[str, ObservedCall], sent: Counter[str], records: ServerRecords
) -> str:
    name = _id(case, client)
    if case.header is not None and case.fault not in (HEALTHY, *records.faults.get(name, ())):
        return IDLE
    retried = None
    if client == OpenAIClient.name and calls[name].failed:
        count = sent if case.base == CONNECT else records.attempts
        retried = count[_again(case)] > 1
    return sentence_of(case, calls[name], records.truths.get(name), retried)


def _id(case: Case, client: str) -> str:
    return f"{case.name} / {client}"


def _again(case: Case) -> str:
    return f"{case.name} / {OpenAIClient.name} with a retry"
