"""What a probe found, in words: what to know about the figures, and the summary (probe.md, and the terminal's)."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from windtunnel.harness.inputs.scenario import Scenario
from windtunnel.harness.probe.model import CallFigures, ProbeFigures, ProbeResult, Waits
from windtunnel.harness.probe.play import Played

MOST_TITLE = 100
"""Characters of the command in the title."""

CANNOT_REDIRECT = (
    "an environment variable redirects neither a base URL that is written in the code, nor an OpenAI client with "
    "`data_residency`, nor a library that does not read OPENAI_BASE_URL or AZURE_OPENAI_ENDPOINT"
)


def findings(
    played: Played, scenario: Scenario, figures: ProbeFigures, min_certainty: float | None, *, started: bool
) -> list[str]:
    """Sentences on what the figures do not say by themselves."""
    return [
        *_of_arrival(played, figures, started=started),
        *_of_the_end(played, scenario, arrived=bool(figures.requests.arrived)),
        *_of_certainty(figures.calls, min_certainty),
    ]


def _of_arrival(played: Played, figures: ProbeFigures, *, started: bool) -> Iterator[str]:
    if not figures.requests.arrived:
        who = f"The program ({played.how_it_ended})" if started else "The service"
        yield f"{who} made no request to the mock: it never called, or calls something else; {CANNOT_REDIRECT}."
    elif not figures.requests.working:
        yield "No request asked for work, so there are no calls: the program only looked something up, or kept books."
    if played.peers:
        yield (
            f"It had connections beyond loopback, which the mock cannot see: {', '.join(sorted(played.peers)[:5])}"
            f"{'; if one of them is its provider: ' + CANNOT_REDIRECT if figures.requests.arrived else ''}."
        )


def _of_the_end(played: Played, scenario: Scenario, *, arrived: bool) -> Iterator[str]:
    ending = (played.program or {}).get("ending")
    if ending is not None and not ending["asked"]:
        if ending["code"] != 0 and arrived:  # otherwise it is said already
            yield f"The program ended by itself after {ending['at_s']:.1f} s: {played.how_it_ended}."
        if ending["left"]:
            became = "a daemon, or left one" if played.running_at_end else "others, which ended by themselves"
            yield (
                f"The program itself was over after {ending['at_s']:.1f} s, with {ending['left']} "
                f"{'process' if ending['left'] == 1 else 'processes'} of it running: it became {became}. "
                "They were watched and ended with the probe."
            )
    if played.interrupted:
        yield f"The probe was stopped by hand after {played.lasted_s:.0f} s."
    elif played.running_at_end and played.users is None:
        yield f"The program still ran after {played.lasted_s:.0f} s, and was ended then (`--for` gives it longer)."
    begin = 0.0
    missed = []
    for phase in scenario.phases:
        if begin >= played.lasted_s:
            missed.append(phase.name)
        begin += phase.for_
    if missed:
        yield (
            f"The program was there for {played.lasted_s:.1f} s of the scenario's {scenario.length_s:.0f} s, and did "
            f"not meet: {', '.join(missed)}. `--time-scale` makes phases shorter."
        )


def _of_certainty(calls: CallFigures, min_certainty: float | None) -> Iterator[str]:
    if not calls.calls or calls.certainty is None:
        return
    if not calls.certain:
        least = min(calls.grounds, key=lambda one: one.certainty)
        yield (
            f"NOT CERTAIN ({calls.certainty:.2f}): which requests are retries cannot be told for sure; attempts per "
            f"call are between {calls.at_least:.2f} and {calls.at_most:.2f}. Least sure: {least.ground} "
            f"({least.decisions} times). Different prompts, or an Idempotency-Key, make it certain."
        )
    if min_certainty is not None and calls.certainty < min_certainty:
        yield f"The certainty is {calls.certainty:.2f}, and --min-certainty demands {min_certainty:g}."
    if calls.unseen_attempts:
        yield (
            f"{calls.unseen_attempts} attempts never arrived, by the SDK's own counter (refused connections, or the "
            "server did not read them): with them there are "
            f"{(calls.attempts_per_call or 0) + calls.unseen_attempts / calls.calls:.2f} attempts per call."
        )


def summary(result: ProbeResult) -> str:
    """The summary as Markdown; it reads well in a terminal, too."""
    return "\n".join(_lines(result)) + "\n"


def _lines(result: ProbeResult) -> Iterator[str]:
    what = shlex.join(result.command) or (result.users.url if result.users else "a service")
    what = " ".join(what.split())
    yield f"# Probe of `{what if len(what) <= MOST_TITLE else what[: MOST_TITLE - 1] + '…'}` in {result.scenario}"
    yield ""
    for finding in result.findings:
        yield f"- **{finding}**" if finding.startswith("NOT CERTAIN") else f"- {finding}"
    if result.findings:
        yield ""
    yield "| what | found |"
    yield "| --- | --- |"
    for what, found in _rows(result):
        yield f"| {what} | {found} |"
    grounds = result.figures.calls.grounds
    if grounds:
        yield ""
        yield "| why a request was taken for a new call, or for a retry | times | certainty |"
        yield "| --- | --- | --- |"
        for one in grounds:
            yield f"| {one.ground} | {one.decisions} | {one.certainty:.2f} |"


def _rows(result: ProbeResult) -> Iterator[tuple[str, str]]:
    """What was found, row by row."""
    figures = result.figures
    by_status = _counts(figures.requests.by_status)
    yield "requests", f"{figures.requests.arrived}{f' ({by_status})' if by_status else ''}"
    yield from _calls_and_promises(figures)
    yield from _patience(figures)
    yield from _costs(figures)
    if result.users is not None:
        yield from _users(result.users)
    if result.program is not None:
        yield from _program(result.program)


def _calls_and_promises(figures: ProbeFigures) -> Iterator[tuple[str, str]]:
    calls, waits = figures.calls, figures.retry_after
    if calls.calls:
        sure = "" if calls.certain else f", NOT CERTAIN: {calls.at_least:.2f} to {calls.at_most:.2f}"
        yield "calls", f"{calls.calls}, {calls.answered} of them answered at last"
        yield (
            "attempts per call",
            f"{calls.attempts_per_call:.2f} (certainty {calls.certainty:.2f}{sure}), at most {calls.most_attempts}",
        )
    if waits.promised:
        parts = [
            f"{waits.kept} kept",
            f"{waits.early} early",
            f"{waits.ignored} ignored",
            f"{waits.gave_up} not retried",
        ]
        if waits.not_known:
            parts.append(f"{waits.not_known} not known")
        share = "" if waits.median_share is None else f"; waited, median: {waits.median_share:.0%} of it"
        yield "Retry-After", f"{waits.promised} promised: {', '.join(parts)}{share}"


def _patience(figures: ProbeFigures) -> Iterator[tuple[str, str]]:
    left = figures.abandonment
    if left.requests:
        after = f"after {left.median_after_s:.1f} s, at the latest {left.longest_after_s:.1f} s"
        yield (
            "client hung up",
            f"{left.requests} requests, {after}; {left.tokens_generated} tokens were generated for them",
        )
    else:
        yield "client hung up", "never"
    hangs = figures.hangs
    if hangs.longest_s is not None:
        patience = (
            f", {hangs.ended_by_client} of {hangs.long_silences} silences of 5 s and more were ended by it"
        )
        yield "longest silence borne", f"{hangs.longest_s:.1f} s{patience if hangs.long_silences else ''}"


def _costs(figures: ProbeFigures) -> Iterator[tuple[str, str]]:
    used = figures.connections
    per = (
        "" if used.requests_per_connection is None else f", {used.requests_per_connection:.1f} requests each"
    )
    yield (
        "connections",
        f"{used.opened}{per}, at most {used.most_at_once} at once, {used.without_request} without a request",
    )
    twice = figures.duplicates
    yield (
        "done twice",
        f"{twice.effects} ({_counts(twice.by_api)}), {twice.tokens_billed} tokens billed again"
        if twice.effects
        else "nothing",
    )


def _users(users: Waits) -> Iterator[tuple[str, str]]:
    if users.p50_s is not None and users.p95_s is not None and users.longest_s is not None:
        yield (
            "users of the service",
            f"{users.answered} of {users.intended} answered; waited {users.p50_s:.2f} s (median), "
            f"{users.p95_s:.2f} s (p95), at most {users.longest_s:.2f} s",
        )


def _program(program: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    most = program["most"]
    rss = "–" if most["rss_bytes"] is None else f"{most['rss_bytes'] / 2**20:.0f} MiB"
    yield (
        "program",
        (
            f"{program['lasted_s']:.1f} s, {program['cpu_s']:.1f} s of CPU, at most {rss}, "
            f"{most['descriptors'] or '–'} descriptors, {most['threads'] or '–'} threads"
        ),
    )


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} × {name}" for name, count in sorted(counts.items()))
