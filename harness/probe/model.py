"""What `probe.json` holds, key by key: the descriptions are its documentation, `probe_schema` its JSON Schema."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

SCHEMA_VERSION = 1


class ProbePart(BaseModel):
    """A part of `probe.json`."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Evidence(ProbePart):
    """One request that a figure speaks of; `served_id` finds it in served.parquet."""

    request: str = Field(description="Its `served_id`.")
    next_request: str | None = Field(default=None, description="The `served_id` of the one that followed.")
    at_s: float = Field(description="When it arrived, in seconds from the start.")
    seconds: float = Field(description="The length that it is about.")
    of_s: float | None = Field(default=None, description="The length that was promised.")
    what: str | None = Field(default=None, description="In words.")


class Requests(ProbePart):
    """What arrived."""

    arrived: int = Field(description="Requests that arrived.")
    working: int = Field(
        description="Those that ask for work (chat, responses, embeddings, …): calls are made of them."
    )
    by_api: dict[str, int] = Field(description="Requests by family of endpoints.")
    by_status: dict[str, int] = Field(description="Requests by the status sent; `none`: no head was sent.")
    by_client: dict[str, int] = Field(description="Requests by User-Agent, the five most frequent.")


class Ground(ProbePart):
    """One reason for which a request was taken for a new call or for a retry."""

    ground: str = Field(description="The reason.")
    decisions: int = Field(description="How often it decided.")
    certainty: float = Field(description="The least of its certainties, 0 to 1.")


class CallFigures(ProbePart):
    """Calls of the application, as they are inferred, and attempts at them."""

    calls: int = Field(description="Calls inferred.")
    attempts_per_call: float | None = Field(
        description="Working requests per call (amplification); null without calls."
    )
    at_least: float | None = Field(description="The same, if every retry that is not certain is a new call.")
    at_most: float | None = Field(description="The same, if every new call that is not certain is a retry.")
    most_attempts: int = Field(description="The most requests of one call.")
    calls_with_attempts: dict[str, int] = Field(description="Calls by their number of requests.")
    unseen_attempts: int = Field(
        description="Attempts that the SDK's counter tells of and that did not arrive; not in the figures above."
    )
    answered: int = Field(description="Calls whose last request was answered to its end, without an error.")
    cut_off: int = Field(description="Calls that were under way when the probe ended.")
    certainty: float | None = Field(
        description="That of the least sure decision that matters: those below it are at most 1 % of the calls."
    )
    certain: bool = Field(description="Whether that is at least what was asked for (0.9 by default).")
    grounds: list[Ground] = Field(description="Why requests were taken for what they were taken for.")


class RetryAfter(ProbePart):
    """What became of the waits that the server promised with Retry-After."""

    promised: int = Field(description="Answers with a promise.")
    kept: int = Field(description="The next attempt came after at least 98 % of it.")
    early: int = Field(description="It came after 50 to 98 % of it.")
    ignored: int = Field(description="It came after less than half of it.")
    gave_up: int = Field(description="No further attempt came.")
    not_known: int = Field(description="It is not sure which attempt was the next one of that call.")
    median_share: float | None = Field(description="The share of the promised time that was waited, median.")
    least_share: float | None = Field(description="The same, the least.")
    evidence: list[Evidence] = Field(description="The earliest ones.")


class HangUps(ProbePart):
    """Requests whose client hung up before the answer was complete."""

    requests: int = Field(description="How many.")
    share: float | None = Field(description="Their share of all requests.")
    before_any_byte: int = Field(description="Those to which nothing had been sent.")
    median_after_s: float | None = Field(description="Seconds after which the client left, median.")
    longest_after_s: float | None = Field(description="The same, the longest.")
    tokens_generated: int = Field(description="Output tokens that the server had generated for them.")


class Hangs(ProbePart):
    """Silences of the server, and how long they were borne. Pauses inside an answer that went on are not seen."""

    longest_s: float | None = Field(description="The longest wait with nothing coming.")
    long_silences: int = Field(description="Waits of 5 s and more.")
    ended_by_client: int = Field(description="Those that the client ended.")
    median_patience_s: float | None = Field(description="After how long it did, median.")
    evidence: list[Evidence] = Field(description="The longest ones.")


class ConnectionUse(ProbePart):
    """How connections were used."""

    opened: int = Field(description="ConnectionUse opened.")
    without_request: int = Field(description="Those on which no request came.")
    most_at_once: int = Field(description="The most that were open at once.")
    requests_per_connection: float | None = Field(description="Requests per connection that had any.")
    requests_on_used: int = Field(description="Requests on a connection that had one before.")
    still_open: int = Field(description="Those that were open at the end of the probe.")


class Duplicates(ProbePart):
    """What one call made the provider do more than once: answers generated, objects created."""

    calls: int = Field(description="Calls that did something twice or more.")
    effects: int = Field(description="Effects beyond the first of each call.")
    tokens_billed: int = Field(description="Output tokens billed beyond the dearest answer of each call.")
    by_api: dict[str, int] = Field(description="Those effects by family of endpoints.")
    evidence: list[Evidence] = Field(description="The first ones.")


class ProbeFigures(ProbePart):
    """All that the server's side tells of a program."""

    requests: Requests
    calls: CallFigures
    retry_after: RetryAfter
    abandonment: HangUps
    hangs: Hangs
    connections: ConnectionUse
    duplicates: Duplicates


class Waits(ProbePart):
    """What users of the service met (`--attach`): waits count from the intended time."""

    url: str = Field(description="What was called.")
    intended: int = Field(
        description="Calls that were due; those that the end of the probe cut off did not end."
    )
    answered: int = Field(description="Those with a status below 400.")
    failed: int = Field(description="Those with a status of 400 and more, or none.")
    by_status: dict[str, int] = Field(description="Calls by status; `none`: no answer.")
    p50_s: float | None = Field(description="Wait until the whole answer, median.")
    p95_s: float | None = Field(description="The same, 95th percentile.")
    p99_s: float | None = Field(description="The same, 99th percentile.")
    longest_s: float | None = Field(description="The same, the longest.")
    late_starts: int = Field(description="Calls that the load itself began more than 0.1 s late.")
    provider_calls_per_user_call: float | None = Field(
        description="Inferred calls to the provider per user's call."
    )
    requests_per_user_call: float | None = Field(description="Requests to the provider per user's call.")


class ProbeResult(ProbePart):
    """`probe.json`."""

    schema_version: int = Field(default=SCHEMA_VERSION, description="1.")
    windtunnel: str = Field(description="The version that wrote it.")
    scenario: str = Field(description="The scenario's name.")
    seed: int = Field(description="The seed of the faults.")
    length_s: float = Field(description="Seconds that the scenario's phases last.")
    command: list[str] = Field(description="What was started; empty if nothing was.")
    environment: list[str] = Field(description="The variables that point at the mock.")
    lasted_s: float = Field(description="Seconds that were watched.")
    min_certainty: float | None = Field(description="What was demanded; null: nothing.")
    valid: bool = Field(
        description="Whether the figures can be used: there are calls, and they are as certain as demanded."
    )
    findings: list[str] = Field(description="What to know about the figures, in words.")
    program: dict[str, Any] | None = Field(
        description="Exit status, CPU seconds, memory, descriptors and threads of the program over time."
    )
    figures: ProbeFigures
    users: Waits | None = Field(default=None, description="With `--attach`: what the service's users met.")


def probe_schema() -> dict[str, Any]:
    """The JSON Schema of `probe.json`."""
    return ProbeResult.model_json_schema()
