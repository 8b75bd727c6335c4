"""A sentence per client: what became of the provider and of the users while this client kept calling."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from windtunnel.reports.charts.durations import duration
from windtunnel.reports.charts.view import Span
from windtunnel.reports.figures.model import ClientFigures
from windtunnel.reports.page.labels import late_by, say

Status = Literal["never", "recovered", "good", "bad", "open"]

AT_ONCE_S = 0.05
MANY_RETRIES = 1.5
MANY_IN_WINDOW = 20
"""Retries in the worst 5 s below which a provider has not noticed: at 1 call/s, three retries make a peak of 1.6."""
WINDOW_S = 5.0
SOME_CORRUPT = 0.0005
STARVED = 0.5
"""Below so many attempts per call, without a fault, and with no more good calls, a client keeps its calls to itself."""
IDLE = 0.5
"""With no more of its slots in use than this share, a provider waits for calls."""
HOLDERS = {
    "held_by_pool": "a free connection in its own pool",
    "held_by_limiter": "a turn at its own rate limiter, or were refused by it or by its circuit breaker",
    "held_by_workers": "a free worker of its own",
}
"""What a client may hold its calls up with: the metric that counts them, and what the calls then wait for."""
MOST_ERRORS = 5
SELF_MADE = "Blocked by itself"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is said of a client: `headline` in two or three words, `sentence` whole.

    `status`: `never` (did not recover), `recovered`, `good` and `bad` (no fault to recover from: at or below the
    objective; `bad` also where answers came silently broken), `open` (nothing was measured that would decide it).
    `errors` are those that the user's own code raised, a line each.
    """

    client: str
    status: Status
    headline: str
    sentence: str
    errors: tuple[str, ...] = ()

    @property
    def mark(self) -> str:
        """A sign that says the same without colour."""
        return {"never": "✗", "recovered": "✓", "good": "✓", "bad": "!", "open": "?"}[self.status]

    @property
    def fine(self) -> bool:
        return self.status in ("recovered", "good")


def verdict(
    client: str, figures: ClientFigures, phases: Sequence[Span], *, objective: float = 0.99
) -> Verdict:
    """Judge `client` by its figures over all repeats.

    Broken answers that were taken for success outweigh everything but a provider that never recovers.
    """
    found = _judged(client, figures, phases, objective)
    corrupt = figures.number("silent_corruption")
    if corrupt is not None and corrupt > SOME_CORRUPT and found.status != "never":
        return replace(found, status="bad", headline=f"{say(corrupt, 'share')} broken, unnoticed")
    return found


def _judged(client: str, figures: ClientFigures, phases: Sequence[Span], objective: float) -> Verdict:
    if not figures.measured:
        why = "None of its requests reached the mock, so nothing is known of it."
        return Verdict(client, "open", "Not measured", why)
    if figures.value("recovered") is not None:
        return _of_recovery(client, figures, phases)
    whole = _of_goodput(client, figures, phases, objective)
    if "recovered" not in figures.overall or whole.status == "open":
        return whole
    opening = (
        f"The run does not show whether calls become good again after the fault{_why(figures, 'recovered')}."
    )
    return Verdict(client, "open", "Recovery not known", _join(opening, whole.sentence))


def verdicts(
    clients: Mapping[str, ClientFigures], phases: Sequence[Span], *, objective: float = 0.99
) -> tuple[Verdict, ...]:
    """A verdict for each client, in their order."""
    return tuple(
        replace(verdict(client, own, phases, objective=objective), errors=_own_errors(own))
        for client, own in clients.items()
    )


def _own_errors(figures: ClientFigures) -> tuple[str, ...]:
    """What the user's own code raised; an error without a place is the library's, and its figures tell of it."""
    return tuple(str(error) for error in figures.errors if error.place)[:MOST_ERRORS]


def _of_recovery(client: str, figures: ClientFigures, phases: Sequence[Span]) -> Verdict:
    faults = [phase for phase in phases[:-1] if phase.faulty]
    fault = faults[-1:]
    after = [phase for phase in phases if fault and phase.start >= fault[0].end]
    name = fault[0].name if fault else "fault"
    share = figures.number("recovered_fraction")
    if figures.seeds is not None and share is not None and 0 < share < 1:
        return _of_some_seeds(client, figures, name, share, (faults, after), phases)
    if (
        not figures.value("recovered")
        and after
        and not after[-1].faulty
        and _starves(figures, after[-1].name)
    ):
        opening = _stuck(figures, name, after).partition(" The overload")[0]
        sentence = _join(opening, _held_up(figures, after[-1].name), _harm(figures, phases))
        return Verdict(client, "never", SELF_MADE, sentence)
    if not figures.value("recovered"):
        headline = "Never recovered" if figures.value("metastable") else "Not recovered in time"
        return Verdict(client, "never", headline, _join(_stuck(figures, name, after), _harm(figures, phases)))
    seconds = figures.number("time_to_recover_s")
    if seconds is None or seconds < AT_ONCE_S:
        headline, opening = "Recovered at once", f"Calls were good again as soon as phase {name} had ended."
    else:
        after_s = f"{seconds:.1f} s" + late_by(seconds, figures.lag_s)
        headline = f"Recovered after {after_s}"
        opening = f"Calls were good again {after_s} after phase {name} had ended."
    if figures.seeds is not None:
        spread = figures.spread("recovered")
        opening = f"Calls were good again after phase {name} in all {spread.count if spread else 0} seeds"
        opening += (
            f", in at least half of them within {duration(seconds)}."
            if seconds
            else ", in most of them as soon as it had ended."
        )
    return Verdict(
        client, "recovered", headline, _join(opening, _during(figures, faults, after), _harm(figures, phases))
    )


def _of_some_seeds(
    client: str,
    figures: ClientFigures,
    fault: str,
    share: float,
    parts: tuple[Sequence[Span], Sequence[Span]],
    phases: Sequence[Span],
) -> Verdict:
    """Of a client that recovers in some seeds and not in others: chance decides."""
    spread = figures.spread("recovered")
    count = spread.count if spread else 0
    in_seeds = f"{round(share * count)} of {count} seeds"
    opening = f"Calls were good again after phase {fault} in {in_seeds}"
    median = figures.number("time_to_recover_s")
    opening += f", in at least half of all within {duration(median)}." if median is not None else "."
    sentence = _join(opening, _during(figures, *parts), _harm(figures, phases))
    return Verdict(client, "bad" if share >= 0.5 else "never", f"Recovered in {in_seeds}", sentence)


def _stuck(figures: ClientFigures, fault: str, after: Sequence[Span]) -> str:
    opening = f"Calls did not become good again after phase {fault}"
    if after:
        good = figures.number("goodput", after[-1].name)
        length = duration(after[-1].end - after[0].start)
        if good is not None:
            opening += f": in the {length} after it, {say(good, 'share')} of the calls were good"
    repeats = figures.number("recovered_fraction")
    if repeats:
        opening += f" ({say(repeats, 'share')} of the repeats recovered)"
    if figures.value("metastable"):
        return opening + ". The overload keeps itself going, although its cause is gone."
    return opening + "."


def _starves(figures: ClientFigures, phase: str | None) -> bool:
    """Whether the client itself kept most calls of a phase (None: of the run) from a provider that was idle."""
    arriving, good = figures.number("load_factor", phase), figures.number("goodput", phase)
    if good is None or good >= STARVED or (figures.number("slots_used", phase) or 0.0) > IDLE:
        return False
    held = sum(figures.number(name, phase) or 0.0 for name in HOLDERS)
    return held >= STARVED or (arriving is not None and arriving < STARVED)


def _held_up(figures: ClientFigures, phase: str | None) -> str:
    """Who is to blame for calls that never reached the provider."""
    arriving, used = figures.number("load_factor", phase), figures.number("slots_used", phase)
    reached = arriving is not None and arriving < STARVED
    if reached and arriving is not None:
        opening = f"The provider is not the cause: only {say(arriving, 'share')} of these calls reached it."
    elif used is not None:
        opening = f"The provider is not the cause: {say(used, 'share')} of its slots were in use."
    else:
        opening = "The provider is not the cause."
    held = {name: figures.number(name, phase) or 0.0 for name in HOLDERS}
    most = max(held, key=lambda name: held[name])
    if held[most] > sum(held.values()) - held[most] and held[most] >= STARVED / 2:
        shares = f"{say(held[most], 'share')} of the calls failed because they waited most of their time for"
        return f"{opening} The client held them up itself: {shares} {HOLDERS[most]}."
    return (
        f"{opening} The client itself held up the rest: connections that it does not give back, its own limit or "
        "breaker, or a deadlock."
    )


def _during(figures: ClientFigures, faults: Sequence[Span], after: Sequence[Span]) -> str:
    """How many calls were good after the last fault, and in each phase that had one."""
    then = figures.number("goodput", after[-1].name) if after else None
    shares = [(phase.name, figures.number("goodput", phase.name)) for phase in faults]
    known = [(name, share) for name, share in shares if share is not None]
    if then is None or not known:
        return ""
    opening = f"{say(then, 'share')} of the calls after it were good, "
    if len(known) == 1:
        return opening + f"{say(known[0][1], 'share')} of the calls during it."
    return opening + ", ".join([f"{say(share, 'share')} in {name}" for name, share in known]) + "."


def _harm(figures: ClientFigures, phases: Sequence[Span]) -> str:
    """What the retries cost the provider, and what came broken."""
    sentences = []
    peak = figures.number("peak_amplification")
    if peak is not None and peak >= MANY_RETRIES and _retries(figures, phases, peak) >= MANY_IN_WINDOW:
        whose = "Its retries and the gateway's" if "gateway_certainty" in figures.overall else "Its retries"
        sentences.append(f"{whose} multiplied the load up to {peak:.1f} times.")
    corrupt = figures.number("silent_corruption")
    if corrupt is not None and corrupt > SOME_CORRUPT:
        sentences.append(f"{say(corrupt, 'share')} of the answers that it accepted as good were broken.")
    return " ".join(sentences)


def _retries(figures: ClientFigures, phases: Sequence[Span], peak: float) -> float:
    """About how many retries the worst window held, at the mean rate of calls."""
    length = sum(phase.end - phase.start for phase in phases)
    offered = figures.number("offered")
    if offered is None or length <= 0:
        return 0.0
    return (peak - 1) * WINDOW_S * offered / length


def _of_goodput(client: str, figures: ClientFigures, phases: Sequence[Span], objective: float) -> Verdict:
    good = figures.number("goodput")
    if good is None:
        return Verdict(
            client,
            "open",
            "Not measured",
            f"No call of this client could be judged{_why(figures, 'goodput')}.",
        )
    opening = f"{say(good, 'share')} of its calls were good"
    opening += _wait(figures)
    if not any(phase.faulty for phase in phases) and _starves(figures, None):
        return Verdict(client, "bad", SELF_MADE, _join(opening, _held_up(figures, None)))
    fine = good >= objective
    headline = f"{say(good, 'share')} good" if fine else f"Only {say(good, 'share')} good"
    return Verdict(client, "good" if fine else "bad", headline, _join(opening, _harm(figures, phases)))


def _why(figures: ClientFigures, metric: str) -> str:
    """The reason why a metric has no value, behind a colon."""
    found = figures.overall.get(metric)
    return f": {found.reason}" if found is not None and found.reason else ""


def _wait(figures: ClientFigures) -> str:
    """How long users waited; where the end of the run cut waits off, only from how long on."""
    wait = figures.overall.get("wait_p99_s")
    if wait is None or wait.value is None:
        return "."
    length = duration(float(wait.value)) + late_by(float(wait.value), figures.lag_s)
    if wait.censored:
        return f"; at least 1 % of its users waited {length} or longer, and the run ended before they had an answer."
    return f"; 99 % of its users waited {length} or less."


def _join(*sentences: str) -> str:
    return " ".join(sentence for sentence in sentences if sentence)
