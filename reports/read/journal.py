"""What `windtunnel serve --journal DIR` left: the server's records alone, without a plan and without a client.

    DIR/{served, connections}-<pid>.arrows, or .parquet ──► JournalRecords

A server that still runs, or that was killed, leaves a segment without its end; that is said, and is no damage.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from windtunnel.harness.contract.records import CONNECTIONS_SCHEMA, SERVED_SCHEMA
from windtunnel.reports.errors import RunDirectoryError
from windtunnel.reports.read.tables import Damage, has_end_mark, read_table

COLUMNS = (
    "call_id",
    "attempt",
    "identity",
    "identity_certainty",
    "arrived_s",
    "first_byte_s",
    "last_byte_s",
    "ended_s",
    "status",
    "faults",
    "region",
    "model",
    "api",
    "stream",
    "key_hash",
    "connection_request_n",
    "tokens_sent",
    "tokens_billed",
    "abandoned",
    "abandoned_at_s",
    "retry_after_promised_s",
    "queue_depth",
    "in_flight",
    "user_agent",
    "ending",
    "process",
)
"""What the server's view is made of; a column that the records lack is null."""


@dataclass(frozen=True, slots=True)
class JournalRecords:
    """The requests that arrived, in the order of arrival; `call` numbers the calls within each server process.

    `connections` is None where the server kept no list of them. `open_ended` names segments without an end.
    """

    folder: Path
    served: pd.DataFrame
    connections: pd.DataFrame | None
    open_ended: tuple[str, ...]
    damages: tuple[Damage, ...]


def is_journal(path: Path) -> bool:
    """Whether a directory holds the records of a server alone, not those of a run."""
    if not path.is_dir() or (path / "plan.json").exists():
        return False
    return (path / "served.parquet").is_file() or any(path.glob("served-*.arrows"))


def read_journal(folder: Path) -> JournalRecords:
    """Read the records of a server. Raises `RunDirectoryError` if there are none."""
    if not is_journal(folder):
        found = "a directory without served records" if folder.is_dir() else "nothing"
        raise RunDirectoryError(folder, found, "what `windtunnel serve --journal` leaves")
    served, damaged = read_table(folder, "served", SERVED_SCHEMA, finished=False, columns=COLUMNS)
    connections, more = read_table(folder, "connections", CONNECTIONS_SCHEMA, finished=False, optional=True)
    return JournalRecords(
        folder=folder,
        served=_frame(served),
        connections=connections.to_pandas() if connections.num_columns else None,
        open_ended=tuple(
            path.name for path in sorted(folder.glob("served-*.arrows")) if not has_end_mark(path)
        ),
        damages=(*damaged, *more),
    )


def _frame(served: pa.Table) -> pd.DataFrame:
    """The rows in the order of arrival, each with the number of its call in place of its id."""
    frame = pd.DataFrame({"call": _calls(served)})
    for name in COLUMNS:
        if name == "call_id":
            continue
        column = served[name] if name in served.column_names else pa.nulls(served.num_rows, pa.float64())
        if name == "faults":
            column = pc.fill_null(pc.binary_join(column, ","), "")
        if pa.types.is_string(column.type):
            column = column.dictionary_encode()
        elif pa.types.is_boolean(column.type):
            column = pc.fill_null(column, False)
        frame[name] = column.to_pandas()
    return frame.sort_values("arrived_s", kind="stable", ignore_index=True)


def _calls(served: pa.Table) -> npt.NDArray[np.int64]:
    """A number for each call: an id counts within one server process, whose ordinals begin anew."""
    ids = served["call_id"].combine_chunks().dictionary_encode()
    code = np.asarray(pc.fill_null(ids.indices, -1), dtype=np.int64)
    process = np.asarray(pc.fill_null(served["process"], 0), dtype=np.int64)
    _, numbered = np.unique(process * (len(ids.dictionary) + 1) + code, return_inverse=True)
    return np.asarray(numbered, dtype=np.int64)
