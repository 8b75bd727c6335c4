"""What getting and losing connections costs a client, planted and found again."""

from __future__ import annotations

import pytest

from tests.reports.tables import attempt, call, make_cell, measured, served


def test_time_spent_on_connecting_is_all_of_its_parts() -> None:
    """DNS, connecting and TLS of all attempts over the time of all attempts; a used connection has none of them."""
    rows = [call("c0", 0, 2), call("c1", 2, 4)]
    made = [
        attempt("c0", 0, 0, 2, dns_s=0.1, connect_s=0.2, tls_s=0.3),
        attempt("c1", 0, 2, 4),
    ]
    found = measured(make_cell(rows, [served("c0", 0, 0), served("c1", 0, 2)], made))
    assert found["connecting_share"] == pytest.approx(0.6 / 4)


def test_a_library_that_shows_no_connecting_has_no_share_of_it() -> None:
    """Null, and not zero: nobody saw it."""
    found = measured(make_cell([call("c0", 0, 2)], [served("c0", 0, 0)], [attempt("c0", 0, 0, 2)]))
    assert (found["connecting_share"], found["stale_connections"]) == (None, None)


def test_an_attempt_is_lost_with_a_dead_connection_if_the_server_never_saw_it() -> None:
    """Of five that fail, one had met a fault, one had an answer, one connected itself, one only ran out of time."""
    lost = {"error_type": "RemoteProtocolError"}
    rows = [call(f"c{i}", i, i + 1, "ok" if i < 4 else "error") for i in range(6)]
    made = [
        attempt("c0", 0, 0, 0.1, connect_s=0.05, connected_s=0.05),
        attempt("c1", 0, 1, 1.1, **lost),
        attempt("c1", 1, 1.5, 2),
        attempt("c2", 0, 2, 2.1, **lost),
        attempt("c3", 0, 3, 3.1, headers_s=3.05, **lost),
        attempt("c4", 0, 4, 4.1, connect_s=0.05, connected_s=4.05, **lost),
        attempt("c5", 0, 5, 6.0, error_type="ReadTimeout"),
    ]
    arrived = [served("c0", 0, 0), served("c1", 0, 1.5), served("c2", 0, 2), served("c3", 0, 3)]
    assert measured(make_cell(rows, arrived, made))["stale_connections"] == pytest.approx(1 / 7)


def test_waits_for_the_own_pool_have_percentiles() -> None:
    """Those in vain among them; a client whose pool cannot be seen has none."""
    rows = [call(f"c{i}", i, i + 1) for i in range(3)]
    made = [attempt(f"c{i}", 0, i, i + 1, pool_wait_s=i / 2) for i in range(3)]
    arrived = [served(f"c{i}", 0, i) for i in range(3)]
    assert measured(make_cell(rows, arrived, made))["pool_wait_p50_s"] == pytest.approx(0.5)
    blind = [attempt(f"c{i}", 0, i, i + 1) for i in range(3)]
    assert "pool_wait_p50_s" not in measured(make_cell(rows, arrived, blind))
