"""Each rule finds what is planted, with its numbers, its calls and its setting; and nothing in a healthy cell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from tests.reports.tables import STORM, Row, attempt, call, even_calls, make_cell, served
from windtunnel.reports.findings.finding import ClientFinding
from windtunnel.reports.findings.table import RULES, findings_of, over_repeats
from windtunnel.reports.metrics import cohort_of, measure
from windtunnel.reports.read.outcomes import judge
from windtunnel.reports.read.run_dir import CellRecords


def found_in(cell: CellRecords, profile: Mapping[str, Any] | None = None) -> dict[str, ClientFinding]:
    """What the rules find in a cell whose client has this profile."""
    cell = replace(cell, plan={**cell.plan, "profile": dict(profile or {})})
    judged = judge(cell)
    return {one.rule: one for one in findings_of(judged, measure(cohort_of(judged, {}, None)), {})}


def test_a_healthy_cell_has_nothing_to_change() -> None:
    """Every call is good: no rule finds anything."""
    calls, answers = even_calls(4, 10)
    assert found_in(make_cell(calls, answers)) == {}


def test_promises_not_kept() -> None:
    """Four calls were told to wait 2 s; three came back after less, the quickest after 200 ms."""
    calls, answers = [], []
    for number, after in enumerate((0.5, 0.2, 0.7, 2.5)):
        calls.append(call(f"c{number}", number, number + after + 0.1, served_id=f"c{number}/1"))
        refusal = {"status": 429, "retry_after_promised_s": 2.0, "truth_digest": None, "step": 0}
        answers += [
            served(f"c{number}", 0, number, **refusal),
            served(f"c{number}", 1, number + after, step=0),
        ]
    cell = make_cell(calls, answers)
    one = found_in(cell, {"retries": {"kind": "exponential"}})["retry_after"]
    assert (one.count, one.of, one.calls) == (3, 4, ("c1", "c0", "c2"))
    assert (
        "Ignored Retry-After in 3 of 4 promises: it came back after 200 ms where 2.0 s were" in one.sentence
    )
    assert (one.key, one.setting) == ("retries.respect_retry_after", "true")
    for driver, cure in (("openai", "`sdk.max_retries: 0`"), ("exec", "the program's own retries off")):
        inside = found_in(cell, {"driver": driver, "retries": {"kind": "none"}})["retry_after"]
        assert cure in inside.cure
        assert inside.key == "retries"
        assert "respect_retry_after: true" in inside.setting


def stalled(last_content_s: float | None) -> CellRecords:
    """A call whose answer falls silent and that is given up after 8 s, where a user waits 5 s; and one after 1 s."""
    more: Row = {"error_type": "ReadTimeout", "last_content_s": last_content_s}
    calls = [call("c0", 0.0, 8.5, "timeout"), call("c1", 1.0, 2.0, "timeout")]
    attempts = [attempt("c0", 0, 0.0, 8.5, **more), attempt("c1", 0, 1.0, 2.0, error_type="ReadTimeout")]
    stall = {"faults": ["stall"], "abandoned": True, "last_byte_s": None}
    return make_cell(calls, [served("c0", 0, 0.0, **stall), served("c1", 0, 1.0, **stall)], attempts)


def test_a_stream_that_fell_silent() -> None:
    """Eight seconds without content are longer than a user waits: the timeout between contents is missing."""
    one = found_in(stalled(0.5))["silence"]
    assert (one.count, one.of, one.calls, one.key) == (1, 2, ("c0",), "timeouts.between_contents")
    assert one.sentence.startswith("A stalled answer held a worker for 8.0 s: no between-content timeout.")
    known = found_in(stalled(0.5), {"timeouts": {"between_contents": "20s"}})["silence"]
    assert "its timeout is longer than a user waits" in known.sentence


def test_an_answer_that_did_not_begin() -> None:
    """Without any content, it is the timeout of the first one."""
    one = found_in(stalled(None))["silence"]
    assert one.key == "timeouts.first_content"
    assert one.sentence.startswith("An answer that did not begin held a worker for 8.5 s")


def test_two_layers_of_retries() -> None:
    """The SDK counts 0, 1, 2 and begins anew three times: 12 attempts a call."""
    calls, answers = [], []
    failed = {"status": 503, "step": 0, "truth_digest": None}
    for number in range(3):
        calls.append(call(f"c{number}", number, number + 1, "error", status=503))
        answers += [
            served(f"c{number}", n, number + n / 20, sdk_retry_count=n % 3, **failed) for n in range(12)
        ]
    one = found_in(make_cell(calls, answers))["stacked"]
    assert (one.count, one.of, one.key, one.setting) == (3, 3, "sdk.max_retries", "0")
    assert "Up to 12 attempts per call: two retry layers are stacked." in one.sentence
    assert "The SDK's own 2 retries ran inside of 4 tries around it" in one.sentence


def test_answers_that_a_retry_would_have_got() -> None:
    """Three of 40 calls failed once, and the requests of the seconds after were answered. A broken answer has another
    setting, and so has a budget."""
    calls, answers = even_calls(4, 10)
    for number in (8, 12, 16):
        calls[number] |= {"outcome": "error", "ended_s": calls[number]["intended_s"] + 0.1, "served_id": None}
        answers[number] |= {"status": 503, "truth_digest": None}
    load = {"deadline": "20s"}
    one = found_in(make_cell(calls, answers, load=load))["gave_up"]
    assert (one.count, one.of, set(one.calls), one.key) == (3, 40, {"c8", "c12", "c16"}, "retries")
    assert "broken_answer" not in one.setting
    paid = found_in(make_cell(calls, answers, load=load), {"budget": {"kind": "ratio"}})["gave_up"]
    assert paid.key == "budget.deposit"
    for number in (8, 12, 16):
        answers[number] |= {"status": 200, "faults": ["cut"]}
    around = {"retries": {"kind": "exponential"}}
    broken = found_in(make_cell(calls, answers, load=load), around)["gave_up"]
    assert broken.key == "retries.retry_on"
    assert "broken_answer" in broken.setting


def test_half_answers_taken_for_whole() -> None:
    """Two of four answers were not what the server meant, one cut and one without a fault that is known."""
    calls = [call(f"c{n}", n, n + 0.5, digest="other" if n < 2 else f"truth of c{n}") for n in range(4)]
    answers = [served(f"c{n}", 0, n, faults=["cut"] if n == 0 else []) for n in range(4)]
    one = found_in(make_cell(calls, answers), {"checks": ["refusal"]})["half_answers"]
    assert (one.count, one.of, one.calls, one.key) == (2, 4, ("c0", "c1"), "checks")
    assert "(cut 1, no fault of the server 1)" in one.sentence
    assert one.severity == 3


def test_timeouts_that_were_false() -> None:
    """Five attempts were given up after 1 s; their answers would have come after 2 s, and a user waits 5 s."""
    calls = [call(f"c{n}", n, n + 1.0, "timeout") for n in range(5)]
    attempts = [attempt(f"c{n}", 0, n, n + 1.0, error_type="ReadTimeout") for n in range(5)]
    left = {"abandoned": True, "last_byte_s": None, "tokens_when_left": 0}
    answers = [served(f"c{n}", 0, n, next_content_s=n + 2.0, **left) for n in range(5)]
    one = found_in(make_cell(calls, answers, attempts), {"timeouts": {"read": "1s"}})["too_early"]
    assert (one.count, one.of, one.calls, one.key) == (5, 5, ("c0", "c1", "c2"), "timeouts.read")
    assert "The limit is 1s." in one.sentence
    assert "retry" not in one.sentence


def test_retries_that_keep_the_provider_down() -> None:
    """After the brownout no call is good, and each is tried twice."""
    calls, answers = even_calls(4, 70, [(0, 20)])
    retries = [served(row["call_id"], 1, row["arrived_s"] + 0.2) for row in answers if row["arrived_s"] > 20]
    one = found_in(make_cell(calls, [*answers, *retries], phases=STORM))["storm"]
    assert (one.count, one.of, one.key) == (160, 160, "budget")
    assert "160 of the 160 calls intended after the fault were retried" in one.sentence


def test_calls_without_a_deadline() -> None:
    """One call of two took 30 s, where a user waits 5 s."""
    cell = make_cell([call("c0", 0, 30.0), call("c1", 1, 2.0)], [served("c0", 0, 0.1), served("c1", 0, 1.0)])
    one = found_in(cell)["no_deadline"]
    assert (one.count, one.of, one.calls, one.setting) == (1, 2, ("c0",), "5s")
    assert one.sentence.endswith("the longest for 30 s: no limit for the whole call.")


def test_connections_that_leak() -> None:
    """Two connections were found leaked in the pools; the attempt that was left unread shows where."""
    attempts = [
        attempt("c0", 0, 0.0, 1.0, status=200, body_complete=True),
        attempt("c1", 0, 1.0, 2.0, status=200, body_complete=False),
    ]
    answers = [served("c0", 0, 0), served("c1", 0, 1)]
    cell = make_cell([call("c0", 0, 1.0), call("c1", 1, 2.0)], answers, attempts)
    pools = ({"pools": 1, "leaked": 2, "idle": 0},)
    one = found_in(replace(cell, pools=pools), {"target": "mine:ask"})["leaked"]
    assert (one.count, one.calls, one.key) == (2, ("c1",), "target")


def test_calls_that_wait_for_their_own_pool() -> None:
    """One of two calls spent all of its wait on a connection."""
    attempts = [attempt("c0", 0, 0.0, 4.0, pool_wait_s=4.0, error_type="PoolTimeout")]
    calls = [call("c0", 0, 4.0, "timeout"), call("c1", 1, 2.0)]
    one = found_in(make_cell(calls, [served("c1", 0, 1)], attempts))["held_up"]
    assert (one.count, one.of, one.calls, one.key) == (1, 2, ("c0",), "pool.connections")


def test_retries_that_arrive_together() -> None:
    """In each of ten blocks of 2 s, twenty retries arrive in one bin of 0.1 s."""
    calls = [call(f"c{n}", n / 10, n / 10 + 1, served_id=f"c{n}/1") for n in range(200)]
    firsts = [served(f"c{n}", 0, n / 10, status=429, truth_digest=None, step=0) for n in range(200)]
    retries = [served(f"c{n}", 1, n // 20 * 2 + 1.55, step=0) for n in range(200)]
    one = found_in(make_cell(calls, [*firsts, *retries], phases=[("p", 0.0, 20.0)]))["together"]
    assert (one.count, one.of, one.key, one.setting) == (20, 200, "retries.jitter", "full")


@pytest.mark.parametrize("rule", RULES)
def test_a_cell_without_records_is_silent(rule: str) -> None:
    """No rule fails where there is nothing to look at."""
    assert rule not in found_in(make_cell())
    assert rule not in found_in(make_cell([call("c0", 0.0, None, "unfinished")]))


def test_of_repeats_the_one_that_shows_it_most() -> None:
    """A client has each finding once, of the repeat where it counts most; the severe come first."""
    one = ClientFinding("together", 1, "", 3, 9, (), "")
    most = replace(one, count=5, repeat=1)
    severe = replace(one, rule="half_answers", severity=3, repeat=2)
    assert over_repeats([[one], [most], [severe]]) == (severe, most)


def connects(
    *,
    limit_s: float | None,
    whole: bool = True,
    phases: tuple[str, ...] = ("healthy",),
    open_s: float | None = None,
) -> CellRecords:
    """Forty calls a second apart, each over a new connection that takes 10 ms to 400 ms; no longer than the limit.

    The server knows for how long each is open, if `open_s` says so.
    """
    calls, attempts, answers = [], [], []
    for number in range(40):
        took = 0.01 * (number + 1)
        lost = limit_s is not None and took > limit_s
        more: Row = {
            "region": "far",
            "connect_s": limit_s if lost else took,
            "status": 200,
            "body_complete": whole,
        }
        row = attempt(f"c{number}", 0, number + took, number + took + 0.5, started_s=float(number), **more)
        if lost:
            row |= {"sent_s": None, "error_type": "ConnectTimeout", "ended_s": number + more["connect_s"]}
        else:
            answers.append(served(f"c{number}", 0, number + took))
        calls.append(call(f"c{number}", number, row["ended_s"], "timeout" if lost else "ok", region="far"))
        attempts.append(row)
    width = 40.0 / len(phases)
    spans = [(name, width * place, width * (place + 1)) for place, name in enumerate(phases)]
    listed = None
    if open_s is not None:
        listed = [{"connection_id": at, "opened_s": float(at), "closed_s": at + open_s} for at in range(40)]
    return make_cell(calls, answers, attempts, phases=spans, connections=listed)


def test_a_limit_for_connecting_that_distance_goes_beyond() -> None:
    """Of forty connects those that take more than 200 ms are cut off: half of them."""
    profile = {"driver": "openai", "timeouts": {"connect": "200ms"}}
    one = found_in(connects(limit_s=0.2), profile)["short_connect"]
    assert (one.count, one.of, one.key, one.setting) == (20, 40, "timeouts.connect", "5s")
    assert "A limit of 200 ms for connecting cuts off 50 % of the connects to far (20 of 40)" in one.sentence
    assert "took 105 ms (median)" in one.sentence
    assert found_in(connects(limit_s=0.2), {"sdk": {"timeout": 0.2}})["short_connect"].key == "sdk.timeout"
    assert "short_connect" not in found_in(connects(limit_s=None), profile)


def test_a_region_that_is_not_there_is_no_short_limit() -> None:
    """In the second phase no connect comes through; in the first one all do, and quickly."""
    cell = connects(limit_s=0.2, phases=("healthy", "dark"))
    assert "short_connect" not in found_in(cell, {"driver": "openai"})


def test_time_that_goes_into_connecting() -> None:
    """Each call connects anew, for 205 ms of its 705 ms on the mean; the cure is what the pool lets go."""
    one = found_in(connects(limit_s=None), {"driver": "openai", "pool": {"connections": 10, "keepalive": 2}})
    found = one["connecting"]
    assert (found.count, found.of, found.key, found.calls[0]) == (40, 40, "pool.keepalive", "c39")
    assert found.sentence.startswith(
        "29 % of the time that its calls waited was connecting: 40 new connections for 40"
    )
    kept = found_in(
        connects(limit_s=None), {"driver": "openai", "pool": {"connections": 10, "keepalive": 10}}
    )
    assert kept["connecting"].key == "pool.expiry"
    for open_s, key in ((1.5, "pool.expiry"), (5.5, "pool.keepalive")):  # two at once, or six
        pool = {"connections": 10, "keepalive": 2}
        of_server = found_in(connects(limit_s=None, open_s=open_s), {"driver": "openai", "pool": pool})
        assert of_server["connecting"].key == key
    assert found_in(connects(limit_s=None), {"driver": "python"})["connecting"].key is None
    early = found_in(connects(limit_s=None, whole=False), {"driver": "openai"})["connecting"]
    assert (early.key, early.setting) == ("http", "2")
    assert "leaves answers before their end" in early.cure
    assert found_in(connects(limit_s=None, whole=False), {"driver": "aiohttp"})["connecting"].key is None


def test_a_request_on_a_connection_that_was_gone() -> None:
    """The keep-alive race, with how long the client keeps connections and the call that was lost."""
    calls = [call("c0", 0.0, 1.0), call("c1", 3.0, 3.1, "connection")]
    opened: Row = {"connect_s": 0.01, "connected_s": 0.01, "headers_s": 0.1}
    lost: Row = {"error_type": "RemoteProtocolError", "connected_s": None, "headers_s": None}
    attempts = [attempt("c0", 0, 0.0, 1.0, **opened), attempt("c1", 0, 3.0, 3.1, **lost)]
    cell = make_cell(calls, [served("c0", 0, 0.0)], attempts)
    one = found_in(cell, {"pool": {"expiry": "5s"}})["stale_connections"]
    assert (one.count, one.of, one.calls, one.key) == (1, 2, ("c1",), "pool.expiry")
    assert "keeps idle ones for 5s" in one.sentence
