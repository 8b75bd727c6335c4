"""Is the measurement itself valid? Checked before any verdict: a drowning generator measures itself.

Each check has a value, a limit and a sentence for people. A figure that had to be measured and was not fails;
a figure for which there was no occasion (no call ended well, say) passes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import pandas as pd

from windtunnel.reports.figures.damages import may_have_started
from windtunnel.reports.figures.lag_limits import VALID, LagLimits
from windtunnel.reports.metrics.times import quantile
from windtunnel.reports.read.columns import Keys, Records, marked, positions
from windtunnel.reports.read.outcomes import Bools, Floats, Judged

CLIENT_SOURCES: Final = ("hub", "loop")
SERVER_SOURCES: Final = ("server",)
WAITS_ON_PURPOSE: Final = "open_after_done"
"""A client that meets this fault may read on until the connection closes: it is not late."""
LAGS: Final = frozenset(
    {"generator_lateness_p99_s", "server_lag_p99_s", "receive_lag_p99_s", "client_lag_p99_s"}
)
FEWER: Final = "Play fewer cells at the same time (--jobs 1)"
OR_VIRTUAL: Final = ", or use the virtual clock (--clock virtual), where nothing is late"


State = Literal["valid", "noisy", "invalid"]
"""What a measurement is worth, from best to worst."""
STATES: Final[tuple[State, ...]] = ("valid", "noisy", "invalid")


@dataclass(frozen=True, slots=True)
class ValidityCheck:
    """One figure about the measurement: valid up to `limit` (None: it only informs), noisy up to `noisy_limit`."""

    name: str
    value: float | None
    limit: float | None
    state: State
    sentence: str
    noisy_limit: float | None = None


def valid_if(passed: bool) -> State:
    """The state of what is either right or wrong."""
    return "valid" if passed else "invalid"


def worst_state(checks: Iterable[ValidityCheck]) -> State:
    """The state of a measurement is that of its worst check."""
    return max((check.state for check in checks), key=STATES.index, default="valid")


def check_cell(judged: Judged) -> tuple[ValidityCheck, ...]:
    """Every check of one cell."""
    return tuple(check(judged) for check in CHECKS)


def worst(cells: Sequence[tuple[ValidityCheck, ...]]) -> tuple[ValidityCheck, ...]:
    """Per check the worst cell's: by its state, then by how near to its limit it is."""
    return tuple(max(checks, key=_badness) for checks in zip(*cells, strict=True))


def _badness(check: ValidityCheck) -> tuple[int, float]:
    value = -math.inf if check.value is None else check.value
    return STATES.index(check.state), value / check.limit if check.limit else value


def generator_lateness(judged: Judged) -> ValidityCheck:
    calls = judged.calls
    own = calls[_has_no_cause(calls)]
    value = quantile((own["started_s"] - own["intended_s"]).to_numpy(dtype=float), 0.99)
    return _timed("generator_lateness_p99_s", value, LagLimits.of(judged), "Calls were started", "late")


def server_lag(judged: Judged) -> ValidityCheck:
    if judged.cell.virtual:
        return _never_late("server_lag_p99_s")
    lags = _lags(judged, SERVER_SOURCES)
    value = quantile(lags["lag_s"].to_numpy(dtype=float), 0.99)
    return _timed("server_lag_p99_s", value, LagLimits.of(judged), "The mock server ran", "late", needed=True)


def receive_lag(judged: Judged) -> ValidityCheck:
    """From the moment the server's last byte is through the link to the client's end: of answers read to their end by
    clients that did not wait.

    Those through a link of which that moment is not recorded (virtual clock: nothing is late there) do not count, nor
    do those that shared a connection.
    """
    unknown = _why_no_receive_lag(judged.cell.plan)
    if unknown:
        return ValidityCheck("receive_lag_p99_s", None, VALID.least_s, "valid", unknown)
    linked = _linked_regions(judged.cell.plan)
    calls, served, attempts = judged.calls, judged.served, judged.attempts
    ok = calls[(calls["outcome"] == "ok") & (calls["answer"] >= 0)]
    answer = ok["answer"].to_numpy()
    read, seen = _read_to_the_end(np.asarray(served.array("served_id"))[answer], attempts)
    end = np.fmin(ok["ended_s"].to_numpy(dtype=float), read)
    broken_off = seen & np.isnan(read)
    broken_off &= bool(attempts["body_complete"].any())  # records without that column tell of no body's end
    waits = marked(served.array("faults"), WAITS_ON_PURPOSE)[answer]
    written = np.asarray(served.array("last_byte_s"), dtype=float)[answer]
    through = np.asarray(served.array("delivered_s"), dtype=float)[answer]
    unknown = np.isnan(through) & np.isin(np.asarray(served.array("region"))[answer].astype(str), linked)
    # Over HTTP/2 the library decides who reads: httpcore's streams queue for it, and an answer that has come lies
    # there until those before it in that queue have read something.
    shared = np.asarray(served.array("http_version"))[answer].astype(str) == "2"
    lags = (end - np.where(np.isnan(through), written, through))[~broken_off & ~waits & ~unknown & ~shared]
    limits = LagLimits.of(judged)
    return _timed(
        "receive_lag_p99_s",
        quantile(lags, 0.99),
        limits,
        "Calls ended",
        "after the last byte from the server",
    )


def _why_no_receive_lag(plan: Mapping[str, Any]) -> str:
    """Why the moment at which the client itself had the last byte is not known; empty if it is."""
    profile = plan.get("profile") or {}
    if plan.get("gateway"):
        return "A gateway stands between: its time is measured with the calls."
    if profile.get("driver") == "exec":
        return (
            "The client is a program: when it had the last byte is not known, and its time counts as its own."
        )
    if profile.get("http") == "2":
        return "Calls share a connection, which one of them reads for all: when the others hear of it is the client's."
    return ""


def _linked_regions(plan: Mapping[str, Any]) -> list[str]:
    """The regions that ever have a link, by which last bytes are on their way for a while."""
    server = plan.get("server_plan") or {}
    providers = [server, *(server.get("phases") or [])]
    return [
        name
        for one in providers
        for name, region in ((one.get("provider") or {}).get("regions") or {}).items()
        if (region or {}).get("link") is not None
    ]


def _read_to_the_end(answers: Keys, attempts: Records) -> tuple[Floats, Bools]:
    """Of each answer: when the first attempt ended that read it whole (null: none), and whether any attempt got it."""
    index = pd.Index(answers)
    same, each = (np.arange(len(answers)), index) if index.is_unique else pd.factorize(index)
    got = positions(np.asarray(attempts.array("served_id"), dtype=np.uint64), pd.Index(each))
    seen = np.zeros(len(each) + 1, dtype=bool)
    seen[got] = True
    whole = (got >= 0) & np.asarray(attempts.array("body_complete"), dtype=bool)
    read = np.full(len(each), np.nan)
    np.fmin.at(read, got[whole], np.asarray(attempts.array("ended_s"), dtype=float)[whole])
    return read[same], seen[same]


def client_lag(judged: Judged) -> ValidityCheck:
    if judged.cell.virtual:
        return _never_late("client_lag_p99_s")
    lags = _lags(judged, CLIENT_SOURCES)
    second = np.floor(lags["at_s"])
    bins = lags.groupby([lags["source"], lags["process"], second])["lag_s"].quantile(0.99)
    value = float(bins.max()) if len(bins) else None
    about = "late in its worst second"
    return _timed("client_lag_p99_s", value, LagLimits.of(judged), "A load process ran", about, needed=True)


def dropped_arrivals(judged: Judged) -> ValidityCheck:
    calls = judged.calls[judged.calls["judged"]]
    never = ~may_have_started(calls) & _has_no_cause(calls)
    if math.isfinite(judged.cell.observed_s):  # a call that was cut off left a trace at least
        never &= ~calls.index.isin(judged.attempts["call"]) & ~calls.index.isin(judged.served["call"])
    dropped = int(never.sum())
    few = f"{dropped} scheduled calls were never started" if dropped else "Every scheduled call was started"
    return ValidityCheck("dropped_arrivals", dropped, 0.0, valid_if(dropped == 0), f"{few} (limit 0).")


def _has_no_cause(calls: pd.DataFrame) -> pd.Series[bool]:
    """Whether nothing of the client's own held a call back."""
    cause = calls["lateness_cause"]
    return cause.isna() | (cause == "")


def failed_cells(judged: Judged) -> ValidityCheck:
    status = judged.cell.status
    failed = status.get("state") not in ("finished", "interrupted")
    reason = status.get("reason") or "the run did not finish"
    sentence = (
        f"A part of the measurement failed: {reason}." if failed else "No part of the measurement failed."
    )
    return ValidityCheck("failed_cells", int(failed), 0.0, valid_if(not failed), sentence)


def damaged_records(judged: Judged) -> ValidityCheck:
    damages = judged.cell.damages
    sentence = "Every table of records could be read."
    if damages:
        more = f", and {len(damages) - 1} more" if damages[1:] else ""
        sentence = f"Records are damaged: {damages[0].text}{more}."
    return ValidityCheck("damaged_records", len(damages), 0.0, valid_if(not damages), sentence)


def server_cpu(judged: Judged) -> ValidityCheck:
    return _cpu(judged, "server_cpu_cores", SERVER_SOURCES, "The mock")


def client_cpu(judged: Judged) -> ValidityCheck:
    return _cpu(judged, "client_cpu_cores", CLIENT_SOURCES, "The busiest load process")


CHECKS: Final[tuple[Callable[[Judged], ValidityCheck], ...]] = (
    generator_lateness,
    server_lag,
    receive_lag,
    client_lag,
    dropped_arrivals,
    failed_cells,
    damaged_records,
    server_cpu,
    client_cpu,
)


def _timed(
    name: str, value: float | None, limits: LagLimits, did: str, what: str, *, needed: bool = False
) -> ValidityCheck:
    valid, noisy = limits.valid_s, limits.noisy_s
    if value is None:
        sentence = (
            f"{did} … {what}: not measured." if needed else f"{did} … {what}: no call to measure it with."
        )
        return ValidityCheck(name, None, valid, valid_if(not needed), sentence, noisy)
    state: State = "valid" if value <= valid else "noisy" if value <= noisy else "invalid"
    known = f"limit {1000 * valid:.0f} ms" + (
        "" if state == "valid" else f", noisy up to {1000 * noisy:.0f} ms"
    )
    sentence = f"{did} {1000 * value:.1f} ms {what} at the 99th percentile ({known})."
    return ValidityCheck(name, value, valid, state, sentence, noisy)


def _never_late(name: str) -> ValidityCheck:
    """Time stands still while code runs: there is nothing to measure."""
    return ValidityCheck(name, None, VALID.least_s, "valid", "On the virtual clock nothing can be late.")


def lag_of(checks: Iterable[ValidityCheck]) -> float:
    """The greatest lag in seconds: figures that are not much larger are no better known than that."""
    return max((check.value or 0.0 for check in checks if check.name in LAGS), default=0.0)


def needs_real_time(plan: Mapping[str, Any]) -> bool:
    """Whether a cell has a program in it, as client or gateway: it cannot be played on the virtual clock."""
    return bool(plan.get("gateway")) or (plan.get("profile") or {}).get("driver") == "exec"


def remedies(checks: Iterable[ValidityCheck], *, real_only: bool = False) -> tuple[str, ...]:
    """What to do about the checks that are not valid, a sentence each. `real_only`: see `needs_real_time`."""
    wrong = {check.name for check in checks if check.state != "valid"}
    found = []
    if wrong & {*LAGS, "dropped_arrivals"}:
        found.append(f"{FEWER}{'' if real_only else OR_VIRTUAL}.")
    if "failed_cells" in wrong:
        found.append("Read the log of the cell that failed, in the run directory, and run it again.")
    return tuple(found)


def _cpu(judged: Judged, name: str, sources: tuple[str, ...], who: str) -> ValidityCheck:
    lags = _lags(judged, sources)
    spans = lags.groupby("process")[["at_s", "cpu_s"]].agg(["min", "max"])
    seconds = spans["at_s"]["max"] - spans["at_s"]["min"]
    cores = ((spans["cpu_s"]["max"] - spans["cpu_s"]["min"]) / seconds)[seconds > 0].max()
    if pd.isna(cores):
        return ValidityCheck(name, None, None, "valid", f"{who}: CPU time not measured.")
    return ValidityCheck(name, float(cores), None, "valid", f"{who} used {cores:.2f} of a core.")


def _lags(judged: Judged, sources: tuple[str, ...]) -> pd.DataFrame:
    """The samples while measured calls ran: up to a deadline after the last phase."""
    cell, lags = judged.cell, judged.cell.lags
    end = cell.end_s + (cell.deadline_s if math.isfinite(cell.deadline_s) else 0.0)
    return lags[lags["source"].isin(sources) & lags["at_s"].between(cell.start_s, end)]
