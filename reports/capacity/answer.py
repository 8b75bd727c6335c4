"""The answer in words and numbers: for a terminal, and as answer.md, to paste into a planning document."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from windtunnel.harness.contract.capacity import ClientCapacity, Level, Loss, Needs, Survival, Sweep, Wall
from windtunnel.reports.capacity.knee import Knee
from windtunnel.reports.capacity.levels import brief_table
from windtunnel.reports.capacity.little import OFF
from windtunnel.reports.capacity.plan import CapacityReport, ClientPlan
from windtunnel.reports.capacity.planning import cost_lines, cost_table, pool_line, rates_table
from windtunnel.reports.capacity.usl import Usl

METHOD = (
    "Every level is a fresh provider and a fresh client. It settles first, with the buckets of the quota nearly used "
    "up, for as long as a queue needs to show itself; then come ten batches. Batches that belong to the warm-up "
    "(MSER-5 over the waits of the calls) are cut, at most half of them. A level passes or fails if a t interval over "
    "its batches lies on one side of each limit, after one, three or seven plays with seeds of their own, which share "
    "an error of 5 %; else it is unresolved. A short play before them can fail a level, but not pass it. A level whose "
    "waits still grow never passes. The safe rate is the highest level that passed below the lowest one that "
    "failed. Phases of the scenario are left out; its rules hold all the time."
)


def lines_of(found: CapacityReport) -> Iterator[str]:
    """What the terminal shows: two or three lines a client."""
    for client in found.clients:
        yield headline(found, client)
        yield from (f"  {line}" for line in details(found, client))


def headline(found: CapacityReport, client: ClientCapacity) -> str:
    """The answer for one client in a sentence."""
    slo = ", ".join(found.slo)
    if client.status == "found":
        return (
            f"{client.client}: safe up to {client.safe:g} calls/s ({client.low:g} passed, {client.high:g} failed) "
            f"with {slo}"
        )
    if client.status == "unattainable":
        level = client.levels[0]
        return f"{client.client}: unattainable: even {_calls(level.rate)} breaks {slo}: {_figures(level)}"
    if client.status == "out of reach":
        level = client.levels[-1]
        return (
            f"{client.client}: no level up to {_calls(level.rate)} breaks {slo}: {_figures(level)} "
            "(--most goes further)"
        )
    known = [
        *([f"{client.low:g} passed"] if client.low is not None else []),
        *([f"{client.high:g} failed"] if client.high is not None else []),
    ]
    between = [
        f"{level.rate:g}"
        for level in client.levels
        if level.state == "unresolved"
        and not level.scout
        and (client.low or 0.0) < level.rate < (client.high or math.inf)
    ]
    if not between:
        return f"{client.client}: unresolved: {', '.join(known) or 'no level passed or failed'}, with {slo}"
    return (
        f"{client.client}: unresolved: {', '.join(known) or 'no level passed or failed'}, and {', '.join(between)} "
        f"calls/s cannot be decided with {slo}"
    )


def details(found: CapacityReport, client: ClientCapacity, *, tables: bool = False) -> Iterator[str]:
    """Headroom, the wall, needs, cost, what was not steady, and the fits; without what `tables` beside it say."""
    plan = found.plan_of(client)
    if client.survival is not None:
        yield survival_line(found, client, client.survival)
    if client.loss is not None:
        yield loss_line(client, client.loss)
    yield from _headroom(found, client)
    if client.wall is not None:
        yield _wall(client.wall)
    if not tables:
        for one in plan.rates:
            yield _needs(found, one.needs)
            yield from pool_line(one)
    yield from cost_lines(client, plan, found.price)
    yield from _unsteady(plan)
    if len(client.levels) > 1:
        yield knee_line(plan.knee)
        yield usl_line(plan.usl)
    if client.sweep is not None:
        yield sweep_line(client.sweep)


def _headroom(found: CapacityReport, client: ClientCapacity) -> Iterator[str]:
    if client.safe is None or client.headroom is None or found.today is None:
        return
    share = found.today / client.safe
    if client.headroom >= 0:
        yield f"today's {found.today:g}/s is {100 * share:.0f} % of it: {100 * client.headroom:.0f} % headroom"
    else:
        yield f"today's {found.today:g}/s is {share:.2f} times what is safe: no headroom"


WALLS = {
    "rpm": "the requests per minute (RPM)",
    "tpm": "the tokens per minute (TPM)",
    "slots": "the provider's slots",
    "queue": "the provider's queue",
    "pool": "the client's connection pool",
    "limiter": "the client's own limiter",
    "workers": "the client's workers (load.concurrency)",
}


def _wall(wall: Wall) -> str:
    """What stands in the way, and how that is known."""
    names = ", ".join(name for name in wall.tried if name != "instances")
    if wall.limit == "client":
        return (
            f"the wall is in the client's own code, such as a semaphore: {wall.rate:g}/s breaks the SLO even with all "
            f"of {names} doubled, and keeps it with twice the instances"
        )
    if wall.limit is None:
        names = ", ".join(wall.tried)
        return f"the wall is not known: at {wall.rate:g}/s none of {names} alone, doubled, made the SLO hold"
    sign = f" ({wall.sign})" if wall.sign else ""
    return f"the wall is {WALLS[wall.limit]}{sign}: with it doubled, {wall.rate:g}/s keeps the SLO"


def _unsteady(plan: ClientPlan) -> Iterator[str]:
    """The levels at which Little's law does not hold, with the figures of the one that is furthest off."""
    off = [law for law in plan.little if not law.steady]
    if not off:
        return
    worst = max(off, key=lambda law: abs(law.off))
    rates = ", ".join(f"{law.rate:g}" for law in off)
    yield (
        f"not steady: {rates} calls/s; at {worst.rate:g}/s {worst.in_flight:.3g} calls were under way, and by Little's "
        f"law {worst.arrivals:.3g} calls/s × {worst.wait_s:.3g} s make {worst.arrivals * worst.wait_s:.3g} "
        f"({100 * abs(worst.off):.0f} % off, where {100 * OFF:.0f} % is the limit)"
    )


def survival_line(found: CapacityReport, client: ClientCapacity, survival: Survival) -> str:
    """The rate that survives an incident, beside the safe one."""
    incident = survival.incident
    told = f"{incident.for_s:g} s of {incident.phase}, with {incident.recovery_s:g} s to recover"
    if survival.status == "out of reach":
        return f"all of it survives {told}"
    if survival.status == "unattainable":
        return f"nothing survives {told}: even 1 call/s does not keep the SLO again"
    if survival.status == "unresolved" or survival.low is None:
        known = _known(survival, "did", "did not")
        return f"what survives {told} is unresolved: {known}"
    less = "" if client.safe is None else f", {100 * (1 - survival.low / client.safe):.0f} % less"
    head = ""
    if found.today is not None:
        head = f"; today's {found.today:g}/s is {100 * found.today / survival.low:.0f} % of that"
    return (
        f"plan with {survival.low:g} calls/s{less}: so much survives {told} ({survival.low:g} did, "
        f"{survival.high:g} did not){head}"
    )


def loss_line(client: ClientCapacity, loss: Loss) -> str:
    """The safe rate with a region gone, beside the one with all regions."""
    told = f"N − 1: with {loss.lost.region} gone ({loss.lost.way})"
    if loss.status == "out of reach":
        return f"{told} all of it is safe"
    if loss.status == "unattainable":
        return f"{told} nothing is safe: even 1 call/s breaks the SLO, so its calls do not find another region in time"
    if loss.status == "unresolved" or loss.low is None:
        known = _known(loss, "passed", "failed")
        return f"{told} the safe rate is unresolved: {known}"
    less = ""
    if client.safe is not None:
        less = f" in place of {client.safe:g}, {100 * (1 - loss.low / client.safe):.0f} % less"
    return f"{told} plan with {loss.low:g} calls/s{less} ({loss.low:g} passed, {loss.high:g} failed)"


def _known(found: Survival | Loss, good: str, bad: str) -> str:
    """The largest rate that was good and the smallest that was bad, as far as there are any."""
    known = [
        *([f"{found.low:g} {good}"] if found.low is not None else []),
        *([f"{found.high:g} {bad}"] if found.high is not None else []),
    ]
    return ", ".join(known) or "nothing is certain"


def loss_cell(client: ClientCapacity) -> str:
    """The same in a cell of a table."""
    loss = client.loss
    if loss is None:
        return "not played"
    if loss.status == "out of reach":
        return "" if client.safe is None else f"{client.safe:g}"
    return loss.status if loss.status != "found" or loss.low is None else f"{loss.low:g}"


def sweep_line(sweep: Sweep) -> str:
    """Whether a rate fares worse on the way down than on the way up, with the rate where that is worst."""
    known = [
        gap for gap in sweep.gaps if gap.mean is not None and gap.low is not None and gap.high is not None
    ]
    if not known:
        return "the sweep cannot be judged: in no rate is the goodput of two seeds known"
    worst = max(known, key=lambda gap: (gap.low if sweep.hysteresis else gap.high) or 0.0)
    told = (
        f"{worst.mean:.2f} less goodput at {worst.rate:g} calls/s on the way down than on the way up "
        f"({worst.low:.2f} to {worst.high:.2f}, {sweep.seeds} seeds)"
    )
    if sweep.hysteresis:
        return f"hysteresis: {told}; after an overload the safe rate may not be safe"
    if worst.high is not None and worst.high > sweep.least:
        return f"whether there is hysteresis cannot be told: {told}, where {sweep.least:g} counts"
    return f"no hysteresis: at most {told}, where {sweep.least:g} counts"


def knee_line(knee: Knee) -> str:
    """Where good calls level off, or why that cannot be said, or where they collapse."""
    if knee.rate is not None and knee.slopes is not None:
        more = knee.slopes[1]
        beyond = f"brings {more:.2f}" if more >= 0 else f"costs {-more:.2f}"
        return (
            f"the knee is at {knee.rate:.3g} calls/s ({knee.low:.3g} to {knee.high:.3g}): up to it each call offered "
            f"brings {knee.slopes[0]:.2f} good ones, beyond it each further one {beyond}"
        )
    if knee.cliff is not None:
        return f"no knee but a cliff: good calls collapse between {knee.cliff[0]:g} and {knee.cliff[1]:g} calls/s"
    return f"no knee: {knee.why}"


def usl_line(usl: Usl) -> str:
    """The parameters of the Universal Scalability Law and its peak, or why it is not accepted."""
    if usl.why or usl.alone is None or usl.contention is None or usl.coherence is None:
        return f"no line of the Universal Scalability Law: {usl.why}"
    bounds = [
        f"{value:.3g} ({low:.3g} to {high:.3g})" for value, low, high in (usl.contention, usl.coherence)
    ]
    peak = "no peak within what was played"
    if usl.peak is not None:
        peak = f"most with {usl.peak.in_flight:.3g} calls under way: {usl.peak.good:.3g} good calls/s"
    return (
        f"Universal Scalability Law (R² {usl.r2:.3f} over {usl.levels} levels): one call alone gets "
        f"{usl.alone[0]:.3g}/s, contention {bounds[0]}, coherence {bounds[1]}; {peak}"
    )


def _needs(found: CapacityReport, needs: Needs) -> str:
    limits = [
        *([f"{found.rpm:,} RPM"] if found.rpm is not None else []),
        *([f"{found.tpm:,} TPM"] if found.tpm is not None else []),
    ]
    keys = ""
    if needs.keys is not None:
        keys = f": {needs.keys} key{'s' * (needs.keys != 1)} of {' and '.join(limits)}"
    return (
        f"{_calls(needs.rate)} need{'s' * (needs.rate == 1)} {needs.requests_per_minute:,.0f} requests and "
        f"{needs.tokens_per_minute:,.0f} billed tokens a minute{keys}"
    )


def _calls(rate: float) -> str:
    """A rate in words: one is `1 call/s`."""
    return f"{rate:g} call{'s' * (rate != 1)}/s"


def _figures(level: Level) -> str:
    return ", ".join(
        f"{term.term.split()[0]} is {'without a value' if term.mean is None else f'{term.mean:.4g}'}"
        for term in level.terms
    )


def answer(found: CapacityReport) -> str:
    """answer.md."""
    parts = [
        f"# Capacity of {found.scenario}",
        f"SLO: `{', '.join(found.slo)}` · clock: {found.clock} · seed: {found.seed}",
        _summary(found),
    ]
    for client in found.clients:
        parts += [
            f"## {client.client}",
            "\n".join(f"- {line}" for line in (headline(found, client), *details(found, client))),
            *_planning(client, found.plan_of(client)),
            "### All levels",
            _table(*brief_table(found, client)),
        ]
    return "\n\n".join([*parts, METHOD]) + "\n"


def _planning(client: ClientCapacity, plan: ClientPlan) -> Iterator[str]:
    """The tables of rates and costs."""
    if plan.rates:
        yield "### What each rate needs"
        yield _table(*rates_table(plan))
    if plan.costs:
        yield "### What a thousand good calls cost, in billed tokens"
        yield _table(*cost_table(client, plan))


def _summary(found: CapacityReport) -> str:
    head = ["client", "safe rate (calls/s)", "interval", "headroom", "keys", "billed tokens a minute"]
    lost = next((client.loss.lost for client in found.clients if client.loss is not None), None)
    if lost is not None:
        head.append(f"N − 1: {lost.region} gone (calls/s)")
    rows = []
    for client in found.clients:
        needs = client.needs[0] if client.needs else None
        rows.append(
            [
                client.client,
                client.status if client.safe is None or client.status != "found" else f"{client.safe:g}",
                "" if client.low is None or client.high is None else f"{client.low:g} to {client.high:g}",
                "" if client.headroom is None else f"{100 * client.headroom:.0f} %",
                "" if needs is None or needs.keys is None else str(needs.keys),
                "" if needs is None else f"{needs.tokens_per_minute:,.0f}",
                *([] if lost is None else [loss_cell(client)]),
            ]
        )
    return _table(head, rows)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
