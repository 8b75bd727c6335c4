"""Broken answers that a client took for good ones."""

from __future__ import annotations

from collections import Counter

import numpy as np

from windtunnel.reports.findings.finding import ClientFinding, Seen

CHECKS = ("finish_reason", "refusal", "end")


def half_answers(seen: Seen) -> ClientFinding | None:
    """The server meant to say something else, and no exception told the client."""
    calls = seen.cohort.calls
    corrupt = calls[calls["outcome"] == "corrupt"]
    if corrupt.empty:
        return None
    took = int((calls["client_outcome"] == "ok").sum())
    faults = np.append(np.asarray(seen.cohort.judged.served["faults"], dtype=object), "")
    names = Counter(str(name) or "no fault of the server" for name in faults[corrupt["answer"].to_numpy()])
    by = ", ".join(f"{name} {count:,}" for name, count in names.most_common(4))
    has = seen.setting("checks") or ()
    lacking = [check for check in CHECKS if check not in has]
    return ClientFinding(
        rule="half_answers",
        severity=3,
        sentence=f"Took {len(corrupt):,} of {took:,} answers for whole that were not, without an error ({by}).",
        count=len(corrupt),
        of=took,
        calls=seen.ids(corrupt.index.to_numpy()),
        cure="Check that an answer is whole: how it says it ended, and that the stream came to its end."
        if lacking
        else "Every check of a profile is on already: compare the content with what it should be, such as a schema.",
        key="checks" if lacking else None,
        setting=f"[{', '.join(CHECKS)}]" if lacking else "",
    )
