"""The metrics: one family a file, all of them in the table COMPUTE."""

from windtunnel.reports.metrics.cohort import ABSENT, Cohort, cohort_of, window_of
from windtunnel.reports.metrics.figure import Figure, FiguresByPhase, Value
from windtunnel.reports.metrics.recovery import Recovery, recovery_of
from windtunnel.reports.metrics.table import COMPUTE, measure

__all__ = [
    "ABSENT",
    "COMPUTE",
    "Cohort",
    "Figure",
    "FiguresByPhase",
    "Recovery",
    "Value",
    "cohort_of",
    "measure",
    "recovery_of",
    "window_of",
]
