"""A report takes memory in proportion to the records, and little for each: whatever the machine's speed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from windtunnel.harness.calibrate.synthetic_run import write_synthetic_run

SERVED = (10_000, 107_000)
RECORDS_PER_SERVED = 2.8
"""A call for four of five, and an attempt for each."""
BYTES_PER_RECORD = 330
"""As frames of everything a record took 700; ten millions of them take 100 each, as then fewer columns are kept."""

CODE = """
import sys
from pathlib import Path
from windtunnel.reports.build import write_report
write_report(Path(sys.argv[1]))
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


def peak_bytes(run: Path) -> int:
    """The peak of resident memory of a process that makes the report of a run."""
    told = subprocess.run([sys.executable, "-c", CODE, str(run)], check=True, capture_output=True, text=True)
    return 1024 * int(told.stdout)


@pytest.mark.alone
def test_a_report_takes_little_memory_for_each_record(tmp_path: Path) -> None:
    """Between 28,000 and 300,000 records, a tenth of the calls streamed."""
    peaks = [peak_bytes(write_synthetic_run(tmp_path / str(served), served)) for served in SERVED]
    more = RECORDS_PER_SERVED * (SERVED[1] - SERVED[0])
    assert (peaks[1] - peaks[0]) / more < BYTES_PER_RECORD
