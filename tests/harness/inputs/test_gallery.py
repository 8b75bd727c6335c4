"""The gallery: everything in it is valid, explained, plays with everything else, and shows what it claims to show."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest
from ruamel.yaml import YAML

from windtunnel.harness.contract.metrics import METRICS
from windtunnel.harness.errors import InputError
from windtunnel.harness.inputs.gallery import (
    client_names,
    gallery_folder,
    list_clients,
    list_scenarios,
    load_profile,
    load_scenario,
    scenario_names,
)
from windtunnel.harness.inputs.profile import SDK_DRIVERS, SOCKET_TIMEOUTS
from windtunnel.harness.inputs.schemas import build_schemas, write_schemas
from windtunnel.harness.plan import resolve

SCENARIOS = [
    "gateway_timeout",
    "h2_stall",
    "healthy",
    "keepalive_race",
    "malformed_json",
    "pool_exhaustion",
    "rate_limit_wave",
    "region_failover",
    "regional_latency",
    "retry_storm",
    "server_errors",
    "soak_24h",
    "stalled_streams",
    "tls_trouble",
]
INCIDENTS = ["incidents/edge_530", "incidents/routing_oom", "incidents/two_waves"]
CLIENTS = [
    "adaptive",
    "aiohttp-default",
    "article-aiohttp",
    "aws-2026",
    "breaker",
    "breaker-fallback",
    "failover-evenly",
    "failover-next",
    "h2-single",
    "hedged",
    "home-only",
    "httpx2-async-default",
    "langchain-default",
    "leaky-pool",
    "litellm-router",
    "naive-loop",
    "node-default",
    "openai-4s-timeout",
    "openai-aiohttp",
    "openai-async-default",
    "openai-default",
    "openai-pool-10",
    "openai-short-keepalive",
    "polite",
    "retry-budget",
    "stacked",
    "tight-layered",
]


def test_names() -> None:
    """The gallery has its scenarios and clients, in the package, each listed with what it is about."""
    assert scenario_names() == [*SCENARIOS, *INCIDENTS]
    assert [entry.name for entry in list_scenarios()] == scenario_names()
    assert client_names() == CLIENTS
    assert gallery_folder() == Path(str(files("windtunnel.scenarios")))
    for entry in (*list_scenarios(), *list_clients()):
        assert entry.about
        assert "\n" not in entry.about


@pytest.mark.parametrize("name", [*SCENARIOS, *INCIDENTS])
def test_scenarios_play_with_all_clients(name: str) -> None:
    """Every scenario resolves with every client of the gallery, and its name is that of its file."""
    scenario = load_scenario(name)
    assert scenario.name == name.rpartition("/")[2]
    profiles = [load_profile(client) for client in CLIENTS]
    if scenario.clock == "virtual":  # of which programs of their own know nothing
        profiles = [profile for profile in profiles if profile.driver != "exec"]
    if scenario.vary:  # cells that not every client can be: see below
        return
    plan = resolve(scenario, profiles)
    assert [cell.client for cell in plan.cells] == [profile.name for profile in profiles]


def test_regional_latency_is_for_clients_that_speak_http2() -> None:
    """Half of its cells speak HTTP/2: a client whose library does not is refused with that reason, others are not."""
    scenario = load_scenario("regional_latency")
    assert len(resolve(scenario, [load_profile("openai-default")]).cells) == 24
    told = r"vary.http: found '?2'?.*the client aiohttp-default"
    with pytest.raises(InputError, match=told):
        resolve(scenario, [load_profile("aiohttp-default")])


@pytest.mark.parametrize("name", SCENARIOS)
def test_scenarios_fit_two_cores(name: str) -> None:
    """No scenario is longer than about a minute (the virtual soak aside) or offers more than 14 calls a second; each
    expects something."""
    scenario = load_scenario(name)
    assert (scenario.clock == "virtual") is (name == "soak_24h")
    assert scenario.load.rate is not None
    assert scenario.expect
    if scenario.vary:  # short cells, as many calls in all as two minutes of two cores
        cells = resolve(scenario, [load_profile(client) for client in scenario.clients]).cells
        assert sum(len(cell.schedule()) for cell in cells) < 25_000
        return
    assert scenario.load.rate <= 14
    assert 40 <= scenario.length_s <= 62 or scenario.length_s == 86_400
    assert {expectation.metric for expectation in scenario.expect} <= set(METRICS)


@pytest.mark.parametrize(
    ("name", "faulty"),
    [
        ("incidents/routing_oom", {"out_of_memory": 94, "ramp_back": 25}),
        ("incidents/edge_530", {"edge_down": 4, "dns_stalls": 6}),
        ("incidents/two_waves", {"first_wave": 44, "second_wave": 15}),
    ],
)
def test_incidents_keep_their_shape(name: str, faulty: dict[str, int]) -> None:
    """An incident is written in its own minutes, is known without its folder too, and plays in two minutes at most."""
    real, played = load_scenario(name, time_scale=1), load_scenario(name)
    assert {phase.name: phase.for_ / 60 for phase in real.phases if phase.is_faulty} == faulty
    assert 60 <= played.length_s <= 120
    assert played.length_s == pytest.approx(real.length_s * played.played_at)
    assert load_scenario(played.name) == played
    assert played.load.rate is not None
    assert played.load.rate <= 14
    assert played.expect


@pytest.mark.parametrize("name", CLIENTS)
def test_clients_state_what_they_do(name: str) -> None:
    """Every profile states its socket timeouts, its pool and its tries, also where they are the library's default."""
    written = YAML(typ="safe").load((gallery_folder() / "clients" / f"{name}.yaml").read_text())
    profile = load_profile(name)
    assert profile.name == name
    assert set(SOCKET_TIMEOUTS) <= set(written["timeouts"])
    assert set(written["pool"]) == {"connections", "keepalive", "expiry"}
    assert "tries" in written["retries"]
    assert profile.driver not in SDK_DRIVERS or "max_retries" in written["sdk"]


def test_budget_is_all_that_differs() -> None:
    """retry-budget is openai-4s-timeout with the SDK's own schedule made outside it, a budget, and nothing else."""
    budget, plain = load_profile("retry-budget"), load_profile("openai-4s-timeout")
    assert (budget.timeouts, budget.pool, budget.limiter, budget.checks) == (
        plain.timeouts,
        plain.pool,
        plain.limiter,
        plain.checks,
    )
    assert (plain.sdk["max_retries"], plain.retries.tries) == (2, 1)
    assert (budget.sdk["max_retries"], budget.retries.tries) == (0, 3)
    retries = budget.retries
    assert (retries.kind, retries.base, retries.cap, retries.jitter) == ("exponential", 0.5, 8.0, "down25")
    assert (retries.respect_retry_after, retries.retry_after_cap, retries.retry_after_jitter) == (
        True,
        120,
        0,
    )
    assert retries.respect_should_retry
    assert set(retries.retry_on) == {"timeout", "connection", 408, 409, 429, "5xx"}
    assert budget.budget is not None
    assert budget.budget.model_dump(exclude_none=True) == {
        "kind": "ratio",
        "deposit": 0.1,
        "cap": 10.0,
        "start": 0.0,
        "cost": 1.0,
    }


def test_one_word_is_all_that_differs_between_the_failovers() -> None:
    """failover-evenly is failover-next with another `spread`, and home-only has no failover; nothing else differs."""
    following, evenly, home = (
        load_profile(name).model_dump(exclude={"name", "about"})
        for name in ("failover-next", "failover-evenly", "home-only")
    )
    assert (following["region"].pop("spread"), evenly["region"].pop("spread")) == ("homes", "evenly")
    assert following == evenly
    assert (following.pop("region")["choose"], home.pop("region")["choose"]) == ("failover", "one")
    assert following == home


def test_region_failover_tips() -> None:
    """Two regions carry the load of three where each gets half of the lost one's, and one cannot carry all of it."""
    scenario = load_scenario("region_failover")
    answer, rate = scenario.provider.answer, scenario.load.rate
    assert rate is not None
    draws = [(number + 0.5) / 1000 for number in range(1000)]
    tokens = sum(answer.tokens.draw(u) for u in draws) / 1000
    service = sum(answer.first_token.draw(u) for u in draws) / 1000 + (tokens - 1) / answer.tokens_per_second
    share = rate * service / scenario.provider.capacity.slots / len(scenario.provider.regions)
    assert share == pytest.approx(0.6, abs=0.03)
    assert share * 1.5 < 0.93
    assert share * 2 > 1.1


def test_retry_storm_tips() -> None:
    """The reference scenario is past the point where it tips: the backlog at the end of the brownout exceeds what
    the restored provider serves within a timeout, three times the rate exceeds its capacity, and 1.1 times is well
    below it."""
    scenario = load_scenario("retry_storm")
    answer, rate = scenario.provider.answer, scenario.load.rate
    assert rate is not None
    slots = scenario.provider.capacity.slots
    draws = [(number + 0.5) / 1000 for number in range(1000)]
    tokens = sum(answer.tokens.draw(u) for u in draws) / 1000
    service = sum(answer.first_token.draw(u) for u in draws) / 1000 + (tokens - 1) / answer.tokens_per_second
    capacity = slots / service
    brownout = scenario.phases[1]
    backlog = brownout.for_ * (rate - brownout.provider["capacity"]["slots"] / service)
    assert backlog > 4.0 * capacity
    assert 3 * rate > capacity
    assert 1.1 * rate < 0.75 * capacity
    assert scenario.provider.capacity.abandoned == "keep_working"


@pytest.mark.parametrize(
    ("schema", "pattern"),
    [
        ("scenario.schema.json", "*.yaml"),
        ("scenario.schema.json", "incidents/*.yaml"),
        ("client.schema.json", "clients/*.yaml"),
    ],
)
def test_schemas_accept_the_gallery(schema: str, pattern: str) -> None:
    """The schemas for editors accept every file of the gallery, which names its schema in its first line."""
    validator = jsonschema.Draft202012Validator(build_schemas()[schema])
    found = sorted(gallery_folder().glob(pattern))
    assert found
    for file in found:
        text = file.read_text()
        assert [error.message for error in validator.iter_errors(YAML(typ="safe").load(text))] == []
        first = text.split("\n", 1)[0].removeprefix("# yaml-language-server: $schema=")
        assert (file.parent / first).resolve() == (gallery_folder() / schema).resolve()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("rate: 14/s", "rate: 14"),
        ("for: 12s", "for: 12"),
        ("slots: 4}", "slto: 4}"),
        ("amplification <= 1.5", "amplification"),
        ("arrivals: poisson", "arrivals: often"),
        ("seed: 7", "sede: 7"),
        ("seed: 7", "time_scale: 60x"),
        ("seed: 7", "time_scale: 0"),
    ],
)
def test_schemas_refuse_mistakes(old: str, new: str) -> None:
    """An editor shows a missing unit, an unknown key and a word that is not one."""
    text = (gallery_folder() / "retry_storm.yaml").read_text()
    assert old in text
    validator = jsonschema.Draft202012Validator(build_schemas()["scenario.schema.json"])
    assert not validator.is_valid(YAML(typ="safe").load(text.replace(old, new, 1)))


def test_schemas_are_up_to_date(tmp_path: Path) -> None:
    """The schema files beside the gallery are those of the models: `python -m windtunnel.harness.inputs.schemas`
    renews them."""
    write_schemas(tmp_path)
    for file in sorted(tmp_path.iterdir()):
        assert json.loads((gallery_folder() / file.name).read_text()) == json.loads(file.read_text())


@pytest.mark.parametrize(
    ("load", "name", "hint"),
    [
        (load_scenario, "retrystorm", "did you mean 'retry_storm'?"),
        (load_scenario, "incidents/two_wave", "did you mean 'incidents/two_waves'?"),
        (load_profile, "polit", "did you mean 'polite'?"),
        (load_scenario, "./absent.yaml", "no such file"),
        (load_profile, "clients/absent", "no such file"),
    ],
)
def test_unknown_names(load: object, name: str, hint: str) -> None:
    """An unknown name is refused with the nearest known one, an absent file by its name."""
    assert callable(load)
    with pytest.raises(InputError) as caught:
        load(name)
    assert hint in str(caught.value)


def test_works_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The gallery is found from a directory that has its own `scenarios`."""
    (tmp_path / "scenarios").mkdir()
    monkeypatch.chdir(tmp_path)
    assert scenario_names() == [*SCENARIOS, *INCIDENTS]
