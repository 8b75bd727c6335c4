"""The metrics: one family a file, all of them in the table METRICS."""

from windtunnel.reports.metrics.cohort import ABSENT, Cohort, Value, cohort_of, window_of
from windtunnel.reports.metrics.recovery import Recovery, recovery_of
from windtunnel.reports.metrics.table import METRICS, Metric, describe, measure

__all__ = [
    "ABSENT",
    "METRICS",
    "Cohort",
    "Metric",
    "Recovery",
    "Value",
    "cohort_of",
    "describe",
    "measure",
    "recovery_of",
    "window_of",
]
