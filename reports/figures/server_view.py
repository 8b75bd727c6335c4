"""What a server can say of its clients by itself: attempts, refusals, faults, promises, who left, connections."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
import pandas as pd

from windtunnel.reports.metrics.cohort import ratio
from windtunnel.reports.metrics.times import quantile
from windtunnel.reports.read.journal import JournalRecords

SCHEMA_VERSION: Final = 1
CERTAIN: Final = 0.9
"""Below this certainty, a request that was taken for a repetition may as well have been a new call."""
TOLERANCE_S: Final = 0.05
MOST_CLIENTS: Final = 20
NOT_KNOWN: Final = (
    "goodput, and what a user waits: the server does not know when a call was due, nor when its user gave up",
    "silent corruption: the server does not see what the client made of an answer",
    "calls and attempts that never reached the server",
    "recovery: no phases and no load are on record",
)
"""What it takes the client's records for: those of `windtunnel run`."""


@dataclass(frozen=True, slots=True)
class Attempts:
    """Requests and calls that were told apart in one way. `amplification` is null where that is too uncertain."""

    identity: str
    requests: int
    calls: int
    amplification: float | None
    retried_calls: int | None
    most_attempts: int | None
    certainty: float | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Client:
    """The requests of one User-Agent."""

    user_agent: str
    requests: int
    retries: int
    abandoned: int
    errors: int


@dataclass(frozen=True, slots=True)
class ServerTimes:
    """Seconds from arrival, of answered requests: to the first byte, to the last one."""

    first_byte_p50_s: float | None
    first_byte_p99_s: float | None
    last_byte_p50_s: float | None
    last_byte_p99_s: float | None


@dataclass(frozen=True, slots=True)
class Promises:
    """Refusals that named a wait: how many, how many the call came back after, and how many of these too early."""

    made: int
    followed: int
    broken: int
    violations: float | None


@dataclass(frozen=True, slots=True)
class Abandonment:
    """Requests whose client left before the end: when it left after arrival, and what was billed all the same."""

    requests: int
    share: float | None
    after_p50_s: float | None
    after_p99_s: float | None
    tokens_billed: int
    tokens_sent: int


@dataclass(frozen=True, slots=True)
class Connections:
    """`opened`, `open_at_the_end` and `peak` are null where the server kept no list of its connections."""

    opened: int | None
    open_at_the_end: int | None
    peak: int | None
    requests_each: float | None
    churn: float | None


@dataclass(frozen=True, slots=True)
class ServerView:
    """The whole of what a server's records say. Counts are by value, the most frequent first."""

    requests: int
    processes: int
    first_s: float | None
    last_s: float | None
    attempts: tuple[Attempts, ...]
    clients: tuple[Client, ...]
    statuses: Mapping[str, int]
    endings: Mapping[str, int]
    faults: Mapping[str, int]
    models: Mapping[str, int]
    times: ServerTimes
    promises: Promises
    abandonment: Abandonment
    connections: Connections
    queue_depth_max: int | None
    in_flight_max: int | None
    notes: tuple[str, ...]
    damages: tuple[str, ...]
    not_known: tuple[str, ...] = NOT_KNOWN

    def as_json(self) -> dict[str, Any]:
        """The content of server_view.json."""
        return {"schema_version": SCHEMA_VERSION, **asdict(self)}


def server_view(records: JournalRecords) -> ServerView:
    """Every figure of the server's view."""
    served = records.served
    processes = int(served["process"].nunique())
    notes = [f"{name} has no end: its server still runs, or was killed" for name in records.open_ended]
    if processes > 1:
        notes.append(
            f"the records are of {processes} server processes: each has its own start of time, and its own calls"
        )
    return ServerView(
        requests=len(served),
        processes=processes,
        first_s=_number(served["arrived_s"].min()),
        last_s=_number(served["arrived_s"].max()),
        attempts=_attempts(served),
        clients=_clients(served),
        statuses=_counts(served["status"].map(lambda s: f"{s:.0f}", na_action="ignore"), "no status sent"),
        endings=_counts(served["ending"], "not recorded"),
        faults=_faults(served["faults"]),
        models=_counts(served["model"], "none"),
        times=_times(served),
        promises=_promises(served),
        abandonment=_abandonment(served),
        connections=_connections(served, records.connections),
        queue_depth_max=_whole(served["queue_depth"].max()),
        in_flight_max=_whole(served["in_flight"].max()),
        notes=tuple(notes),
        damages=tuple(damage.text for damage in records.damages),
    )


def _attempts(served: pd.DataFrame) -> tuple[Attempts, ...]:
    """By how requests were told to belong to one call: by its id in a header, or by inference, more or less certain."""
    calls = _by_call(served)
    sure = calls["certainty"] >= CERTAIN
    groups = {
        "header": calls["header"],
        f"inferred, certainty {CERTAIN:g} or more": ~calls["header"] & sure,
        f"inferred, certainty below {CERTAIN:g}": ~calls["header"] & (calls["certainty"] < CERTAIN),
        "inferred, certainty not recorded": ~calls["header"] & calls["certainty"].isna(),
    }
    return tuple(_group(name, calls[mask]) for name, mask in groups.items() if mask.any())


def _by_call(served: pd.DataFrame) -> pd.DataFrame:
    number = served["call"].to_numpy()
    count = int(number.max()) + 1 if len(number) else 0
    header = (served["identity"] == "header").to_numpy()
    certainty = np.full(count, np.inf)
    stated = served["identity_certainty"].to_numpy(dtype=float)
    np.fmin.at(certainty, number, stated)
    requests = np.bincount(number, minlength=count)
    by_header = np.bincount(number, weights=header, minlength=count) == requests
    return pd.DataFrame(
        {
            "requests": requests,
            "header": by_header,
            "certainty": np.where(np.isinf(certainty), np.nan, certainty),
        }
    )


def _group(name: str, calls: pd.DataFrame) -> Attempts:
    requests, count = int(calls["requests"].sum()), len(calls)
    known = "below" not in name and "not recorded" not in name
    if not known:
        reason = "whether a request repeats an earlier one is not certain enough"
        return Attempts(name, requests, count, None, None, None, _number(calls["certainty"].min()), reason)
    retried, most = int((calls["requests"] > 1).sum()), int(calls["requests"].max())
    certainty = 1.0 if name == "header" else _number(calls["certainty"].min())
    return Attempts(name, requests, count, ratio(requests, count), retried, most, certainty)


def _clients(served: pd.DataFrame) -> tuple[Client, ...]:
    who = served["user_agent"].astype(object).fillna("none sent")
    about = pd.DataFrame(
        {
            "requests": 1,
            "retries": (served["attempt"] > 0).astype(int),
            "abandoned": served["abandoned"].astype(int),
            "errors": (served["status"].isna() | (served["status"] >= 400)).astype(int),
        }
    )
    found = about.groupby(who).sum().sort_values("requests", ascending=False, kind="stable")
    return tuple(
        Client(str(name), *(int(row[key]) for key in ("requests", "retries", "abandoned", "errors")))
        for name, row in found.head(MOST_CLIENTS).iterrows()
    )


def _counts(values: pd.Series[Any], absent: str) -> dict[str, int]:
    counted = values.value_counts(dropna=True)
    found = {str(value): int(count) for value, count in counted.items() if count}
    missing = int(values.isna().sum())
    return found | ({absent: missing} if missing else {})


def _faults(faults: pd.Series[Any]) -> dict[str, int]:
    """How many requests each fault acted on; one request may meet several."""
    found: dict[str, int] = {}
    for names, count in faults.value_counts().items():
        for name in filter(None, str(names).split(",")):
            found[name] = found.get(name, 0) + int(count)
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def _times(served: pd.DataFrame) -> ServerTimes:
    answered = served[served["status"].between(200, 299)]
    first = (answered["first_byte_s"] - answered["arrived_s"]).to_numpy(dtype=float)
    last = (answered["last_byte_s"] - answered["arrived_s"])[~answered["abandoned"]].to_numpy(dtype=float)
    return ServerTimes(quantile(first, 0.5), quantile(first, 0.99), quantile(last, 0.5), quantile(last, 0.99))


def _promises(served: pd.DataFrame) -> Promises:
    same = ["call", "region", "key_hash", "model"]
    promised = served["call"][served["retry_after_promised_s"].notna()].unique()
    attempts = served[served["call"].isin(promised)]
    following = attempts.groupby(same, dropna=False, sort=False, observed=True)["arrived_s"].shift(-1)
    until = attempts["last_byte_s"] + attempts["retry_after_promised_s"]
    followed = until.notna() & following.notna()
    broken = int((following[followed] < until[followed] - TOLERANCE_S).sum())
    made = int(served["retry_after_promised_s"].notna().sum())
    return Promises(made, int(followed.sum()), broken, ratio(broken, int(followed.sum())))


def _abandonment(served: pd.DataFrame) -> Abandonment:
    left = served[served["abandoned"]]
    after = (left["abandoned_at_s"] - left["arrived_s"]).to_numpy(dtype=float)
    return Abandonment(
        requests=len(left),
        share=ratio(len(left), len(served)),
        after_p50_s=quantile(after, 0.5),
        after_p99_s=quantile(after, 0.99),
        tokens_billed=int(left["tokens_billed"].sum()),
        tokens_sent=int(left["tokens_sent"].sum()),
    )


def _connections(served: pd.DataFrame, connections: pd.DataFrame | None) -> Connections:
    fresh = int((served["connection_request_n"] == 0).sum())
    churn = ratio(fresh, len(served))
    each = ratio(len(served), fresh)
    if connections is None:
        return Connections(None, None, None, each, churn)
    opened = np.sort(connections["opened_s"].to_numpy(dtype=float))
    closed = np.sort(connections["closed_s"].dropna().to_numpy(dtype=float))
    held = np.arange(1, len(opened) + 1) - np.searchsorted(closed, opened, side="right")
    still = int(connections["closed_s"].isna().sum())
    return Connections(len(opened), still, int(held.max()) if len(held) else 0, each, churn)


def _number(value: Any) -> float | None:
    return None if pd.isna(value) else float(value)


def _whole(value: Any) -> int | None:
    return None if pd.isna(value) else int(value)


def unknown_figures(view: ServerView) -> Sequence[str]:
    """What the records of a server leave open, and why."""
    return [*view.not_known, *(f"{one.identity}: {one.reason}" for one in view.attempts if one.reason)]
