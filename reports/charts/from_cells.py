"""From judged cells to what the charts are drawn from: repeat 0 of every client."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from windtunnel.reports.charts.view import ClientView, Floats, Span, Stage
from windtunnel.reports.metrics.cohort import Absent, cohort_of
from windtunnel.reports.metrics.times import Samples, service, wait
from windtunnel.reports.read.outcomes import Judged


def stage_of(judged: Sequence[Judged], metrics: Mapping[str, Any], scenario: Mapping[str, Any]) -> Stage:
    """The stage of a run: of each client its first repeat, with that cell's recovery from `metrics`.

    Raises ValueError if there is no cell.
    """
    first: dict[str, Judged] = {}
    for one in sorted(judged, key=lambda j: j.cell.repeat):
        first.setdefault(one.cell.client, one)
    if not first:
        raise ValueError("a run without cells has no charts")
    order = dict.fromkeys(one.cell.client for one in judged)
    cells = [first[client] for client in order]
    return Stage(
        phases=tuple(Span(p.name, p.start_s, p.end_s, p.faulty) for p in cells[0].cell.phases),
        clients=tuple(_view(one, metrics, scenario) for one in cells),
        deadline_s=cells[0].cell.deadline_s if math.isfinite(cells[0].cell.deadline_s) else None,
    )


def _view(judged: Judged, metrics: Mapping[str, Any], scenario: Mapping[str, Any]) -> ClientView:
    cell = judged.cell
    overall = _overall(metrics, cell.client, cell.repeat)
    cohort = cohort_of(judged, scenario)
    calls = cohort.calls
    names = pd.Series([phase.name for phase in cell.phases])
    recover = overall.get("time_to_recover_s")
    return ClientView(
        client=cell.client,
        calls=pd.DataFrame(
            {
                "intended_s": calls["intended_s"],
                "phase": names.to_numpy()[calls["phase_i"].to_numpy()],
                "outcome": calls["outcome"],
                "good": calls["good"].astype(bool),
            }
        ),
        served=_served(judged),
        wait_s=_known(wait(cohort)),
        service_s=_known(service(cohort)),
        never_ended=int(calls["wait_s"].isna().sum()),
        recovered=overall.get("recovered"),
        upto_s=judged.end_s if judged.end_s < cell.end_s else math.inf,
        recover_s=float(recover) if recover is not None and math.isfinite(recover) else None,
    )


def _overall(metrics: Mapping[str, Any], client: str, repeat: int) -> Mapping[str, Any]:
    for cell in metrics["cells"]:
        if cell["client"] == client and cell["repeat"] == repeat:
            found: Mapping[str, Any] = cell["overall"]
            return found
    return {}


def _served(judged: Judged) -> pd.DataFrame:
    served = judged.served
    intended = np.append(judged.calls["intended_s"].to_numpy(dtype=float), np.nan)
    due = intended[served["call"].to_numpy()]
    return pd.DataFrame(
        {
            "arrived_s": served["arrived_s"].astype(float),
            "attempt": served["attempt"].fillna(0).astype(int),
            "queue_depth": served["queue_depth"].astype(float),
            "in_flight": served["in_flight"].astype(float),
            "delay_s": served["arrived_s"].astype(float) - due,
        }
    )


def _known(seconds: Samples) -> Floats:
    return (
        np.zeros(0)
        if isinstance(seconds, Absent)
        else np.asarray(seconds[~np.isnan(seconds)], dtype=np.float64)
    )
