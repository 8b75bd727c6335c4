"""Rate limits over the engine: who is refused, what it costs, what it promises, and how it is said."""

from __future__ import annotations

import math
import re

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.mock_server.engines import arrive, body, engine_with, finish, headers
from windtunnel.mock_server.engine import Engine, Ticket
from windtunnel.mock_server.provider.rate_limiter import REMEMBERED_QUOTAS, LimitSettings, RateLimiter

RATE_LIMIT_NAMES = {
    f"x-ratelimit-{what}-{of}" for what in ("limit", "remaining", "reset") for of in ("requests", "tokens")
}


def limited(**limits: object) -> Engine:
    """An engine with these limits and room for everyone."""
    return engine_with(provider={"limits": limits, "capacity": {"slots": 100_000}})


def message(ticket: Ticket) -> str:
    """The message of an error answer."""
    return str(orjson.loads(body(ticket))["error"]["message"])


def spend(engine: Engine, requests: int, now: float = 0.0, **parts: object) -> None:
    """Admit `requests` requests of calls of their own."""
    for i in range(requests):
        assert arrive(engine, now, f"spent{i}", **parts).state == "running"


def test_the_request_after_the_last_one_of_the_minute_is_refused() -> None:
    """RPM holds one minute's worth: as many as that at once, and not one more."""
    engine = limited(rpm=3)
    spend(engine, 3)
    refused = arrive(engine, 0.0)
    assert (refused.state, refused.status) == ("refused", 429)


def test_the_message_for_requests_is_to_the_letter() -> None:
    """RPM 3, all used: the wait is (3 + 1 - 3) / (3 / 60) = 20 s, in the words of the real limiter."""
    engine = limited(rpm=3)
    spend(engine, 3)
    assert message(arrive(engine, 0.0)) == (
        "Rate limit reached for gpt-4.1 in organization org-windtunnel on requests per min (RPM): "
        "Limit 3, Used 3, Requested 1. Please try again in 20s. "
        "Visit https://platform.openai.com/account/rate-limits to learn more."
    )


def test_the_message_for_tokens_is_to_the_letter() -> None:
    """Limit 30000, Used 18928, Requested 11159: the public message's own 174 ms."""
    engine = limited(tpm=30_000)
    spend(engine, 1, prompt_tokens=18_000, max_tokens=928)
    refused = arrive(engine, 0.0, prompt_tokens=11_000, max_tokens=159)
    assert message(refused) == (
        "Rate limit reached for gpt-4.1 in organization org-windtunnel on tokens per min (TPM): "
        "Limit 30000, Used 18928, Requested 11159. Please try again in 174ms. "
        "Visit https://platform.openai.com/account/rate-limits to learn more."
    )
    error = orjson.loads(body(refused))["error"]
    assert (error["type"], error["code"]) == ("tokens", "rate_limit_exceeded")
    assert headers(refused)["retry-after-ms"] == "174"
    assert headers(refused)["retry-after"] == "1"


def test_a_request_that_can_never_fit_is_told_so_and_promised_nothing() -> None:
    """More tokens than a minute's worth: too large, without a Retry-After, whatever the level."""
    refused = arrive(limited(tpm=30_000), 0.0, prompt_tokens=31_000, max_tokens=538)
    assert message(refused).startswith(
        "Request too large for gpt-4.1 in organization org-windtunnel on tokens per min (TPM): "
        "Limit 30000, Requested 31538."
    )
    assert not {"retry-after", "retry-after-ms"} & headers(refused).keys()
    assert refused.retry_after_promised_s is None


limit_kinds = st.fixed_dictionaries(
    {},
    optional={
        "rpm": st.integers(1, 600),
        "tpm": st.integers(200, 50_000),
        "burst": st.sampled_from([0.5, 1.0, 3.0]),
        "quantised": st.booleans(),
        "debt": st.booleans(),
        "refused_requests_count": st.booleans(),
        "growth": st.just({"factor": 2.0, "baseline": "60s", "recent": "5s", "floor": 2.0}),
    },
)


@settings(deadline=None)
@given(limit_kinds, st.lists(st.tuples(st.floats(0, 2), st.integers(1, 120)), min_size=1, max_size=60))
def test_who_comes_back_exactly_when_promised_is_admitted(
    limits: dict[str, object], arrivals: list[tuple[float, int]]
) -> None:
    """After any history, waiting exactly as long as the 429 said gets the same request in, unless it can
    never fit (RPM is checked first)."""
    engine, now = limited(**limits), 0.0
    for i, (pause, max_tokens) in enumerate(arrivals):
        now += pause
        ticket = arrive(engine, now, f"c{i}", max_tokens=max_tokens)
        if ticket.retry_after_promised_s is not None:
            milliseconds = int(headers(ticket)["retry-after-ms"])
            assert ticket.retry_after_promised_s == milliseconds / 1000
            assert int(headers(ticket)["retry-after"]) == math.ceil(milliseconds / 1000)
            now += milliseconds / 1000
            again = arrive(engine, now, f"c{i}", max_tokens=max_tokens)
            assert again.state == "running" or b"Request too large" in body(again)


@settings(deadline=None)
@given(st.integers(1, 600), st.lists(st.floats(0, 3), min_size=1, max_size=200))
def test_no_more_than_burst_and_refill_is_ever_admitted(rpm: int, pauses: list[float]) -> None:
    """By any time, at most one minute's worth plus what was refilled since has been admitted."""
    engine, now, admitted = limited(rpm=rpm), 0.0, 0
    for i, pause in enumerate(pauses):
        now += pause
        admitted += arrive(engine, now, f"c{i}").state == "running"
        assert admitted <= rpm + now * rpm / 60 + 1e-6


def test_a_refused_request_takes_what_is_there() -> None:
    """With 0.5 requests left a refusal takes them, so the wait is that for a whole request."""
    engine = limited(rpm=60)
    spend(engine, 60)
    assert arrive(engine, 0.5, "c1").retry_after_promised_s == 1.0
    assert arrive(engine, 1.0, "c2").retry_after_promised_s == 1.0


def test_refused_requests_that_do_not_count_leave_the_level_alone() -> None:
    """With `refused_requests_count: false` the level goes on rising through refusals."""
    engine = limited(rpm=60, refused_requests_count=False)
    spend(engine, 60)
    assert arrive(engine, 0.5, "c1").retry_after_promised_s == 0.5
    assert arrive(engine, 0.75, "c2").retry_after_promised_s == 0.25


def test_debt_makes_every_refusal_prolong_the_wait() -> None:
    """With `debt: true` a refusal takes a whole request, so ten of them cost ten seconds at 60 RPM."""
    engine = limited(rpm=60, debt=True)
    spend(engine, 60)
    waits = [arrive(engine, 0.0, f"c{i}").retry_after_promised_s for i in range(10)]
    assert waits == [pytest.approx(2.0 + i) for i in range(10)]


def test_a_refusal_for_tokens_takes_a_request_and_no_tokens() -> None:
    """TPM refuses: RPM is charged, TPM stays as it was."""
    engine = limited(rpm=100, tpm=1000)
    spend(engine, 1, prompt_tokens=700, max_tokens=100)
    refused = arrive(engine, 0.0, prompt_tokens=700, max_tokens=100)
    assert headers(refused)["x-ratelimit-remaining-requests"] == "98"
    assert headers(refused)["x-ratelimit-remaining-tokens"] == "200"


def test_a_full_queue_refuses_with_503_and_takes_a_request_and_no_tokens() -> None:
    """No room: `overloaded`, at once, without Retry-After; it counts as a refused request does."""
    engine = engine_with(
        provider={"limits": {"rpm": 100, "tpm": 100_000}, "capacity": {"slots": 1, "queue": 0}}
    )
    arrive(engine, 0.0, "c0", max_tokens=50)
    refused = arrive(engine, 0.0, "c1", max_tokens=50)
    assert (refused.state, refused.status) == ("refused", 503)
    assert orjson.loads(body(refused))["error"]["code"] == "server_is_overloaded"
    given = headers(refused)
    assert not {"retry-after", "retry-after-ms"} & given.keys()
    assert given["x-ratelimit-remaining-requests"] == "98"
    assert given["x-ratelimit-remaining-tokens"] == str(100_000 - 100)


def test_quantised_limits_allow_one_second_s_worth_at_once() -> None:
    """60 RPM as 1/s: the second request of a second waits, however few there were in the minute."""
    engine = limited(rpm=60, quantised=True)
    assert arrive(engine, 0.0, "c0").state == "running"
    refused = arrive(engine, 0.0, "c1")
    assert refused.retry_after_promised_s == 1.0
    assert arrive(engine, 1.0, "c1").state == "running"


def test_a_quantised_limit_below_one_a_second_still_lets_one_through() -> None:
    """6 RPM as 1 every 10 s: the bucket holds one request, not a tenth of one."""
    engine = limited(rpm=6, quantised=True)
    assert arrive(engine, 0.0, "c0").state == "running"
    assert arrive(engine, 0.0, "c1").retry_after_promised_s == 10.0


@pytest.mark.parametrize(("burst", "at_once"), [(0.5, 30), (1.0, 60), (2.0, 120)])
def test_burst_is_how_many_minutes_worth_fit(burst: float, at_once: int) -> None:
    """`burst` changes how many fit at once, not how fast they come back."""
    engine = limited(rpm=60, burst=burst)
    states = [arrive(engine, 0.0, f"c{i}").state for i in range(150)]
    assert states.count("running") == at_once
    assert arrive(engine, 0.0, "c999").retry_after_promised_s == 1.0


def test_retry_after_none_promises_nothing_in_the_headers() -> None:
    """With `retry_after: none` the 429 has its message and no Retry-After of either kind."""
    engine = limited(rpm=1, retry_after="none")
    spend(engine, 1)
    refused = arrive(engine, 0.0)
    assert "Please try again in 1m0s" in message(refused)
    assert not {"retry-after", "retry-after-ms"} & headers(refused).keys()
    assert refused.retry_after_promised_s is None


def test_coming_back_early_is_noticed() -> None:
    """A second attempt before the promised time is marked; one at the promised time is not."""
    engine = limited(rpm=60)
    spend(engine, 60)
    assert arrive(engine, 0.0, "c0").retry_after_promised_s == 1.0
    early = arrive(engine, 0.4, "c0")
    assert early.came_back_early
    assert early.retry_after_promised_s == 1.0
    assert not arrive(engine, 1.4, "c0").came_back_early


def test_a_promise_concerns_its_own_model_key_and_region() -> None:
    """Calling another model at once breaks no promise."""
    engine = limited(rpm=1)
    spend(engine, 1)
    arrive(engine, 0.0, "c0")
    assert not arrive(engine, 0.1, "c0", model="gpt-4o").came_back_early
    assert not arrive(engine, 0.1, "c0", key_hash="k2").came_back_early
    assert arrive(engine, 0.1, "c0").came_back_early


def test_the_early_return_penalty_prolongs_the_promised_time() -> None:
    """Promised 1 s, back after 0.4 s: refused until 1 s + 5 s, though the bucket would have had room by then."""
    engine = limited(rpm=60, early_return_penalty="5s")
    spend(engine, 60)
    arrive(engine, 0.0, "c0")
    early = arrive(engine, 0.4, "c0")
    assert early.retry_after_promised_s == pytest.approx(5.6)
    assert arrive(engine, 5.9, "c0").retry_after_promised_s == pytest.approx(5.1)
    assert arrive(engine, 11.0, "c0").state == "running"


def test_the_penalty_refuses_an_early_return_even_when_there_is_room() -> None:
    """Room or not: before the promised time the call is refused; another call gets in."""
    engine = limited(rpm=60, early_return_penalty="2s", refused_requests_count=False)
    spend(engine, 60)
    assert arrive(engine, 0.9, "c0").retry_after_promised_s == 0.1
    assert arrive(engine, 0.95, "c0").status == 429
    assert arrive(engine, 1.0, "c1").state == "running"


def test_every_answer_carries_the_limit_headers() -> None:
    """Healthy answers and refusals show limit, what is left, and when it is whole again."""
    engine = limited(rpm=600, tpm=60_000)
    given = headers(arrive(engine, 0.0, prompt_tokens=50, max_tokens=50))
    assert given.keys() >= RATE_LIMIT_NAMES
    assert given["x-ratelimit-limit-requests"] == "600"
    assert given["x-ratelimit-remaining-requests"] == "599"
    assert given["x-ratelimit-reset-requests"] == "100ms"
    assert given["x-ratelimit-remaining-tokens"] == "59900"
    assert given["x-ratelimit-reset-tokens"] == "100ms"


@pytest.mark.parametrize(
    ("rpm", "used", "reset"),
    [(5000, 1, "12ms"), (60, 1, "1s"), (60, 59, "59s"), (10, 60, "6m0s"), (1, 62, "1h2m0s"), (50, 3, "3.6s")],
)
def test_resets_are_written_as_the_api_writes_them(rpm: int, used: int, reset: str) -> None:
    """`12ms`, `1s`, `6m0s`: milliseconds below a second, then seconds, minutes, hours."""
    engine = limited(rpm=rpm, burst=100.0)
    spend(engine, used - 1)
    assert headers(arrive(engine, 0.0))["x-ratelimit-reset-requests"] == reset


def test_the_headers_can_be_switched_off() -> None:
    """With `headers: false` no answer shows its limits, though they hold."""
    engine = limited(rpm=1, tpm=1000, headers=False)
    served, refused = arrive(engine, 0.0, "c0"), arrive(engine, 0.0, "c1")
    assert refused.status == 429
    for ticket in (served, refused):
        assert not RATE_LIMIT_NAMES & headers(ticket).keys()


def test_only_the_limits_that_exist_are_shown() -> None:
    """A key without a token limit has no token headers."""
    given = headers(arrive(limited(rpm=60), 0.0))
    assert not [name for name in given if re.fullmatch("x-ratelimit-.*-tokens", name)]


def test_keys_and_models_have_quotas_of_their_own() -> None:
    """One key's or model's exhaustion is nobody else's."""
    engine = limited(rpm=1)
    spend(engine, 1)
    assert arrive(engine, 0.0, "c1").status == 429
    assert arrive(engine, 0.0, "c2", key_hash="k2").state == "running"
    assert arrive(engine, 0.0, "c3", model="gpt-4o").state == "running"


def test_the_unused_part_of_max_tokens_comes_back_at_the_end() -> None:
    """Charged prompt + max_tokens at admission; after the answer only what was generated is gone."""
    engine = limited(tpm=60_000)
    ticket = arrive(engine, 0.0, prompt_tokens=50, max_tokens=10_000)
    assert headers(ticket)["x-ratelimit-remaining-tokens"] == str(60_000 - 10_050)
    finish(engine, ticket, 0.001)
    after = arrive(engine, 0.001, "c1", prompt_tokens=0, max_tokens=0)
    assert int(headers(after)["x-ratelimit-remaining-tokens"]) == 60_000 - 110 + 1


def test_without_max_tokens_the_planned_count_is_charged() -> None:
    """50 prompt tokens and the 60 that the answer will have."""
    given = headers(arrive(limited(tpm=60_000), 0.0, prompt_tokens=50))
    assert given["x-ratelimit-remaining-tokens"] == str(60_000 - 110)


def test_max_tokens_is_charged_for_every_choice() -> None:
    """`n: 3` asks for three times max_tokens."""
    ticket = arrive(limited(tpm=60_000), 0.0, prompt_tokens=50, max_tokens=100, body={"n": 3})
    assert headers(ticket)["x-ratelimit-remaining-tokens"] == str(60_000 - 350)


def test_embeddings_are_charged_their_prompt_alone() -> None:
    """An embedding generates nothing, so nothing but the prompt is charged or billed."""
    engine = limited(tpm=60_000)
    ticket = arrive(engine, 0.0, api="embeddings", stream=False, prompt_tokens=500)
    assert headers(ticket)["x-ratelimit-remaining-tokens"] == "59500"
    finish(engine, ticket, 1.0)
    assert (ticket.prompt_tokens_billed, ticket.tokens_billed) == (500, 0)


def test_growth_is_refused_with_slow_down_inside_the_limits() -> None:
    """A burst far below RPM is refused for growing too fast, with code `slow_down` and an exact wait."""
    engine = limited(rpm=6000, growth={"factor": 2.0, "baseline": "60s", "recent": "5s", "floor": 2.0})
    tickets = [arrive(engine, i * 0.05, f"c{i}") for i in range(100)]
    refused = [ticket for ticket in tickets if ticket.status == 429]
    assert refused
    error = orjson.loads(body(refused[0]))["error"]
    assert (error["type"], error["code"]) == ("rate_limit_error", "slow_down")
    assert "retry-after-ms" in headers(refused[0])


def test_a_lower_limit_in_a_later_phase_holds_from_then_on() -> None:
    """The level stays, the speed of refill and the size become the phase's."""
    engine = engine_with(
        provider={"limits": {"rpm": 600}, "capacity": {"slots": 1000}},
        phases=[
            {"name": "usual", "for": "10s"},
            {"name": "tight", "for": "10s", "provider": {"limits": {"rpm": 6}}},
            {"name": "free", "for": "10s", "provider": {"limits": {"rpm": None}}},
        ],
    )
    spend(engine, 100, now=9.0)
    states = [arrive(engine, 10.0, f"c{i}").state for i in range(10)]
    assert states.count("running") == 6
    assert arrive(engine, 10.0, "c99").retry_after_promised_s == 10.0
    assert [arrive(engine, 20.0, f"d{i}").state for i in range(100)].count("running") == 100


def test_memory_for_quotas_is_bounded() -> None:
    """However many keys call, only the most recently used quotas are remembered."""
    limits = RateLimiter(LimitSettings(rpm=1))
    for i in range(REMEMBERED_QUOTAS + 500):
        limits.quota(f"key{i}", "gpt-4.1", float(i))
    assert len(limits._quotas) == REMEMBERED_QUOTAS
