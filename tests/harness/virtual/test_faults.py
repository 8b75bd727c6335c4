"""Faults on the virtual network: the unmodified SDK takes each as it does on real sockets."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from windtunnel.harness.virtual.network.ports import MODES
from windtunnel.mock_server.faults import FAULTS

OUTCOMES = {
    "calm": ("ok", None, None),
    "refuse": ("error", "APIConnectionError", "ConnectError"),
    "blackhole": ("timeout", "APITimeoutError", "ConnectTimeout"),
    "hang": ("timeout", "APITimeoutError", "ReadTimeout"),
    "reset": ("error", "APIConnectionError", "ReadError"),
    "close": ("error", "APIConnectionError", "RemoteProtocolError"),
    "slow_headers": ("ok", None, None),
    "incomplete_chunked": ("error", "APIConnectionError", "RemoteProtocolError"),
    "bad_status_line": ("error", "APIConnectionError", "RemoteProtocolError"),
    "huge_headers": ("error", "APIConnectionError", "RemoteProtocolError"),
    "bad_gzip": ("error", "APIConnectionError", "DecodingError"),
    "drip": ("deadline", "DeadlineExceeded", None),
    "stall": ("timeout", "APITimeoutError", "ReadTimeout"),
    "heartbeats": ("deadline", "DeadlineExceeded", None),
    "cut": ("error", "APIConnectionError", "RemoteProtocolError"),
    "open_after_done": ("ok", None, None),
    "fragment": ("ok", None, None),
    "well": ("ok", None, None),
}
"""What both clients saw in a run of the same phases on the real clock."""


@pytest.mark.parametrize("client", ["the-async", "the-sync"])
def test_faults_are_what_they_are_on_sockets(every_fault: Path, client: str) -> None:
    """Each fault ends a call of either SDK with the error that it has on a real socket."""
    calls = pq.read_table(every_fault / "cells" / f"{client}-0" / "calls.parquet").to_pylist()
    seen: dict[str, set[tuple[str, str | None, str | None]]] = {}
    for call in calls:
        if call["phase"] is not None:
            outcome = (call["outcome"], call["error_type"], call["error_cause"])
            seen.setdefault(call["phase"], set()).add(outcome)
    assert seen == {phase: {outcome} for phase, outcome in OUTCOMES.items()}


def test_connections_are_kept_and_expire(every_fault: Path) -> None:
    """Calls a second apart share a connection; nothing stays open once the pool's expiry is over."""
    served = pq.read_table(every_fault / "cells" / "the-async-0" / "served.parquet").to_pylist()
    calm = [row for row in served if row["phase_index"] == 0 and row["call_id"].startswith("c")]
    assert {row["connection_id"] for row in calm} == {calm[0]["connection_id"]}
    assert calm[-1]["connection_request_n"] > 0


def test_every_fault_of_a_listener_has_a_mode() -> None:
    """No fault of a listener is unknown to the virtual network."""
    assert {kind.name for kind in FAULTS.values() if kind.stage == "listener"} == set(MODES)
