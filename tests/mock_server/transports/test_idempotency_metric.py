"""An abandoned attempt and its retry, with and without an idempotency key, as the metrics see them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.mock_server.transports.conftest import Serving
from tests.reports.tables import call, make_cell, measured

ANSWER = {"first_token": "60ms", "tokens": 8, "tokens_per_second": 1_000_000.0}


@pytest.mark.parametrize(
    ("headers", "effects", "replays", "duplicates"),
    [({}, [1, 1], [False, False], 1), ({"idempotency-key": "i1"}, [1, 0], [False, True], 0)],
)
def test_a_retry_of_abandoned_work_is_a_duplicate_unless_it_has_a_key(
    serve: Callable[..., Any],
    headers: dict[str, str],
    effects: list[int],
    replays: list[bool],
    duplicates: int,
) -> None:
    """A client gives up and tries again: the work that nobody waits for is done all the same, and only a key keeps
    the retry from doing it a second time."""
    server: Serving = serve({"provider": {"answer": ANSWER}})
    with server.connect() as client:
        client.ask(call="c0", headers=headers)
        while not server.call(lambda: server.mock.exchanges):
            pass
    with server.connect() as client:
        client.ask(call="c0", headers=headers)
        _, answer, _ = client.answer()
    rows = sorted(server.journal.wait_for(2), key=lambda row: row["attempt"])
    assert [row["abandoned"] for row in rows] == [True, False]
    assert [row["effects"] for row in rows] == effects
    assert [row["idempotent_replay"] for row in rows] == replays
    assert rows[1]["served_id"] == answer["x-windtunnel-served"]
    rows = [row | {"faults": list(row["faults"])} for row in rows]
    cell = make_cell([call("c0", 0.0, 1.0, served_id=answer["x-windtunnel-served"])], rows)
    assert measured(cell)["duplicate_effects"] == duplicates
