"""Who gets a fault, and when: every trigger, every match, and no influence of one rule on another."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from windtunnel.mock_server.errors import FaultHeaderError
from windtunnel.mock_server.plan.plan import Plan
from windtunnel.mock_server.rules import NO_FAULTS, Chosen, RuleBook, requested_fault


@dataclass(frozen=True)
class Ask:
    """What a rule looks at."""

    api: str = "chat"
    model: str = "gpt-4.1-mini"
    region: str = "local"
    stream: bool = True
    key_hash: str = "5f2c9a"
    http2: bool = False


ASK = Ask()


def book(*rules: dict[str, Any], **plan: Any) -> RuleBook:
    """The rules of a plan that are always on."""
    return RuleBook(Plan.model_validate({"rules": list(rules), **plan}))


def names(chosen: Chosen) -> list[str]:
    """The names of the faults that act."""
    uses = ([chosen.edge] if chosen.edge else []) + list(chosen.answer)
    return [use.kind.name for use in uses]


def acts(
    rules: RuleBook, call: int, attempt: int = 0, *, now: float = 1.0, phase: int = 0, ask: Ask = ASK
) -> bool:
    """Whether anything happens to an attempt of a call with an index."""
    return rules.choose(ask, f"c{call}", call, attempt, now, phase) is not NO_FAULTS


def attempts_hit(rules: RuleBook, call: int, attempts: Iterable[int] = range(6)) -> list[int]:
    """The attempts of a call to which something happens."""
    return [attempt for attempt in attempts if acts(rules, call, attempt)]


@pytest.mark.parametrize(
    ("match", "ask", "holds"),
    [
        ({}, ASK, True),
        ({"api": "chat"}, ASK, True),
        ({"api": "responses"}, ASK, False),
        ({"model": "gpt-4*"}, ASK, True),
        ({"model": "gpt-?.1-mini"}, ASK, True),
        ({"model": "gpt-4"}, ASK, False),
        ({"model": "GPT-4*"}, ASK, False),
        ({"region": "local"}, ASK, True),
        ({"region": "eu"}, ASK, False),
        ({"stream": True}, ASK, True),
        ({"stream": False}, ASK, False),
        ({"stream": False}, replace(ASK, stream=False), True),
        ({"key": "5f2c9a"}, ASK, True),
        ({"key": "5f2c"}, ASK, True),
        ({"key": "aaaa"}, ASK, False),
        ({"api": "chat", "stream": True, "region": "eu"}, ASK, False),
    ],
)
def test_a_rule_holds_for_the_requests_that_it_names(match: dict[str, Any], ask: Ask, holds: bool) -> None:
    """Every part of a match has to hold, and what is left out holds for all."""
    rules = book({"fault": "hang", "match": match}, provider={"regions": {"local": {}, "eu": {}}})
    assert acts(rules, 1, ask=ask) is holds


def test_a_match_on_the_attempt_singles_it_out() -> None:
    """`attempt: 1` hits second attempts alone, by the server's own count."""
    assert attempts_hit(book({"fault": "hang", "match": {"attempt": 1}}), 3) == [1]


def test_a_fault_that_cannot_act_on_an_answer_leaves_it_alone() -> None:
    """A stream fault without a match hits streams and passes other answers by."""
    rules = book({"fault": "error_event"})
    assert acts(rules, 1)
    assert not acts(rules, 1, ask=replace(ASK, stream=False))
    assert not acts(rules, 1, ask=replace(ASK, api="embeddings", stream=False))


def test_first_makes_each_call_fail_and_then_succeed() -> None:
    """`first: 2` hits the first two attempts of every call and none after them."""
    rules = book({"fault": "overloaded", "first": 2})
    assert [attempts_hit(rules, call) for call in (1, 2)] == [[0, 1], [0, 1]]


def test_first_per_rule_counts_requests_as_they_arrive() -> None:
    """With `per: rule` the first two requests are hit, whoever makes them."""
    rules = book({"fault": "overloaded", "first": 2, "per": "rule"})
    assert [acts(rules, call) for call in (7, 8, 9)] == [True, True, False]


def test_every_goes_by_the_calls_place_in_the_schedule() -> None:
    """`every: 3` hits each third call, in all its attempts, in whatever order they arrive."""
    rules = book({"fault": "overloaded", "every": 3})
    assert [call for call in (5, 4, 3, 2, 1, 0) if acts(rules, call)] == [5, 2]
    assert attempts_hit(rules, 5, range(3)) == [0, 1, 2]


def test_every_numbers_calls_without_an_index_in_order_of_arrival() -> None:
    """A call that nobody has numbered keeps the number of its first request."""
    rules = book({"fault": "overloaded", "every": 2})
    chosen = [rules.choose(ASK, call, None, 0, 1.0, 0) for call in ("a", "b", "a", "c", "d", "b")]
    assert [one is not NO_FAULTS for one in chosen] == [False, True, False, False, True, True]


def test_every_per_rule_counts_requests() -> None:
    """With `per: rule` each third request is hit."""
    rules = book({"fault": "overloaded", "every": 3}, per_default="rule")
    assert [acts(rules, 0) for _ in range(6)] == [False, False, True, False, False, True]


def test_a_sequence_is_played_attempt_by_attempt_and_then_all_is_well() -> None:
    """Entry n goes with attempt n; `ok` and the time after the end leave the answer alone."""
    rules = book(
        {"sequence": ["overloaded", "ok", {"fault": "stall", "with": {"seconds": "2s"}}, "server_error"]}
    )
    played = [names(rules.choose(ASK, "c1", 1, attempt, 1.0, 0)) for attempt in range(6)]
    assert played == [["overloaded"], [], ["stall"], ["server_error"], [], []]


def test_a_sequence_uses_the_parameters_of_the_rules_own_fault() -> None:
    """Naming the rule's fault in its sequence means that fault with the rule's parameters."""
    rules = book({"fault": "stall", "with": {"seconds": "2s"}, "sequence": ["ok", "stall"]})
    [use] = rules.choose(ASK, "c1", 1, 1, 1.0, 0).answer
    assert use.params.model_dump()["seconds"] == "2s"


def test_rate_hits_its_share_of_attempts() -> None:
    """`rate: 0.2` hits a fifth of the attempts, give or take what chance allows."""
    rules = book({"fault": "overloaded", "rate": 0.2})
    hit = sum(acts(rules, call) for call in range(5000))
    assert 900 < hit < 1100


@given(st.permutations(range(40)), st.integers(0, 3))
def test_draws_do_not_depend_on_the_order_of_arrival(order: list[int], attempt: int) -> None:
    """Whichever way calls arrive, the same ones are hit."""
    rule = {"fault": "overloaded", "rate": 0.3}
    in_order = {call for call in range(40) if acts(book(rule), call, attempt)}
    rules = book(rule)
    assert {call for call in order if acts(rules, call, attempt)} == in_order


def test_draws_of_different_rules_and_seeds_are_independent() -> None:
    """Two rules hit different calls, and so does one rule with another seed; the same seed hits the same."""
    one = book({"fault": "overloaded", "rate": 0.5, "id": "a"}, seed=1)
    calls = range(200)

    def hit(rules: RuleBook) -> list[bool]:
        return [acts(rules, call) for call in calls]

    assert hit(one) == hit(book({"fault": "hang", "rate": 0.5, "id": "a"}, seed=1))
    assert hit(one) != hit(book({"fault": "overloaded", "rate": 0.5, "id": "b"}, seed=1))
    assert hit(one) != hit(book({"fault": "overloaded", "rate": 0.5, "id": "a"}, seed=2))


def test_a_rule_keeps_its_hits_when_another_one_joins() -> None:
    """Adding a rule moves neither draws nor counters of the others."""
    counted = {"fault": "slow_first_token", "first": 3, "per": "rule", "id": "counted"}
    drawn = {"fault": "stall", "rate": 0.5, "id": "drawn"}
    rules, joined = book(counted, drawn), book({"fault": "overloaded", "rate": 0.5}, counted, drawn)
    for call in range(50):
        before = names(rules.choose(ASK, f"c{call}", call, 0, 1.0, 0))
        after = names(joined.choose(ASK, f"c{call}", call, 0, 1.0, 0))
        assert after in (["overloaded"], before)


def test_a_burst_acts_in_the_first_part_of_each_period_of_its_phase() -> None:
    """`burst: {every: 10s, for: 2s}` opens the window at the phase's start and every 10 s after it."""
    rule = {"fault": "hang", "burst": {"every": "10s", "for": "2s"}}
    rules = RuleBook(
        Plan.model_validate(
            {"phases": [{"name": "a", "for": "5s"}, {"name": "b", "for": "60s", "rules": [rule]}]}
        )
    )
    at = {now: acts(rules, 1, now=now, phase=1) for now in (5.0, 6.9, 7.0, 14.9, 15.0, 17.5)}
    assert at == {5.0: True, 6.9: True, 7.0: False, 14.9: False, 15.0: True, 17.5: False}


@pytest.mark.parametrize(
    ("now", "low", "high"),
    [(-3.0, 0, 0), (0.0, 0, 0), (5.0, 420, 580), (10.0, 1000, 1000), (50.0, 1000, 1000)],
)
def test_a_ramp_goes_from_one_probability_to_the_other_over_its_phase(
    now: float, low: int, high: int
) -> None:
    """Nothing at the start, half in the middle, everything at the end and after it."""
    rule = {"fault": "hang", "ramp": {"from": 0, "to": 1}}
    rules = RuleBook(Plan.model_validate({"phases": [{"name": "a", "for": "10s", "rules": [rule]}]}))
    assert low <= sum(acts(rules, call, now=now) for call in range(1000)) <= high


def test_rules_of_a_phase_act_in_that_phase_alone() -> None:
    """Rules that are always on hold everywhere; a phase's own hold while it lasts."""
    plan = Plan.model_validate(
        {
            "rules": [{"fault": "slow_first_token"}],
            "phases": [{"name": "a", "for": "1s"}, {"name": "b", "for": "1s", "rules": [{"fault": "stall"}]}],
        }
    )
    rules = RuleBook(plan)
    assert [names(rules.choose(ASK, "c1", 1, 0, 0.5, phase)) for phase in (0, 1)] == [
        ["slow_first_token"],
        ["slow_first_token", "stall"],
    ]


def test_counters_of_rules_that_are_always_on_go_on_over_phases() -> None:
    """A rule that counts `per: rule` counts through a change of phase."""
    plan = Plan.model_validate(
        {
            "rules": [{"fault": "hang", "first": 2, "per": "rule"}],
            "phases": [{"name": "a", "for": "1s"}, {"name": "b", "for": "1s"}],
        }
    )
    rules = RuleBook(plan)
    assert [acts(rules, call, phase=call // 2) for call in range(4)] == [True, True, False, False]


def test_the_first_edge_fault_stands_alone() -> None:
    """An edge fault replaces everything, wherever its rule stands among those of answer faults."""
    both = book({"fault": "stall"}, {"fault": "overloaded"}, {"fault": "hang"})
    assert names(both.choose(ASK, "c1", 1, 0, 1.0, 0)) == ["overloaded"]


ALL_LAYERS = ["missing_usage", "bad_json_event", "cut", "stall", "fragment"]


@pytest.mark.parametrize(
    ("written", "acting"),
    [
        (ALL_LAYERS, ALL_LAYERS),
        (ALL_LAYERS[::-1], ALL_LAYERS),
        (["stall", "cut", "slow_first_token"], ["cut", "stall", "slow_first_token"]),
        (["slow_first_token", "cut", "stall"], ["cut", "slow_first_token", "stall"]),
        (["drip", "fragment", "crlf_events"], ["drip", "fragment", "crlf_events"]),
        (["crlf_events", "error_event"], ["error_event", "crlf_events"]),
        (["buffered", "swapped_events", "stall"], ["swapped_events", "buffered", "stall"]),
    ],
)
def test_answer_faults_act_layer_by_layer(written: list[str], acting: list[str]) -> None:
    """The layers of the faults decide their order, and the plan's order where they share one."""
    rules = book(*[{"fault": name} for name in written])
    assert names(rules.choose(ASK, "c1", 1, 0, 1.0, 0)) == acting


def test_reset_acts_at_the_edge_or_inside_the_answer_as_its_place_says() -> None:
    """`before_headers` is an edge fault; after some bytes it is a fault of the answer."""
    early = book({"fault": "reset"}).choose(ASK, "c1", 1, 0, 1.0, 0)
    late = book({"fault": "reset", "with": {"at": "after_bytes 10"}}).choose(ASK, "c1", 1, 0, 1.0, 0)
    assert early.edge is not None
    assert late.edge is None
    assert [use.kind.stage for use in late.answer] == ["answer"]


def test_what_a_rule_says_about_quota_and_slots_goes_with_its_fault() -> None:
    """`charge` and `holds_slot` reach whoever applies the fault, with the rule's name."""
    charged = book({"fault": "overloaded", "charge": True, "id": "x"}).choose(ASK, "c1", 1, 0, 1.0, 0).edge
    [held] = book({"fault": "stall", "holds_slot": True}).choose(ASK, "c1", 1, 0, 1.0, 0).answer
    assert charged is not None
    assert (charged.charge, charged.rule_id) == (True, "x")
    assert (held.holds_slot, held.charge, held.rule_id) == (True, False, "rules[0]")


def test_reset_of_the_book_begins_counting_anew() -> None:
    """After `reset` the first requests are the first again."""
    rules = book({"fault": "hang", "first": 1, "per": "rule"})
    assert [acts(rules, 1), acts(rules, 2)] == [True, False]
    rules.reset()
    assert acts(rules, 3)


def test_the_cache_of_matches_stays_bounded() -> None:
    """However many models and keys are tried, the decisions stay right and the memory small."""
    rules = book({"fault": "hang", "match": {"model": "m1*"}})
    for i in range(10_000):
        assert acts(rules, i, ask=replace(ASK, model=f"m{i}")) is str(i).startswith("1")
    assert len(rules._matching) <= 4096


def test_a_header_asks_for_one_fault() -> None:
    """`stall; after_chunks=3; seconds=5` is that fault, with bare numbers as seconds."""
    use = requested_fault("stall; after_chunks=3; seconds=5")
    assert use.kind.name == "stall"
    assert use.params.model_dump() == {"after_chunks": 3, "seconds": "5s"}
    assert requested_fault("reset; at=after_chunks 2").kind.stage == "answer"
    assert requested_fault(" overloaded ;").kind.stage == "edge"


@pytest.mark.parametrize(
    ("header", "params"),
    [
        ("cloudflare; status=530", {"status": 530}),
        ("bad_gateway; html=true", {"html": True}),
        ("truncated_json; keep=0.25", {"keep": 0.25}),
        ("server_error; retry_after=0; should_retry=false", {"retry_after": "0", "should_retry": False}),
        ("stall_with_heartbeats; seconds=forever; every=0.5", {"seconds": "forever", "every": "500ms"}),
        ("status; status=418; body=<p>tea</p>", {"status": 418, "body": "<p>tea</p>"}),
        ("rate_limit_tokens; limit=1000; used=900; requested=200", {"limit": 1000, "used": 900}),
    ],
)
def test_text_in_a_header_becomes_what_the_parameter_is(header: str, params: dict[str, Any]) -> None:
    """Numbers, yes and no, durations and text: a header can say all of them."""
    given = requested_fault(header).params.model_dump()
    assert {name: given[name] for name in params} == params


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("", "unknown fault ''"),
        ("stal", "'stall' perhaps"),
        ("stall; forever", "key=value"),
        ("stall; seconds=soon", "x-windtunnel-fault.stall.seconds: found 'soon'"),
        ("stall; second=5", "'seconds' perhaps"),
        ("status", "x-windtunnel-fault.status.status"),
        ("status; status=42", "greater than or equal to 200"),
        ("cloudflare; status=525", "one of 520, 521, 522, 523, 524, 530"),
    ],
)
def test_a_header_that_makes_no_sense_is_refused(header: str, message: str) -> None:
    """A wrong header raises `FaultHeaderError`, which says where it is wrong and what was expected."""
    with pytest.raises(FaultHeaderError) as caught:
        requested_fault(header)
    assert message in str(caught.value)
