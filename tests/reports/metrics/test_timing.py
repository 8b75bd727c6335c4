"""Where a call's time goes, by region, from records whose parts are known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tests.reports.tables import attempt, call, make_cell, served
from windtunnel.reports.metrics.regions import region_counts, region_times, regions_of
from windtunnel.reports.metrics.timing import PARTS, around_p95, mean_parts, time_parts
from windtunnel.reports.read.outcomes import judge

REGIONS = ("near", "far")


def two_regions() -> dict[str, object]:
    """A call that the near region refuses and the far one answers, over a new connection; and one on a kept one."""
    return {
        "calls": [
            call("c0", 0.0, 3.0, served_id="c0/1", first_token_s=2.5, region="far"),
            call("c1", 1.0, 1.5, served_id="c1/0", region="near"),
            call("c2", 2.0, 2.4, "error", served_id=None, region="far"),
        ],
        "served": [
            served("c0", 0, 0.2, region="near", status=429),
            served("c0", 1, 1.8, region="far", last_byte_s=3.0),
            served("c1", 0, 1.1, region="near", last_byte_s=1.5),
        ],
        "attempts": [
            attempt("c0", 0, 0.1, 0.3, region="near", headers_s=0.3, connected_s=0.1, connect_s=0.01),
            attempt("c0", 1, 1.6, 3.0, region="far", served_id="c0/1", headers_s=2.1,
                    started_s=1.0, pool_wait_s=0.1, dns_s=0.02, connect_s=0.2, tls_s=0.25, connected_s=1.57),
            attempt("c1", 0, 1.0, 1.5, region="near", served_id="c1/0", headers_s=1.2, pool_wait_s=0.0),
            attempt("c2", 0, 2.0, 2.4, region="far", connect_s=0.4, error_type="ConnectTimeout") | {"sent_s": None},
        ],
    }  # fmt: skip


def test_the_parts_of_a_call_are_its_whole_time() -> None:
    """What was held, tried before, connected and waited for adds up to the time from the planned start to the end."""
    parts = time_parts(judge(make_cell(**two_regions())))  # type: ignore[arg-type]  # tables by name
    assert list(parts["region"]) == ["far", "near"]
    expected = {"held": 0.1, "earlier": 0.9, "pool": 0.1, "dns": 0.02, "connect": 0.2, "tls": 0.25, "wait": 0.53,
                "first_token": 0.4, "tokens": 0.5}  # fmt: skip
    assert {part: parts.loc[0, part] for part in PARTS} == pytest.approx(expected)
    assert parts.loc[0, list(PARTS)].sum() == pytest.approx(3.0)
    assert parts.loc[1, "wait"] == pytest.approx(0.2)
    assert parts.loc[1, "tokens"] == pytest.approx(0.3)  # nobody saw its first content
    assert mean_parts(parts)["connect"] == pytest.approx(0.1)
    assert mean_parts(parts.iloc[:0]) == {}


def test_calls_around_the_95th_percentile_are_a_twentieth() -> None:
    """Of a thousand calls the fifty between the 92.5th and the 97.5th percentile; of one call that one."""
    times = np.arange(1000.0)[::-1]
    parts = pd.DataFrame({part: times if part == "wait" else 0.0 for part in PARTS})
    near = around_p95(parts)["wait"]
    assert (len(near), near.min(), near.max()) == (50, pytest.approx(925, abs=1), pytest.approx(974, abs=1))
    assert len(around_p95(parts.iloc[:1])) == 1
    assert len(around_p95(parts.iloc[:0])) == 0


def test_each_region_has_its_own_figures() -> None:
    """Requests, refusals, attempts without a connection, and calls, each where it was."""
    judged = judge(make_cell(**two_regions()))  # type: ignore[arg-type]  # tables by name
    near, far = region_counts(judged, REGIONS)
    assert (near.requests, near.refused, near.broken, near.unsent, near.calls, near.good) == (
        2,
        1,
        0,
        0,
        1,
        1,
    )
    assert (far.requests, far.refused, far.broken, far.unsent, far.calls, far.good) == (1, 0, 0, 1, 2, 1)
    assert near.per_second == pytest.approx(0.2)
    assert (near.p95_s, far.p95_s) == (pytest.approx(0.5), pytest.approx(3.0))
    assert near.connections is None


def test_what_was_given_up_is_known_to_be_longer() -> None:
    """A connect in vain, and a call without a good end, are bounds and no samples; a refused connect is neither."""
    tables = two_regions()
    refused = attempt("c2", 1, 2.3, 2.4, region="far", connect_s=0.05, error_type="ConnectError") | {
        "sent_s": None
    }
    tables["attempts"] = [*tables["attempts"], refused]  # type: ignore[misc]  # a list of rows
    near, far = region_times(judge(make_cell(**tables)), REGIONS)  # type: ignore[arg-type]  # tables by name
    assert list(near.connect.seconds) == pytest.approx([0.01])
    assert list(far.connect.seconds) == pytest.approx([0.47, 0.4])
    assert list(far.connect.cut) == [False, True]
    assert list(far.answer.seconds) == pytest.approx([0.5])
    assert list(far.call.cut) == [False, True]


def test_one_region_without_a_link_is_no_subject() -> None:
    """Regions are told apart where there are several, or where the way to one takes its time."""

    def plan(**regions: object) -> dict[str, object]:
        return {"server_plan": {"provider": {"regions": regions}}}

    assert regions_of(plan(local={})) == regions_of({}) == ()
    assert regions_of(plan(local={"link": None})) == ()
    assert regions_of(plan(a={}, b={})) == ("a", "b")
    assert regions_of(plan(a={"link": {"rtt": "9ms"}})) == ("a",)
