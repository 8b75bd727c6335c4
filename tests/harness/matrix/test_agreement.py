"""The reference's tables and a run agree: what a client is said to make of a fault is how its call ends."""

from __future__ import annotations

import asyncio

import pytest

from tests.harness.clients.conftest import Play
from tests.harness.clients.conftest import play as play  # fixtures of the room of clients
from tests.harness.clients.conftest import player as player  # the same
from windtunnel.harness.matrix.cases import Case, all_cases
from windtunnel.harness.matrix.server import OPEN, running_server
from windtunnel.mock_server.faults import FAULTS
from windtunnel.mock_server.manual.clients import ENDLESS, SILENT, TRUE
from windtunnel.mock_server.manual.faults import observed

DRIVERS = {"openai": "openai", "httpx2": "httpx2", "aiohttp": "aiohttp"}
"""By the name of a column of the tables: the driver that plays the same client in a run."""

ENDINGS = [
    case
    for case in all_cases()
    if case.stream and FAULTS[case.fault].family == "stream" and FAULTS[case.fault].layer == "ending"
]
"""How a stream ends: the faults of which a client may never know."""


def _said(case: Case, client: str) -> str:
    text: str = observed()["faults"][case.fault][case.form][client]
    return text


def _expected(sentence: str) -> str:
    """The outcome, as the sentence has it."""
    if "the answer is cut short" in sentence or sentence.startswith(TRUE):
        return "ok"
    return "ok" if SILENT in sentence else "error"


@pytest.mark.parametrize("client", DRIVERS)
def test_what_the_tables_say_of_the_end_of_a_stream_is_how_a_call_ends(play: Play, client: str) -> None:
    """Success, silent or not, is `ok`; an exception, or an error that an application finds, is `error`."""

    async def outcomes() -> dict[str, tuple[str, str]]:
        found = {}
        async with running_server() as records:
            for case in ENDINGS:
                said = _said(case, client)
                if ENDLESS in said or "timeout" in said:
                    continue
                body = case.body | {"model": "windtunnel/" + ";".join((case.fault, *case.params))}
                played = play(DRIVERS[client], records.regions[OPEN], api=case.api, stream=True, body=body)
                found[case.name] = (_expected(said), played.call["outcome"])
        return found

    found = asyncio.run(outcomes())
    assert len(found) >= 8
    assert {name: seen for name, (_, seen) in found.items()} == {
        name: expected for name, (expected, _) in found.items()
    }
