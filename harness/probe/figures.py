"""Figures of a probed program, from its inferred calls: how often it tries, how long it waits, what it does twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from statistics import median

from windtunnel.harness.probe.arrived import Arrived, ProbedConnection
from windtunnel.harness.probe.calls import Inferred, InferredCall, infer
from windtunnel.harness.probe.model import (
    CallFigures,
    ConnectionUse,
    Duplicates,
    Evidence,
    Ground,
    Hangs,
    HangUps,
    ProbeFigures,
    Requests,
    RetryAfter,
)
from windtunnel.mock_server.request import WORKING_APIS

CERTAIN = 0.9
NOT_MATTERING = 0.01
"""Decisions that are less sure may be so many, as a share of the calls, without a say in the certainty of all."""

KEPT = 0.98
"""Of the promised time, what counts as all of it: clocks and timers are not exact."""

IGNORED = 0.5
LONG_SILENCE_S = 5.0
MOST_EVIDENCE = 5


def figures(
    requests: Sequence[Arrived], connections: Iterable[ProbedConnection], certain: float = CERTAIN
) -> ProbeFigures:
    """All figures of a program. `certain`: below it a decision about a call counts as open."""
    working = [one for one in requests if one.api in WORKING_APIS]
    others = [one for one in requests if one.api not in WORKING_APIS]
    found = infer(working, certain)
    elsewhere = infer(others, certain)
    return ProbeFigures(
        requests=Requests(
            arrived=len(requests),
            working=len(working),
            by_api=dict(Counter(one.api for one in requests)),
            by_status=dict(Counter("none" if one.status is None else str(one.status) for one in requests)),
            by_client=dict(Counter(one.user_agent for one in requests).most_common(MOST_EVIDENCE)),
        ),
        calls=_calls(found, len(working), certain),
        retry_after=_retry_after([*found.calls, *elsewhere.calls]),
        abandonment=_abandonment(requests),
        hangs=_hangs(requests),
        connections=_connections(requests, list(connections)),
        duplicates=_duplicates([*found.calls, *elsewhere.calls]),
    )


def _calls(found: Inferred, requests: int, certain: float) -> CallFigures:
    calls = found.calls
    sizes = [len(call.requests) for call in calls]
    certainty = _certainty(found)
    unseen = sum(call.unseen for call in calls)
    by_ground: dict[str, list[float]] = {}
    for sure, ground in found.grounds:
        by_ground.setdefault(ground, []).append(sure)
    return CallFigures(
        calls=len(calls),
        attempts_per_call=requests / len(calls) if calls else None,
        at_least=requests / found.most if calls else None,
        at_most=requests / found.fewest if calls else None,
        most_attempts=max(sizes, default=0),
        calls_with_attempts={str(size): count for size, count in sorted(Counter(sizes).items())},
        unseen_attempts=unseen,
        answered=sum(call.last.how == "ok" for call in calls),
        cut_off=sum(call.last.how == "open" for call in calls),
        certainty=certainty,
        certain=certainty is not None and certainty >= certain,
        grounds=[
            Ground(ground=ground, decisions=len(sures), certainty=round(min(sures), 3))
            for ground, sures in sorted(by_ground.items(), key=lambda item: -len(item[1]))
        ],
    )


def _certainty(found: Inferred) -> float | None:
    """That of the least sure decision that matters: the few below it could not change the figures by more than 1 %."""
    if not found.grounds:
        return None
    sures = sorted(sure for sure, _ in found.grounds)
    return round(sures[int(NOT_MATTERING * len(found.calls))], 3)


def _retry_after(calls: Iterable[InferredCall]) -> RetryAfter:
    """What became of each promised wait. Only pairs of which it is sure whose retry it is have a say."""
    promised = kept = early = ignored = unknown = gave_up = 0
    shares: list[float] = []
    evidence: list[Evidence] = []
    for call in calls:
        after = {id(link.earlier): link for link in call.links}
        for one in call.requests:
            if one.promised_s is None or one.promised_s <= 0 or one.how == "ok":
                continue
            promised += 1
            link = after.get(id(one))
            if link is None:
                gave_up += 1
            elif not link.sure_pair:
                unknown += 1
            else:
                waited = max(0.0, link.later.arrived_s - one.over_s)
                share = waited / one.promised_s
                shares.append(share)
                if share >= KEPT:
                    kept += 1
                    continue
                ignored, early = (ignored + 1, early) if share < IGNORED else (ignored, early + 1)
                evidence.append(
                    Evidence(
                        request=one.served_id,
                        next_request=link.later.served_id,
                        at_s=one.arrived_s,
                        seconds=waited,
                        of_s=one.promised_s,
                    )
                )
    evidence.sort(key=lambda one: one.seconds / (one.of_s or 1.0))
    return RetryAfter(
        promised=promised,
        kept=kept,
        early=early,
        ignored=ignored,
        gave_up=gave_up,
        not_known=unknown,
        median_share=median(shares) if shares else None,
        least_share=min(shares, default=None),
        evidence=evidence[:MOST_EVIDENCE],
    )


def _abandonment(requests: Sequence[Arrived]) -> HangUps:
    left = [one for one in requests if one.abandoned]
    after = [one.over_s - one.arrived_s for one in left]
    return HangUps(
        requests=len(left),
        share=len(left) / len(requests) if requests else None,
        before_any_byte=sum(one.first_byte_s is None for one in left),
        median_after_s=median(after) if after else None,
        longest_after_s=max(after, default=None),
        tokens_generated=sum(one.tokens_when_left or 0 for one in left),
    )


def silence_s(one: Arrived) -> float:
    """The longest that this client is known to have waited with nothing coming."""
    first = one.over_s if one.first_byte_s is None else one.first_byte_s
    until_first = min(first, one.over_s) - one.arrived_s
    if one.how == "ok" or one.last_byte_s is None:
        return max(0.0, until_first)
    end = one.over_s if one.abandoned else one.ended_s
    return max(0.0, until_first, end - one.last_byte_s)


def _hangs(requests: Sequence[Arrived]) -> Hangs:
    """How long silences were borne: those in which the client left, and those that it sat through."""
    silences = sorted(((silence_s(one), one) for one in requests), key=lambda pair: -pair[0])
    long = [(seconds, one) for seconds, one in silences if seconds >= LONG_SILENCE_S]
    left = [seconds for seconds, one in long if one.abandoned]
    return Hangs(
        longest_s=silences[0][0] if silences else None,
        long_silences=len(long),
        ended_by_client=len(left),
        median_patience_s=median(left) if left else None,
        evidence=[
            Evidence(request=one.served_id, at_s=one.arrived_s, seconds=seconds, what=_silence(one))
            for seconds, one in long[:MOST_EVIDENCE]
        ],
    )


def _silence(one: Arrived) -> str:
    where = (
        "before the first byte"
        if one.first_byte_s is None or one.last_byte_s is None
        else "in a started answer"
    )
    how = (
        "the client left"
        if one.abandoned
        else "the end of the probe"
        if one.how == "open"
        else "the server went on"
    )
    faults = f" ({', '.join(one.faults)})" if one.faults else ""
    return f"{where}{faults}, until {how}"


def _connections(requests: Sequence[Arrived], connections: Sequence[ProbedConnection]) -> ConnectionUse:
    used = Counter(one.connection.number for one in requests)
    events = [(one.opened_s, 1) for one in connections]
    events += [(one.closed_s, -1) for one in connections if one.closed_s is not None]
    at_once = most = 0
    for _, step in sorted(events):
        at_once += step
        most = max(most, at_once)
    return ConnectionUse(
        opened=len(connections),
        without_request=sum(one.number not in used for one in connections),
        most_at_once=most,
        requests_per_connection=len(requests) / len(used) if used else None,
        requests_on_used=sum(one.nth > 0 for one in requests),
        still_open=sum(one.closed_s is None for one in connections),
    )


def _duplicates(calls: Iterable[InferredCall]) -> Duplicates:
    """What one call made the provider do more than once."""
    calls_twice = extra = tokens = 0
    by_api: Counter[str] = Counter()
    evidence: list[Evidence] = []
    for call in calls:
        done = [one for one in call.requests if one.executed]
        if len(done) < 2:
            continue
        calls_twice += 1
        extra += len(done) - 1
        by_api[done[0].api] += len(done) - 1
        tokens += sum(one.tokens_billed for one in done) - max(one.tokens_billed for one in done)
        evidence.append(
            Evidence(
                request=done[0].served_id,
                next_request=done[1].served_id,
                at_s=done[0].arrived_s,
                seconds=done[1].arrived_s - done[0].arrived_s,
                what=f"{len(done)} × {done[0].api}",
            )
        )
    return Duplicates(
        calls=calls_twice,
        effects=extra,
        tokens_billed=tokens,
        by_api=dict(by_api),
        evidence=evidence[:MOST_EVIDENCE],
    )
