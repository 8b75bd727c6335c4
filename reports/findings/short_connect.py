"""A limit for connecting that a region's distance alone goes beyond."""

from __future__ import annotations

import numpy as np
import pandas as pd

from windtunnel.reports.findings.finding import ClientFinding, Seen, seconds, share
from windtunnel.reports.metrics.regions import gave_up
from windtunnel.reports.metrics.timing import connecting_s, that_connect

LEAST = 3
LEAST_SHARE = 0.02
"""Of the connects to a region that were given up."""
OPEN = 0.3
"""Share of the connects in a phase that must come through, else it is the region that is not there."""
NEAR = 0.5
"""Share of the limit that the slowest twentieth of the others reaches, if the limit is what cut the rest off."""
ENOUGH = "5s"
"""A lost SYN is sent again after one second, and then after two more (RFC 6298): this is time for both."""


def short_connect(seen: Seen) -> ClientFinding | None:
    """Connects to a region that is there were given up, at a time that others nearly took."""
    connects = _connects(seen)
    worst: tuple[float, pd.DataFrame, str] | None = None
    for region, here in connects.groupby("region", observed=True, sort=False):
        lost = here[here["lost"]]
        came = here.loc[~here["lost"], "took_s"]
        if len(lost) < max(LEAST, LEAST_SHARE * len(here)) or came.empty:
            continue
        if came.quantile(0.95) < NEAR * lost["took_s"].median():
            continue
        if worst is None or len(lost) / len(here) > worst[0]:
            worst = len(lost) / len(here), here, str(region)
    if worst is None:
        return None
    part, here, region = worst
    lost, came = here[here["lost"]], here.loc[~here["lost"], "took_s"]
    by_sdk = seen.setting("sdk.timeout") is not None
    return ClientFinding(
        rule="short_connect",
        severity=2,
        sentence=f"A limit of {seconds(float(lost['took_s'].median()))} for connecting cuts off {100 * part:.0f} % of "
        f"the connects to {region} ({share(len(lost), len(here))}): those that came through took "
        f"{seconds(float(came.median()))} (median).",
        count=len(lost),
        of=len(here),
        calls=seen.ids(lost["call"].to_numpy()),
        cure="Allow several round trips. A packet that is lost while connecting costs a second more.",
        key="sdk.timeout" if by_sdk else "timeouts.connect",
        setting="" if by_sdk else ENOUGH,
    )


def _connects(seen: Seen) -> pd.DataFrame:
    """New connections, `lost` those given up, in the phases in which their region was there."""
    cohort = seen.cohort
    new = that_connect(cohort.attempts)
    tried = new[["call", "region", "sent_s", "error_type", "error_cause"]].assign(took_s=connecting_s(new))
    tried["lost"] = gave_up(tried) & tried["sent_s"].isna()
    tried = tried[tried["lost"] | tried["sent_s"].notna()]
    phase = cohort.judged.calls["phase_i"].to_numpy()[tried["call"].to_numpy()]
    open_share = 1 - tried.groupby([tried["region"], phase], observed=True)["lost"].transform("mean")
    return tried[np.asarray(open_share >= OPEN)]
