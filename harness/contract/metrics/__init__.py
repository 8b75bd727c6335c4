"""The metrics: a row for each, which says all about it but how it is computed.

    row here, in its family's file ──► table.py ──► harness: what a scenario may expect   ──► list metrics, the manual
                                          └─► reports: a function of the same name in reports/metrics/table.py, and
                                              its words on the page

Families are those of `reports/metrics/`. A test holds rows and functions together, so a metric is one row and one
function.
"""

from windtunnel.harness.contract.metrics.metric import Floor, Kind, Metric
from windtunnel.harness.contract.metrics.table import METRICS, ROWS, describe

__all__ = ["METRICS", "ROWS", "Floor", "Kind", "Metric", "describe"]
