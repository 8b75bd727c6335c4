"""Calls that were given up after one attempt, at a time when another would have been answered."""

from __future__ import annotations

from typing import Any

import numpy as np

from windtunnel.reports.findings.finding import ClientFinding, Seen, attempts_of

SOON_S = 5.0
LIKELY = 0.5
LEAST = 3
LEAST_SHARE = 0.005
NOT_RETRIED = (400, 401, 403, 404, 422)


def gave_up(seen: Seen) -> ClientFinding | None:
    """Of the requests that arrived in the seconds after, most were answered: a retry would have got it."""
    calls, made = seen.cohort.calls, attempts_of(seen)
    where = calls.index.to_numpy()
    failed = calls[calls["outcome"].isin(("error",)).to_numpy() & (made[where] == 1)]
    failed = failed[failed["ended_s"] - failed["intended_s"] + SOON_S < seen.patience_s]
    served = seen.cohort.judged.served[["call", "arrived_s", "status", "faults", "last_byte_s", "abandoned"]]
    wrong = served["call"][served["status"].isin(NOT_RETRIED).to_numpy()].to_numpy()
    failed = failed[~failed.index.isin(wrong)]
    if len(failed) < max(LEAST, LEAST_SHARE * seen.calls):
        return None
    served = served.sort_values("arrived_s", kind="stable")
    whole = (served["status"] == 200) & (served["faults"] == "") & served["last_byte_s"].notna()
    whole &= ~served["abandoned"]
    upto = np.concatenate([[0], np.cumsum(whole.to_numpy())])
    at = served["arrived_s"].to_numpy(dtype=float)
    ended = failed["ended_s"].to_numpy(dtype=float)
    first, last = np.searchsorted(at, ended), np.searchsorted(at, ended + SOON_S)
    there, good = last - first, upto[last] - upto[first]
    likely = (there > 0) & (good >= LIKELY * there)
    count = int(likely.sum())
    if count < max(LEAST, LEAST_SHARE * seen.calls):
        return None
    percent = 100 * int(good[likely].sum()) / int(there[likely].sum())
    given_up = failed.index.to_numpy()[likely]
    broken = len(set(served["call"][served["status"] == 200]) & set(given_up))
    order = np.argsort(-(good / np.maximum(there, 1))[likely], kind="stable")
    return ClientFinding(
        rule="gave_up",
        severity=2,
        sentence=f"Gave up {count:,} of {seen.calls:,} calls after one failed attempt that a retry would have got: "
        f"of the requests that arrived in the {SOON_S:.0f} s after, {percent:.0f} % were answered whole.",
        count=count,
        of=seen.calls,
        calls=seen.ids(given_up[order]),
        **_cure(seen, broken=2 * broken > count),
    )


def _cure(seen: Seen, *, broken: bool) -> dict[str, Any]:
    """What would have made a retry: of a broken answer it must be asked for, and a budget may not pay for it."""
    around = seen.setting("retries.kind") not in (None, "none")
    causes = ["timeout", "connection", "broken_answer", "408", "409", "429", "5xx"]
    retry_on = f"[{', '.join(causes)}]"
    if broken and around:
        return {
            "cure": "Retry answers that break off or cannot be read.",
            "key": "retries.retry_on",
            "setting": retry_on,
        }
    if seen.setting("budget") is not None and not broken:
        return {
            "cure": "Its budget did not pay for a retry. A larger one gets more answers, and more load in a storm.",
            "key": "budget.deposit",
        }
    alone = " Switch the SDK's own off beside it (`sdk.max_retries: 0`)." if _is_sdk(seen) else ""
    more = f", retry_on: {retry_on}" if broken else ""
    what = "Retry also answers that break off or cannot be read" if broken else "Retry a few times"
    return {
        "cure": f"{what}, with a growing, random wait, and pay for it from a budget.{alone}",
        "key": "retries",
        "setting": f"{{kind: exponential, tries: 3, base: 500ms, cap: 8s, jitter: full{more}}}",
    }


def _is_sdk(seen: Seen) -> bool:
    return str(seen.setting("driver") or "").startswith("openai")
