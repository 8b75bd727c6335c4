"""From a judged cell of each client to what the charts are drawn from."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from windtunnel.reports.charts.regional_view import region_views, timeouts_of
from windtunnel.reports.charts.view import ClientView, RunView, Span
from windtunnel.reports.figures.model import CellFigures
from windtunnel.reports.metrics.cohort import cohort_of
from windtunnel.reports.metrics.times import service, wait
from windtunnel.reports.read.outcomes import Judged
from windtunnel.reports.read.run_dir import CellRecords


def run_view(shown: Sequence[CellRecords], views: Sequence[ClientView]) -> RunView:
    """What the charts of a run are drawn from: `views` of the cells `shown`, one of each client.

    Raises ValueError if there is no cell.
    """
    if not shown:
        raise ValueError("a run without cells has no charts")
    first = shown[0]
    return RunView(
        phases=tuple(Span(p.name, p.start_s, p.end_s, p.faulty) for p in first.phases),
        clients=tuple(views),
        deadline_s=first.deadline_s if math.isfinite(first.deadline_s) else None,
    )


def client_view(judged: Judged, figures: CellFigures, scenario: Mapping[str, Any]) -> ClientView:
    """What the charts of one client are drawn from: a judged cell, with its recovery from `figures`."""
    cell = judged.cell
    cohort = cohort_of(judged, scenario)
    calls = cohort.calls
    names = [phase.name for phase in cell.phases]
    recovered = figures.value("recovered")
    recover = figures.number("time_to_recover_s") if recovered else None
    return ClientView(
        client=cell.client,
        calls=pd.DataFrame(
            {
                "intended_s": calls["intended_s"],
                "phase": pd.Categorical.from_codes(calls["phase_i"].to_numpy(), pd.Index(names)),
                "outcome": calls["outcome"],
                "good": calls["good"],
            },
            copy=False,
        ),
        served=_served(judged),
        wait_s=wait(cohort).seconds,
        service_s=service(cohort).seconds,
        never_ended=int(calls["wait_s"].isna().sum()),
        recovered=None if recovered is None else bool(recovered),
        upto_s=judged.end_s if judged.end_s < cell.end_s else math.inf,
        recover_s=recover if recover is not None and math.isfinite(recover) else None,
        regions=region_views(judged),
        timeouts=timeouts_of(cell.plan.get("profile") or {}),
    )


def _served(judged: Judged) -> pd.DataFrame:
    served = judged.served
    intended = np.append(judged.calls["intended_s"].to_numpy(dtype=float), np.nan)
    due = intended[served["call"].to_numpy()]
    return pd.DataFrame(
        {
            "arrived_s": served["arrived_s"],
            "attempt": served["attempt"].fillna(0).astype(np.int32),
            "queue_depth": served["queue_depth"],
            "in_flight": served["in_flight"],
            "delay_s": served["arrived_s"] - due,
        },
        copy=False,
    )
