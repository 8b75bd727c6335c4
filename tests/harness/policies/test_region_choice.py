"""Which region a client calls: what a choice comes to in a scenario, and how the latency-aware one learns."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from windtunnel.harness.errors import InputError
from windtunnel.harness.inputs.profile import Profile
from windtunnel.harness.inputs.region_choice import fallback_of, home_of, of_instance, settled
from windtunnel.harness.load.targets import targets_of
from windtunnel.harness.policies.call import Begin, Done, Policies
from windtunnel.harness.policies.failure import Failure
from windtunnel.harness.policies.policy import PRIMARY
from windtunnel.mock_server.plan.provider import Provider

PROVIDER = Provider.model_validate(
    {
        "regions": {
            "us": {"link": {"rtt": {"mean": "89ms", "p99": "210ms"}}},
            "eu": {"rtt": "40ms"},
            "asia": {"link": {"rtt": "198ms"}},
        }
    }
)
URLS = {name: f"http://{name}/v1" for name in PROVIDER.regions}
REFUSED = Failure("connection", ConnectionError())


def profile(region: Any, **parts: Any) -> Profile:
    """A client with a choice of regions."""
    plain = {"name": "tested", "about": "A test.", "driver": "httpx2", "timeouts": {}, "pool": {}}
    return Profile.model_validate({**plain, "region": region, **parts})


def called(region: Any, load: str = "us") -> tuple[str, list[str]]:
    """The region that is called first, and where calls may go besides."""
    played, home = settled(profile(region), PROVIDER, load)
    return home, [target.region for target in targets_of(played, home, "m", URLS).values()]


@pytest.mark.parametrize(
    ("region", "found"),
    [
        (None, ("us", [])),
        ("asia", ("asia", [])),
        ({"choose": "one"}, ("us", [])),
        ({"choose": "nearest"}, ("eu", [])),
        ({"choose": "nearest", "order": ["asia", "us"]}, ("us", [])),
        ({"choose": "failover"}, ("us", ["eu", "asia"])),
        ({"choose": "failover", "order": ["asia", "mars", "us"]}, ("asia", ["us"])),
        ({"choose": "failover", "order": ["eu"]}, ("eu", [])),
        ({"choose": "hedged", "order": ["eu", "asia"]}, ("eu", ["asia"])),
        ({"choose": "latency_aware"}, ("us", ["eu", "asia"])),
    ],
)
def test_what_a_choice_comes_to(region: Any, found: tuple[str, list[str]]) -> None:
    """The region that is called, and the others in the order in which they are gone to; unknown ones are left out."""
    assert called(region) == found


@pytest.mark.parametrize(
    ("spread", "orders"),
    [
        ("none", ["us eu asia"] * 7),
        (
            "homes",
            [
                "us eu asia",
                "eu asia us",
                "asia us eu",
                "us eu asia",
                "eu asia us",
                "asia us eu",
                "us eu asia",
            ],
        ),
        (
            "evenly",
            [
                "us eu asia",
                "eu asia us",
                "asia us eu",
                "us asia eu",
                "eu us asia",
                "asia eu us",
                "us eu asia",
            ],
        ),
    ],
)
def test_instances_begin_at_regions_of_their_own(spread: str, orders: list[str]) -> None:
    """In turn; with `evenly` those of one region go on to different ones."""
    played, _ = settled(profile({"choose": "failover", "spread": spread}), PROVIDER, "us")
    found = [of_instance(played, number) for number in range(7)]
    assert [" ".join(one.region.order) for one in found if one.region is not None] == orders
    assert [home_of(one, "us") for one in found] == [order.split()[0] for order in orders]


def test_a_failover_is_a_fallback() -> None:
    """With the numbers of the choice; also once the profile has been written down and read again."""
    choice = {"choose": "failover", "leave_after": 3, "probe": "7s", "on": ["timeout"]}
    played, _ = settled(profile(choice), PROVIDER, "us")
    fallback = fallback_of(Profile.model_validate_json(played.model_dump_json(by_alias=True)))
    assert fallback is not None
    assert [step.region for step in fallback.to] == ["eu", "asia"]
    assert (fallback.leave_after, fallback.probe, fallback.on) == (3, 7.0, ("timeout",))


def test_a_choice_among_none_is_refused() -> None:
    """With the regions that there are."""
    with pytest.raises(
        InputError, match=r"client tested.*region.order: .* mars.*one of 'us', 'eu' or 'asia'"
    ):
        settled(profile("mars"), PROVIDER, "us")


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"region": {"choose": "farthest"}}, "latency_aware"),
        ({"region": {"choose": "one", "probe": "3s"}}, "failover or latency_aware reads it"),
        ({"region": {"choose": "failover", "explore": 0.2}}, "latency_aware reads it"),
        ({"region": {"choose": "one", "order": ["us", "eu"]}}, "one region, or spread: homes"),
        ({"region": {"choose": "nearest", "spread": "homes"}}, "reads it"),
        ({"region": {"choose": "failover", "order": ["us", "us"]}}, "'us' twice"),
        ({"region": {"choose": "failover"}, "fallback": {"to": [{"region": "other"}]}}, "both say where"),
        ({"region": {"choose": "hedged"}, "hedge": {"region": "eu"}}, "region.order says where"),
        ({"region": {"choose": "latency_aware"}, "hedge": {"region": "eu"}}, "that chooses the region"),
    ],
)
def test_what_is_refused(parts: dict[str, Any], message: str) -> None:
    """Keys that nothing would read, and two parts that both say where calls go."""
    with pytest.raises(ValidationError) as refused:
        profile(**parts)
    assert message in str(refused.value)


class World:
    """An instance that chooses by latency; draws are 0.5 unless a test sets them."""

    def __init__(self, **choice: Any) -> None:
        self.now = 0.0
        self.draw = 0.5
        self.policies = Policies.of(
            profile({"choose": "latency_aware", **choice}),
            now=lambda: self.now,
            wall=lambda: 0.0,
            draw=lambda call, n: self.draw,
            targets=("b", "c"),
        )

    def answered(self, seconds: float) -> str:
        """Make a call that is answered after so long; gives where it went."""
        call = self.policies.call("c")
        begin = call.begin()[0]
        assert isinstance(begin, Begin)
        self.now += seconds
        call.content(0)
        assert isinstance(call.ended(0, None)[-1], Done)
        return begin.target


def test_the_fastest_is_called() -> None:
    """And when it becomes slow, the next one."""
    world = World(explore=0.0)
    world.draw = 0.5
    assert world.answered(1.0) == PRIMARY
    world.draw = 0.0
    assert {world.answered(0.4), world.answered(0.4)} == {"b", "c"}
    world.draw = 0.5
    first = world.answered(0.3)
    assert first in ("b", "c")
    assert world.answered(5.0) == first
    assert world.answered(0.3) not in (first, PRIMARY)


def test_a_share_of_the_calls_explores() -> None:
    """In turn over all but the fastest, so that one that was slow is seen to be fast again."""
    world = World(explore=0.1)
    world.draw = 0.0
    while {"b", "c"} - {world.answered(0.5)}:
        if world.now > 2:
            break
    world.draw = 0.5
    assert world.answered(0.1) == PRIMARY
    world.draw = 0.09
    assert {world.answered(0.5), world.answered(0.5)} == {"b", "c"}
    world.draw = 0.1
    assert world.answered(0.1) == PRIMARY


def test_a_region_that_refuses_at_once_is_not_fast() -> None:
    """The call goes on elsewhere, and the next ones do not begin there."""
    world = World(explore=0.0)
    call = world.policies.call("c")
    assert call.begin()[0] == Begin(0, PRIMARY)
    world.now += 0.001
    assert call.ended(0, REFUSED)[0] == Begin(1, "b")
    world.now += 0.5
    call.content(1)
    call.ended(1, None)
    assert world.answered(0.5) == "b"


def test_each_region_is_asked_once_by_a_call() -> None:
    """Where all fail the call ends with the last failure."""
    world = World(explore=0.0)
    call = world.policies.call("c")
    went = [call.begin()[0]]
    went += [call.ended(number, REFUSED)[0] for number in range(2)]
    assert [one.target for one in went if isinstance(one, Begin)] == [PRIMARY, "b", "c"]
    assert isinstance(call.ended(2, REFUSED)[-1], Done)


def test_a_failing_region_is_probed_and_its_first_answer_ends_that() -> None:
    """Every `probe` one call asks it, no exploring one; its failures leave nothing in its average."""
    world = World(explore=0.5, probe="10s")
    while {"b", "c"} & set(world.policies.call("c").says().split()) != {"b", "c"}:
        world.draw = 0.0
        world.answered(0.5)
        assert world.now < 20
    world.draw = 0.9
    assert world.answered(0.1) == PRIMARY
    call = world.policies.call("c")
    assert call.begin()[0] == Begin(0, PRIMARY)
    call.ended(0, REFUSED)
    call.cut_off()
    failed_at = world.now
    world.draw = 0.0
    while world.now + 0.5 < failed_at + 10:
        assert world.answered(0.5) != PRIMARY
    world.now = failed_at + 10
    probe, other = world.policies.call("c"), world.policies.call("c")
    assert probe.begin()[0] == Begin(0, PRIMARY)
    assert other.begin()[0] != Begin(0, PRIMARY)  # one of them at a time
    assert "primary fails" in probe.says()
    world.now += 0.1
    probe.content(0)
    probe.ended(0, None)
    world.draw = 0.9
    assert "primary 0.1" in world.policies.call("c").says()
    assert world.answered(0.1) == PRIMARY


def test_old_answers_are_forgotten() -> None:
    """After ten times the decay one new answer is nearly all that counts."""
    world = World(explore=0.0, decay="1s")
    for _ in range(5):
        world.answered(2.0)
    world.now += 10.0
    world.answered(0.1)
    assert "primary 0.1" in world.policies.call("c").says()
