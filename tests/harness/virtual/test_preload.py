"""What a process that plays a cell does without."""

from __future__ import annotations

import subprocess
import sys

CODE = """
import sys
from importlib.util import find_spec
import pyarrow as pa
from windtunnel.harness.virtual.preload import LOADED_LATE, import_ahead, leave_pandas_out
leave_pandas_out()
pa.array(["a", None])
import_ahead()
assert not {"pandas"} & set(sys.modules), "pandas"
there = {name for name in LOADED_LATE if find_spec(name) is not None}  # openai 2 lacks some
assert len(there) >= 6, "known"
assert there <= set(sys.modules), "late"
import pandas
"""


def test_arrow_does_not_import_pandas() -> None:
    """Columns are written without pandas, which can still be imported by who needs it; the SDK is there whole."""
    ended = subprocess.run(
        [sys.executable, "-c", CODE], capture_output=True, text=True, check=False, timeout=60
    )
    assert ended.returncode == 0, ended.stderr


def test_forks_of_own_code_share_pandas() -> None:
    """What Arrow looks for at its first conversion is there before a cell of a user's code is forked."""
    code = """
import sys
from windtunnel.harness.virtual.preload import let_arrow_find_pandas
assert "pandas" not in sys.modules
let_arrow_find_pandas()
assert "pandas" in sys.modules
"""
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert ended.returncode == 0, ended.stderr
