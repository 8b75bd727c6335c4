"""Retries that arrive together."""

from __future__ import annotations

from windtunnel.reports.findings.finding import ClientFinding, Seen

MUCH = 3.0
"""Times the variance that independent arrivals have."""


def together(seen: Seen) -> ClientFinding | None:
    """Many clients were told to wait equally long, and all of them came back at once."""
    synchrony = seen.number("retry_synchrony")
    if synchrony is None or synchrony < MUCH:
        return None
    served = seen.cohort.served
    retries = served[["call", "arrived_s"]][(served["attempt"] > 0).to_numpy()]
    bins = (retries["arrived_s"] * 10).astype("int64")
    worst = bins.mode().iloc[0]
    here = retries[(bins == worst).to_numpy()]
    promised = bool(served["retry_after_promised_s"].notna().any())
    return ClientFinding(
        rule="together",
        severity=1,
        sentence=f"Its retries arrive together: {len(here):,} of {len(retries):,} within 0.1 s at {worst / 10:.1f} s; "
        f"they vary {synchrony:.0f} times as much as independent ones do.",
        count=len(here),
        of=len(retries),
        calls=seen.ids(here["call"].to_numpy()),
        cure="Add a random part to the wait that a server names." if promised else "Make the waits random.",
        key="retries.retry_after_jitter" if promised else "retries.jitter",
        setting="0.25" if promised else "full",
    )
