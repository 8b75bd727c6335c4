"""What the official client does, measured: an upgrade that changes any of it fails with a sentence that says what.

Each fact is a phase of one scenario, with one call (or two forms of one) and a fault of its own; one run on the virtual
clock a driver, so that waits of two minutes cost nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.harness.clients.conftest import SDKS, profile_of, skip_if_missing
from tests.harness.virtual.shards import play
from tests.harness.virtual.test_drivers import rows
from windtunnel.harness.clients.http_library import sdk_http
from windtunnel.harness.inputs.profile import Profile
from windtunnel.harness.inputs.scenario import Scenario
from windtunnel.harness.plan import resolve

PHASE_S = 2000
"""Longer than any call of a phase lasts, so that none meets another's fault."""

NEAR_S = 0.35
"""What a round trip and the rounding of timers add to a wait at most."""


@dataclass(frozen=True)
class Seen:
    """What came of the one call of a phase. `waits`: from each answer's head to the next attempt."""

    call: dict[str, Any]
    attempts: list[dict[str, Any]]

    @property
    def tries(self) -> int:
        return len(self.attempts)

    @property
    def waits(self) -> list[float]:
        pairs = zip(self.attempts, self.attempts[1:], strict=False)
        return [after["started_s"] - before["ended_s"] for before, after in pairs]

    @property
    def lasted(self) -> float:
        return float(self.call["ended_s"] - self.call["started_s"])


def near(seconds: float) -> Callable[[Seen], bool]:
    return lambda seen: len(seen.waits) > 0 and abs(seen.waits[0] - seconds) < NEAR_S


def between(least: float, most: float) -> Callable[[Seen], bool]:
    return lambda seen: len(seen.waits) > 0 and least - 0.01 <= seen.waits[0] <= most + NEAR_S


def made(tries: int) -> Callable[[Seen], bool]:
    return lambda seen: seen.tries == tries


def ended(outcome: str, *errors: str, tries: int = 1) -> Callable[[Seen], bool]:
    def holds(seen: Seen) -> bool:
        error = seen.call["error_type"]
        return (seen.call["outcome"], seen.tries) == (outcome, tries) and (not errors or error in errors)

    return holds


@dataclass(frozen=True)
class Fact:
    """`said`: what is known of the client; `holds`: whether it was seen. `rule` is the phase's fault."""

    said: str
    rule: dict[str, Any]
    holds: Callable[[Seen], bool]
    drivers: tuple[str, ...] = SDKS
    profile: str = "patient"


def status(code: int, *, first: bool = False, **params: Any) -> dict[str, Any]:
    return {"fault": "status", "with": {"status": code, **params}, **({"first": 1} if first else {})}


OVER_HTTPX = ("openai", "openai-async")
FACTS: dict[str, Fact] = {
    "retry_after_120": Fact(
        "a Retry-After of 120 s is waited for, without jitter",
        status(503, first=True, retry_after="120s"),
        near(120),
    ),
    "retry_after_121": Fact(
        "after a Retry-After of 121 s there is no retry at all", status(503, retry_after="121s"), made(1)
    ),
    "retry_after_7": Fact(
        "a 429's Retry-After of 7 s is waited for, without jitter",
        status(429, first=True, retry_after="7s"),
        near(7),
    ),
    "retry_after_ms": Fact(
        "retry-after-ms goes before retry-after",
        status(429, first=True, retry_after="60s", retry_after_ms="1500ms"),
        near(1.5),
    ),
    "retry_after_0": Fact(
        "a Retry-After of 0 means the usual backoff, 0.375 to 0.5 s",
        status(429, first=True, retry_after="0"),
        between(0.375, 0.5),
    ),
    "backoff": Fact(
        "without Retry-After the first retry comes after 0.5 s less up to 25 %",
        status(503, first=True),
        between(0.375, 0.5),
    ),
    "second_backoff": Fact(
        "the second retry comes after 1 s less up to 25 %",
        status(500),
        lambda seen: len(seen.waits) == 2 and 0.74 <= seen.waits[1] <= 1 + NEAR_S,
    ),
    **{
        f"status_{code}": Fact(f"a {code} is tried three times in all", status(code), made(3))
        for code in (408, 409, 429, 500, 502, 503, 504, 529)
    },
    **{
        f"status_{code}": Fact(f"a {code} is not retried", status(code), made(1))
        for code in (400, 401, 403, 404, 413, 422)
    },
    "should_retry": Fact(
        "x-should-retry: true makes a 400 be retried", status(400, should_retry=True), made(3)
    ),
    "should_not_retry": Fact(
        "x-should-retry: false keeps a 503 from being retried", status(503, should_retry=False), made(1)
    ),
    "retry_count": Fact(
        "x-stainless-retry-count counts the retries of a call from 0",
        status(502),
        lambda seen: [attempt["sdk_retry_count"] for attempt in seen.attempts] == [0, 1, 2],
    ),
    "reset": Fact(
        "a connection that is reset before the answer is tried three times in all",
        {"fault": "reset"},
        made(3),
    ),
    "reset_over_aiohttp": Fact(
        "over aiohttp a peer's reset shows as a timeout of connecting",
        {"fault": "reset"},
        ended("timeout", "APITimeoutError", tries=3),
        drivers=("openai-aiohttp",),
    ),
    "stream_cut": Fact(
        "a stream that breaks off after it began is not retried",
        {"fault": "cut", "with": {"after_chunks": 3}},
        ended("error"),
    ),
    "stream_error": Fact(
        "an error event in a stream is an APIError, and not retried",
        {"fault": "error_event"},
        ended("error", "APIError"),
    ),
    "no_done": Fact(
        "a stream that ends cleanly without [DONE] looks like success",
        {"fault": "eof_without_done"},
        ended("ok"),
    ),
    "html_stream": Fact(
        "an HTML page with status 200 in place of a stream looks like success",
        {"fault": "html_200"},
        ended("ok"),
    ),
    "stall": Fact(
        "a stalled stream ends by the read timeout, here 1 s, and is not retried",
        {"fault": "stall", "with": {"after_chunks": 3, "seconds": "30s"}},
        lambda seen: seen.tries == 1 and seen.lasted < 5,
        profile="hasty",
    ),
    "heartbeats": Fact(
        "comments every 0.3 s defeat a read timeout of 1 s: the stall of 30 s is sat out",
        {"fault": "stall_with_heartbeats", "with": {"after_chunks": 3, "seconds": "30s", "every": "300ms"}},
        lambda seen: seen.call["outcome"] == "ok" and seen.lasted > 30,
        profile="hasty",
    ),
    "full_patience": Fact(
        "with the default timeouts a silent provider costs 600 s a try, three times",
        {"fault": "hang"},
        lambda seen: seen.tries == 3 and 1800 < seen.lasted < 1805,
    ),
}
TIMEOUTS = {
    "patient": {"connect": "5s", "read": "600s", "write": "600s", "pool": "600s"},
    "hasty": {"connect": "5s", "read": "1s", "write": "600s", "pool": "600s"},
}


def facts_of(driver: str, profile: str) -> dict[str, Fact]:
    return {name: fact for name, fact in FACTS.items() if driver in fact.drivers and fact.profile == profile}


def scenario_of(facts: dict[str, Fact]) -> Scenario:
    """One call a phase, a second after its beginning."""
    phases = [{"name": name, "for": f"{PHASE_S}s", "rules": [fact.rule]} for name, fact in facts.items()]
    return Scenario.model_validate(
        {
            "name": "facts",
            "about": "One fault a phase, one call a phase.",
            "seed": 7,
            "provider": {"answer": {"first_token": "50ms", "tokens": 20, "tokens_per_second": 100}},
            "load": {
                "api": "chat",
                "stream": True,
                "arrivals": {"times_s": [PHASE_S * number + 1.0 for number in range(len(facts))]},
                "deadline": "3600s",
            },
            "warmup": "0s",
            "phases": phases,
            "clients": ["openai-default"],
            "expect": [],
        }
    )


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Seen]:
    """`seen(driver, fact)`; the drivers' runs are played when first asked for."""
    played: dict[tuple[str, str], Path] = {}

    def cell_of(driver: str, profile: str) -> Path:
        cell = tmp_path_factory.mktemp(f"{driver}-{profile}")
        parts = profile_of(driver, timeouts=TIMEOUTS[profile], sdk={"max_retries": 2})
        plan = resolve(
            scenario_of(facts_of(driver, profile)), [Profile.model_validate(parts)], clock="virtual"
        )
        plan.cells[0].write_json(cell / "cell.json")
        assert play([cell], 0) == [0]
        return cell

    def of(driver: str, name: str) -> Seen:
        place = driver, FACTS[name].profile
        if place not in played:
            played[place] = cell_of(*place)
        (call,) = [row for row in rows(played[place], "calls") if row["phase"] == name]
        attempts = [row for row in rows(played[place], "attempts") if row["call_id"] == call["call_id"]]
        return Seen(call, sorted(attempts, key=lambda row: row["attempt"]))

    return of


@pytest.mark.parametrize(
    ("driver", "name"), [(driver, name) for name, fact in FACTS.items() for driver in fact.drivers]
)
def test_the_official_client_still_does_this(
    seen: Callable[[str, str], Seen], driver: str, name: str
) -> None:
    """The fact holds for the installed version; if not, the failure says what is no longer true and what was seen."""
    skip_if_missing(driver)
    fact, found = FACTS[name], seen(driver, name)
    waits = ", ".join(f"{wait:.3f} s" for wait in found.waits) or "none"
    assert fact.holds(found), (
        f"openai {openai.__version__} has changed: with the driver {driver} it is no longer true that {fact.said}. "
        f"Seen: {found.tries} attempts, waits between them: {waits}; the call took {found.lasted:.3f} s and ended as "
        f"{found.call['outcome']} ({found.call['error_type']}, {found.call['error_cause']})"
    )


def changed(what: str, expected: object, found: object) -> str:
    return (
        f"openai {openai.__version__} has changed: {what} was {expected}, and is {found}. The profiles of the gallery "
        "state it: change them, and what `about` says"
    )


@pytest.mark.parametrize("client", [openai.OpenAI, openai.AsyncOpenAI])
def test_the_defaults_are_those_that_the_gallery_states(client: Any) -> None:
    """Timeouts, tries and pool of `OpenAI()` are those of openai-default and openai-async-default."""
    made_client = client(api_key="sk-none", base_url="http://127.0.0.1:1/v1")
    timeout = made_client.timeout
    found = (timeout.connect, timeout.read, timeout.write, timeout.pool)
    assert found == (5, 600, 600, 600), changed("the default timeout", (5, 600, 600, 600), found)
    assert made_client.max_retries == 2, changed("max_retries", 2, made_client.max_retries)
    limits = openai.DEFAULT_CONNECTION_LIMITS
    pool = (limits.max_connections, limits.max_keepalive_connections, limits.keepalive_expiry)
    assert pool == (1000, 100, 5), changed("the default pool", (1000, 100, 5), pool)


def transport(content: bytes, kind: str) -> Any:
    return sdk_http.MockTransport(
        lambda _: sdk_http.Response(200, content=content, headers={"content-type": kind})
    )


def asked(content: bytes, kind: str) -> Any:
    """What the SDK makes of a 200 with this body."""
    http = sdk_http.Client(transport=transport(content, kind))
    client = openai.OpenAI(api_key="sk-none", base_url="http://nobody/v1", http_client=http)
    return client.chat.completions.create(model="m", messages=[{"role": "user", "content": "Hello"}])


def test_an_html_page_comes_back_as_text() -> None:
    """A 200 with HTML is not an error to the SDK: it returns a `str`."""
    answer = asked(b"<html>Sorry</html>", "text/html")
    assert isinstance(answer, str), changed("what a 200 with HTML gives", "a str", type(answer).__name__)


def test_truncated_json_raises_pythons_own_error() -> None:
    """JSON that is cut off raises a bare JSONDecodeError, which `except openai.OpenAIError` does not catch."""
    with pytest.raises(Exception) as caught:  # noqa: PT011  # which one it is, is what is asked
        asked(b'{"id": "x", "choices": [', "application/json")
    assert type(caught.value) is json.JSONDecodeError, changed(
        "what truncated JSON raises", "a bare JSONDecodeError", type(caught.value).__name__
    )


def test_requests_carry_a_retry_count_and_no_idempotency_key() -> None:
    """Only x-stainless-retry-count tells a retry from a new call: without a key, a provider may do the work twice."""
    sent: list[Any] = []

    def answer(request: Any) -> Any:
        sent.append(request.headers)
        return sdk_http.Response(503, headers={"retry-after-ms": "1"})

    http = sdk_http.Client(transport=sdk_http.MockTransport(answer))
    client = openai.OpenAI(api_key="sk-none", base_url="http://nobody/v1", http_client=http)
    with pytest.raises(openai.InternalServerError):
        client.chat.completions.create(model="m", messages=[{"role": "user", "content": "Hello"}])
    counts = [headers.get("x-stainless-retry-count") for headers in sent]
    assert counts == ["0", "1", "2"], changed("x-stainless-retry-count over three tries", "0, 1, 2", counts)
    keys = [headers["idempotency-key"] for headers in sent if "idempotency-key" in headers]
    assert keys == [], changed("what is sent as Idempotency-Key", "nothing", keys)


LEAVES_STREAMS = """
from openai import AsyncOpenAI

KEPT = []

async def asked(call):
    client = AsyncOpenAI(base_url=call.base_url, api_key=call.api_key, http_client=call.http_client, max_retries=0)
    answer = await client.chat.completions.create(**call.body, extra_headers=call.headers)
    KEPT.append(answer)
    return answer

async def breaks_out(call):
    async for event in await asked(call):
        if event.choices and event.choices[0].delta.content:
            break

async def closes(call):
    async with await asked(call) as answer:
        async for event in answer:
            if event.choices and event.choices[0].delta.content:
                break

async def reads_on(call):
    async for event in await asked(call):
        pass
"""


@pytest.mark.parametrize(("target", "share"), [("breaks_out", 1), ("closes", 0), ("reads_on", 0)])
def test_a_stream_that_is_left_without_closing_keeps_its_connection(
    tmp_path: Path, target: str, share: int
) -> None:
    """Iterate, then break: each such call costs a connection of the pool; closing it, or reading on, costs none."""
    (tmp_path / "leaves_streams.py").write_text(LEAVES_STREAMS)
    parts = profile_of("python", target=f"leaves_streams:{target}", target_folders=[str(tmp_path)])
    scenario = {
        **scenario_of({"calm": FACTS["backoff"]}).model_dump(mode="json", by_alias=True),
        "phases": [{"name": "calm", "for": "1s"}],
    }
    scenario["load"]["arrivals"] = "constant"
    scenario["load"]["rate"] = "5/s"
    scenario["load"]["deadline"] = "5s"
    cell = tmp_path / "cell"
    cell.mkdir()
    plan = resolve(Scenario.model_validate(scenario), [Profile.model_validate(parts)], clock="virtual")
    plan.cells[0].write_json(cell / "cell.json")
    assert play([cell], 0) == [0]
    found = json.loads((cell / "pools-0.json").read_text())["leaked"]
    calls = len(rows(cell, "served"))
    assert calls > 5
    # The warm-up's stream is left as well, whether or not its row is among the served ones.
    assert found - share * calls in (0, share), changed(
        f"how many connections are lost by {calls} calls that do as `{target}`", share * calls, found
    )
