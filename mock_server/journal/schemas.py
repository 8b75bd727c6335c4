"""Arrow schemas of the records, made of their columns. Importing this module needs pyarrow."""

from __future__ import annotations

import pyarrow as pa

from windtunnel.mock_server.journal.columns import (
    CONNECTIONS_COLUMNS,
    LAG_COLUMNS,
    SERVED_COLUMNS,
    Column,
    ValueKind,
)

_TYPES: dict[ValueKind, pa.DataType] = {
    "string": pa.string(),
    "strings": pa.list_(pa.string()),
    "int32": pa.int32(),
    "int64": pa.int64(),
    "float64": pa.float64(),
    "bool": pa.bool_(),
}


def _schema(columns: tuple[Column, ...]) -> pa.Schema:
    return pa.schema(
        [pa.field(name, _TYPES[kind], metadata={"about": about}) for name, kind, about in columns]
    )


SERVED_SCHEMA: pa.Schema = _schema(SERVED_COLUMNS)
CONNECTIONS_SCHEMA: pa.Schema = _schema(CONNECTIONS_COLUMNS)
LAG_SCHEMA: pa.Schema = _schema(LAG_COLUMNS)
