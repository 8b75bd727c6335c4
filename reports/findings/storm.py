"""Retries that keep a provider down."""

from __future__ import annotations

from windtunnel.reports.findings.finding import ClientFinding, Seen, attempts_of

MANY = 1.3


def storm(seen: Seen) -> ClientFinding | None:
    """Calls did not become good again after the fault, and retries were a good part of the load."""
    made = attempts_of(seen)
    amplification = seen.number("amplification")
    if seen.truth("recovered") is not False or amplification is None or amplification < MANY:
        return None
    calls = seen.cohort.calls
    faulty = [phase for phase in seen.cohort.judged.cell.phases if phase.faulty]
    after = calls[calls["phase_i"] > faulty[-1].index] if faulty else calls
    retried = after[made[after.index.to_numpy()] > 1]
    order = made[retried.index.to_numpy()].argsort(kind="stable")[::-1]
    budget = seen.setting("budget") is not None
    return ClientFinding(
        rule="storm",
        severity=3,
        sentence=f"Its retries kept the provider down after the fault: {amplification:.1f} attempts per call, and "
        f"{len(retried):,} of the {len(after):,} calls intended after the fault were retried.",
        count=len(retried),
        of=len(after),
        calls=seen.ids(retried.index.to_numpy()[order]),
        cure="Make the budget for retries smaller."
        if budget
        else "Pay for retries from a budget: one for ten calls.",
        key="budget",
        setting="{kind: ratio, deposit: 0.1, cap: 10}",
    )
