"""Requests to calls, by tables of made-up requests: what is one call, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from windtunnel.harness.probe.arrived import Arrived, ProbedConnection, arrived, connections_of
from windtunnel.harness.probe.calls import Inferred, infer
from windtunnel.harness.probe.figures import figures
from windtunnel.harness.probe.model import CallFigures
from windtunnel.mock_server.journal.columns import CONNECTIONS_COLUMNS, SERVED_COLUMNS

NOTHING = dict.fromkeys([column.name for column in SERVED_COLUMNS])


def sent(
    at_s: float,
    how: str = "failed",
    *,
    body: str = "b",
    on: ProbedConnection | None = None,
    nth: int = 0,
    lasts_s: float = 0.005,
    counter: int | None = None,
    idempotency: str | None = None,
    name: str | None = None,
    abandoned: bool = False,
) -> Arrived:
    """A request on a connection (by default one of its own, opened for it and closed behind it)."""
    served_id = f"{body}@{at_s:g}"
    row = {
        **NOTHING,
        "served_id": served_id,
        "call_id": name or "inferred",
        "identity": "header" if name else "inferred",
        "body_digest": body,
        "api": "chat",
        "arrived_s": at_s,
        "ended_s": at_s + lasts_s,
        "last_byte_s": at_s + lasts_s,
        "status": 200 if how in ("ok", "changed") else 500,
        "ending": "cut" if how == "open" else "end",
        "faults": ["malformed_json"] if how == "changed" else [],
        "connection_id": 0,
        "connection_request_n": nth,
        "sdk_retry_count": counter,
        "idempotency_digest": idempotency,
        "abandoned": abandoned,
        "abandoned_at_s": at_s + lasts_s if abandoned else None,
    }
    one = arrived([row], [])[0]
    own = ProbedConnection(hash(served_id), at_s - 0.001, at_s + lasts_s)
    return replace(one, connection=on or own)


def told(requests: Sequence[Arrived]) -> CallFigures:
    """The figures about calls."""
    ordered = sorted(requests, key=lambda one: one.arrived_s)
    return figures(ordered, [one.connection for one in ordered]).calls


def inferred(requests: Sequence[Arrived]) -> Inferred:
    return infer(sorted(requests, key=lambda one: one.arrived_s))


def chain(body: str, begin_s: float, gaps: Sequence[float], **parts: object) -> list[Arrived]:
    """A call that fails and is tried again after each gap, and is answered at last."""
    at, found = begin_s, []
    for gap in gaps:
        found.append(sent(at, body=body))
        at += gap
    return [*found, sent(at, "ok", body=body)]


def test_a_call_with_a_body_of_its_own_is_known_by_it() -> None:
    """Bodies that are never used again after a success tell calls apart, whatever connections their retries take."""
    found = told([one for i in range(10) for one in chain(f"b{i}", 10.0 * i, [0.1, 0.5, 1.5])])
    assert (found.calls, found.attempts_per_call, found.certain) == (10, 4.0, True)
    assert found.calls_with_attempts == {"4": 10}


@pytest.mark.parametrize("reconnects", [True, False])
def test_callers_at_once_with_one_prompt_are_as_many_calls(reconnects: bool) -> None:
    """24 requests together are 24 calls, and so they stay when each is tried again on its connection or a new one."""
    requests = []
    for i in range(24):
        own = ProbedConnection(i + 1, 0.001 * i, None)
        first = 0.001 * i + 0.0005
        for number, at in enumerate((first, first + 0.5, first + 1.5)):
            how = "ok" if number == 2 else "failed"
            if reconnects:
                requests.append(sent(at, how, lasts_s=0.02))
            else:
                requests.append(sent(at, how, on=own, nth=number))
    found = told(requests)
    assert (found.calls, found.attempts_per_call) == (24, 3.0)
    assert found.certain


def test_equal_calls_without_retries_are_not_taken_for_one_with_certainty() -> None:
    """One prompt again and again, after successes as well as failures: said to be open, between 1 and the most."""
    own = ProbedConnection(1, 0.0, None)
    requests = [sent(1.0 * i, "failed" if i % 3 else "ok", on=own, nth=i) for i in range(60)]
    found = told(requests)
    assert not found.certain
    assert found.at_least == 1.0
    assert found.at_most is not None
    assert found.at_most > 2


def test_the_sdk_s_counter_tells_retries_of_callers_at_once() -> None:
    """24 callers share a pool and a prompt; the counter alone says how many calls there are."""
    pool = [ProbedConnection(i, 0.0, None) for i in range(4)]
    requests = []
    for i in range(24):
        for counter in range(3):
            at = 0.01 * i + counter * 0.7
            how = "ok" if counter == 2 else "failed"
            requests.append(sent(at, how, on=pool[i % 4], nth=10 + i + 100 * counter, counter=counter))
    found = told(requests)
    assert (found.calls, found.attempts_per_call, found.certain) == (24, 3.0, True)


def test_a_loop_above_the_sdk_starts_its_counter_anew_and_is_one_call() -> None:
    """Counters 0, 1, 0, 1, 0 with one body: one call of five attempts."""
    requests = [
        sent(10.0 * i + at, "ok" if at == 4 else "failed", body=f"b{i}", counter=counter)
        for i in range(6)
        for at, counter in ((0, 0), (1, 1), (2, 0), (3, 1), (4, 0))
    ]
    found = told(requests)
    assert (found.calls, found.attempts_per_call, found.certain) == (6, 5.0, True)


def test_attempts_that_never_arrived_are_told_by_the_counter() -> None:
    """A counter that jumps says how many were lost on the way; they are named apart."""
    requests = [sent(0, counter=0), sent(3, counter=2), sent(5, "ok", counter=3)]
    found = told([*requests, sent(9, "ok", body="c", counter=2)])
    assert (found.calls, found.unseen_attempts) == (2, 3)


def test_an_idempotency_key_is_the_call() -> None:
    """The same key is the same call after a success too, another key another call after a failure."""
    requests = [
        sent(0, idempotency="i1"),
        sent(1, idempotency="i2"),
        sent(2, "ok", idempotency="i1"),
        sent(3, "ok", idempotency="i2"),
    ]
    found = told(requests)
    assert (found.calls, found.certainty) == (2, 0.99)


def test_a_named_call_is_certain() -> None:
    """A client that names its calls is believed."""
    found = told([sent(0, name="c1"), sent(1, "ok", name="c1"), sent(1, "ok", name="c2")])
    assert (found.calls, found.certainty) == (2, 1.0)


def test_who_hung_up_may_be_back_before_the_server_has_seen_it() -> None:
    """A retry that arrives a moment before the end of its predecessor is noticed is still its retry."""
    requests = []
    for i in range(6):
        at = 10.0 * i
        requests.append(sent(at, body=f"b{i}", lasts_s=2.0, abandoned=True))
        requests.append(sent(at + 1.99, "ok", body=f"b{i}"))
    found = told(requests)
    assert (found.calls, found.certain) == (6, True)


def test_a_hedge_is_one_call() -> None:
    """Two like requests of which one is cancelled as soon as the other is answered are one call."""
    requests = []
    for i in range(6):
        at = 10.0 * i
        requests.append(sent(at, body=f"b{i}", lasts_s=1.51, abandoned=True))
        requests.append(sent(at + 1.0, "ok", body=f"b{i}", lasts_s=0.5))
    found = told(requests)
    assert (found.calls, found.attempts_per_call, found.certain) == (6, 2.0, True)


def test_a_pair_that_may_be_a_hedge_or_two_callers_is_open() -> None:
    """Two like requests under way at once, the second one later, both answered: nobody can tell."""
    requests = [
        one
        for i in range(6)
        for one in (
            sent(10.0 * i, "ok", body=f"b{i}", lasts_s=2.0),
            sent(10.0 * i + 1, "ok", body=f"b{i}", lasts_s=2.0),
        )
    ]
    found = told(requests)
    assert not found.certain
    assert found.at_most == 2.0


def test_hardly_any_success_leaves_it_open() -> None:
    """In an outage nothing shows whether bodies are used again, so nothing is certain, and the bounds say so."""
    found = told([sent(1.0 * i) for i in range(12)])
    assert not found.certain
    assert (found.at_least, found.at_most) == (1.0, 12.0)


def test_chains_on_a_shared_pool_are_matched_as_a_whole() -> None:
    """A retry that takes the connection of an earlier attempt leaves the one between to its own retry."""
    one, two = ProbedConnection(1, 0.0, None), ProbedConnection(2, 0.0, None)
    requests = []
    for i in range(6):
        at, nth = 10.0 * i, 10 * i
        requests += [
            sent(at, body=f"b{i}", on=one, nth=nth),
            sent(at + 1, body=f"b{i}", on=two, nth=nth + 1),
            sent(at + 2, body=f"b{i}", on=one, nth=nth + 2),
            sent(at + 3, "ok", body=f"b{i}", on=two, nth=nth + 3),
        ]
    found = told(requests)
    assert (found.calls, found.calls_with_attempts) == (6, {"4": 6})


def test_nothing_is_no_call() -> None:
    """Without requests there is no certainty to speak of."""
    found = told([])
    assert (found.calls, found.certainty, found.certain, found.attempts_per_call) == (0, None, False, None)


def test_a_few_open_decisions_do_not_matter() -> None:
    """One doubtful call among 300 cannot move the figures by 2 %."""
    requests = [one for i in range(300) for one in chain(f"b{i}", 10.0 * i, [0.1])]
    requests += [sent(1.0, "ok", body="x", lasts_s=2.0), sent(2.0, "ok", body="x", lasts_s=2.0)]
    assert told(requests).certain


def test_connections_are_made_of_their_rows() -> None:
    """The table of connections gives times of opening and closing; what it lacks is made up from the request."""
    row = dict.fromkeys(column.name for column in CONNECTIONS_COLUMNS)
    row |= {"connection_id": 3, "opened_s": 1.0, "closed_s": None}
    assert connections_of([row]) == [ProbedConnection(3, 1.0, None)]
