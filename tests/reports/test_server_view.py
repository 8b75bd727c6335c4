"""`windtunnel report` on what `windtunnel serve --journal` left: what the server alone can say, and what it cannot."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest
from typer.testing import CliRunner

from tests.reports.tables import Row, served, table
from windtunnel.harness.cli.exit_codes import NOT_VALID
from windtunnel.harness.cli.main import app
from windtunnel.reports.build import write_server_report
from windtunnel.reports.errors import RunDirectoryError
from windtunnel.reports.read.journal import is_journal

ESCAPE = "\x1b[31mred"
PLANTED = [
    served("a", 0, 0.0, status=429, faults=["rate_limited"], retry_after_promised_s=2.0, truth_digest=None),
    served("a", 1, 1.0, status=429, faults=["rate_limited"], retry_after_promised_s=1.0),
    served("a", 2, 2.5, connection_request_n=1),
    served("b", 0, 3.0, status=None, faults=["stall", "cut"], abandoned=True, abandoned_at_s=8.0, tokens_sent=3,
           user_agent=ESCAPE),
]  # fmt: skip


def segment(folder: Path, name: str, rows: list[Row], *, closed: bool = True) -> Path:
    """A server's segment, of a batch a row; without its end as after a kill."""
    folder.mkdir(exist_ok=True)
    records = table(name, rows)
    path = folder / f"{name}-77.arrows"
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, records.schema) as to:
        for batch in records.to_batches(max_chunksize=1):
            to.write_batch(batch)
    if not closed:
        path.write_bytes(path.read_bytes()[:-8])
    return path


def planted(folder: Path, identity: str = "header") -> Path:
    segment(
        folder, "served", [{"identity": identity, "process": 77, "ending": "end"} | row for row in PLANTED]
    )
    segment(folder, "connections", [{"opened_s": 0.0, "closed_s": 1.0}, {"opened_s": 0.5}])
    return folder


def test_what_a_server_knows(tmp_path: Path) -> None:
    """Attempts, statuses, faults, promises, who left, connections: as planted."""
    view = write_server_report(planted(tmp_path / "j"))
    (attempts,) = view.attempts
    assert (attempts.identity, attempts.requests, attempts.calls, attempts.amplification) == (
        "header",
        4,
        2,
        2.0,
    )
    assert (attempts.retried_calls, attempts.most_attempts) == (1, 3)
    assert view.statuses == {"429": 2, "200": 1, "no status sent": 1}
    assert view.faults == {"rate_limited": 2, "stall": 1, "cut": 1}
    assert (view.promises.made, view.promises.followed, view.promises.broken) == (2, 2, 1)
    assert (view.abandonment.requests, view.abandonment.after_p50_s) == (1, 5.0)
    assert (view.connections.opened, view.connections.open_at_the_end, view.connections.peak) == (2, 1, 2)
    assert (view.notes, view.damages) == ((), ())


def test_what_was_inferred_without_certainty_is_not_a_figure(tmp_path: Path) -> None:
    """Requests without a call id may be anybody's: how many calls they are is said not to be known."""
    (attempts,) = write_server_report(planted(tmp_path / "j", "inferred")).attempts
    assert attempts.requests == 4
    assert (attempts.amplification, attempts.retried_calls) == (None, None)
    assert attempts.reason


def test_the_report_says_that_the_client_is_not_known(tmp_path: Path) -> None:
    """Page and summary name what is missing; a text of a client commands no terminal."""
    place = planted(tmp_path / "j")
    result = CliRunner().invoke(app, ["report", str(place)])
    assert result.exit_code == 0
    assert "silent corruption" in result.stdout
    assert "\x1b" not in result.stdout
    assert "\\x1b" in result.stdout
    assert "silent corruption" in (place / "report.html").read_text()
    assert json.loads((place / "server_view.json").read_text())["requests"] == 4


def test_a_killed_server_is_said_and_a_missing_column_is_a_damage(tmp_path: Path) -> None:
    """The one is as it is after a kill; the other makes figures wrong."""
    place = tmp_path / "j"
    segment(place, "served", PLANTED, closed=False)
    view = write_server_report(place)
    assert "no end" in view.notes[0]
    assert (view.requests, view.damages, view.connections.opened) == (4, (), None)
    records = table("served", PLANTED).drop_columns(["status"])
    with (
        pa.OSFile(str(place / "served-77.arrows"), "wb") as sink,
        pa.ipc.new_stream(sink, records.schema) as to,
    ):
        to.write_table(records)
    result = CliRunner().invoke(app, ["report", str(place)])
    assert result.exit_code == NOT_VALID
    assert "served-77.arrows lacks the column 'status'" in result.stderr


def test_calls_of_two_servers_are_not_mixed(tmp_path: Path) -> None:
    """Each numbers what it cannot tell apart from its own beginning."""
    place = tmp_path / "j"
    segment(place, "served", [served("a", 0, 0.0, identity="header", process=pid) for pid in (1, 2)])
    view = write_server_report(place)
    assert (view.attempts[0].calls, view.processes) == (2, 2)


def test_other_folders_are_no_journal(tmp_path: Path) -> None:
    """A run directory is reported as a run, and an empty folder is an error that names what was expected."""
    assert not is_journal(tmp_path)
    with pytest.raises(RunDirectoryError, match="serve --journal"):
        write_server_report(tmp_path)


def test_nothing_arrived(tmp_path: Path) -> None:
    """A server that nobody called has a report as well."""
    segment(tmp_path / "j", "served", [])
    assert write_server_report(tmp_path / "j").requests == 0
