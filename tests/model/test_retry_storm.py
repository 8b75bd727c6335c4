"""The headline, in a model: who recovers from a brownout and who never does; and the engine agrees call by call."""

from __future__ import annotations

import math

import pytest

from tests.model.clients import NAIVE_LOOP, OPENAI_4S, OPENAI_DEFAULT, POLICIES, RETRY_BUDGET, Policy
from tests.model.incident import PHASES, Played, play
from tests.model.providers import Brownout, EngineProvider

SEEDS = range(20)


def outcomes(played: Played) -> list[tuple[str, int, bool, float]]:
    return [(call.call_id, call.attempts, call.ok, round(call.ended, 6)) for call in played.calls]


@pytest.mark.parametrize("policy", [OPENAI_4S, NAIVE_LOOP], ids=lambda policy: policy.name)
@pytest.mark.parametrize("seed", SEEDS)
def test_a_short_timeout_with_retries_never_lets_the_provider_recover(seed: int, policy: Policy) -> None:
    """All is well before the brownout; long after it nobody gets an answer in time, on every seed."""
    played = play(Brownout(seed), policy)
    assert played.goodput("healthy") >= 0.99
    assert played.goodput("after") <= 0.1
    assert played.time_to_recover == math.inf


@pytest.mark.parametrize("seed", SEEDS)
def test_a_retry_budget_lets_the_provider_recover(seed: int) -> None:
    """The same timeout with a budget: back to normal within 12 s, with at most one retry in ten calls."""
    played = play(Brownout(seed), RETRY_BUDGET)
    assert played.time_to_recover <= 12.0
    assert played.goodput("after") >= 0.6
    assert played.amplification() <= 1.2


@pytest.mark.parametrize("seed", SEEDS)
def test_waiting_survives_the_brownout(seed: int) -> None:
    """The SDK's default waits: hardly a call is lost, none is sent twice, and it is over when the brownout is."""
    played = play(Brownout(seed), OPENAI_DEFAULT)
    assert played.goodput("brownout") >= 0.7
    assert played.goodput("after") == pytest.approx(1.0, abs=0.02)
    assert played.time_to_recover <= 1.0
    assert played.amplification() == 1.0


def test_a_longer_storm_multiplies_every_call() -> None:
    """24, 8, 24 slots for 15, 15 and 60 s: about 3 and 9.5 attempts per call of the storm, against 1.0."""
    storm = Brownout(1, slots=(24, 8, 24), lengths=(15.0, 15.0, 60.0))
    seen = {policy.name: play(storm, policy) for policy in POLICIES}
    assert seen["openai-4s-timeout"].amplification("after") == pytest.approx(3.0, abs=0.15)
    assert seen["naive-loop"].amplification("after") == pytest.approx(9.5, abs=0.5)
    assert seen["openai-default"].amplification() <= 1.01


@pytest.mark.parametrize("policy", [OPENAI_4S, NAIVE_LOOP], ids=lambda policy: policy.name)
def test_freeing_abandoned_work_removes_the_storm_altogether(policy: Policy) -> None:
    """What keeps the provider down is work for nobody: with `abandoned: stop` the same clients recover at once."""
    for seed in range(5):
        played = play(Brownout(seed, keep_working=False), policy)
        assert played.goodput("after") >= 0.9
        assert played.time_to_recover <= 12.0


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.name)
@pytest.mark.parametrize("keep_working", [True, False], ids=["keep_working", "stop"])
def test_the_engine_agrees_with_the_model_call_by_call(policy: Policy, keep_working: bool) -> None:
    """Driven by the same clients, engine and model serve the same requests, and every call ends alike and when the
    model says, to the microsecond."""
    for seed in (7, 8):
        storm = Brownout(seed, keep_working=keep_working)
        model, real = play(storm, policy), play(storm, policy, EngineProvider)
        assert real.served == model.served
        assert outcomes(real) == outcomes(model)
        assert [real.goodput(phase) for phase in PHASES] == [model.goodput(phase) for phase in PHASES]
        assert real.time_to_recover == model.time_to_recover


def test_the_engine_agrees_when_the_queue_is_short_and_refuses() -> None:
    """A queue of ten sends 503s all through the brownout: refusals and their retries agree as well."""
    storm = Brownout(3, queue=10)
    for policy in POLICIES:
        model, real = play(storm, policy), play(storm, policy, EngineProvider)
        assert any(not call.ok for call in model.calls)
        assert outcomes(real) == outcomes(model)
