"""`windtunnel run` of a scenario that varies, as a user has it: cells side by side, a grid, and an answer in words."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import jsonschema
import pytest

from tests.runs.command import Played, begin, finish, start
from windtunnel.reports.figures.schema import metrics_schema

pytestmark = pytest.mark.timeout(200)

VARIED = """
name: varied
about: Two regions, and pools that are too small or large enough.
seed: 3
clock: virtual
warmup: 1s
provider:
  regions: {near: {link: {rtt: 20ms}}, far: {link: {rtt: 300ms}}}
  answer: {first_token: 100ms, tokens: 8}
load: {api: chat, stream: true, arrivals: poisson, rate: 12/s, deadline: 5s}
phases: [{name: all, for: 12s}]
clients: [openai-async-default]
vary: {region: [near, far], pool: [1, 20]}
grid: {metric: wait_p95_s, timeouts: [200ms, 2s]}
expect: [{expect: goodput >= 0.9, clients: [openai-async-default]}]
"""
CLIENT = "openai-async-default"
FAR = f"{CLIENT}~region=far,pool=20"


@pytest.fixture(scope="module")
def varied(tmp_path_factory: pytest.TempPathFactory) -> Played:
    folder = tmp_path_factory.mktemp("varied")
    return finish(begin(folder, VARIED, "--check"), folder / "run")


def test_every_cell_is_a_client_and_the_answer_is_told(varied: Played) -> None:
    """Four cells, each by its name; the pool of one fails what is expected of every cell; words say which is best."""
    assert varied.code == 1, varied.err
    assert list(varied.metrics["clients"]) == [
        f"{CLIENT}~region={region},pool={pool}" for region in ("near", "far") for pool in (1, 20)
    ]
    assert varied.metrics["clients"][FAR]["varied"] == {"region": "far", "pool": 20}
    assert varied.value(FAR, "goodput") == 1.0
    assert "far: pool 20: " in varied.out
    assert "of it waiting for a connection in the client's pool" in varied.out
    assert "2 of 4 expectations failed" in varied.out
    assert (varied.table("calls", FAR)["region"] == "far").all()


def test_files_of_a_varied_run(varied: Played) -> None:
    """metrics.json has the best of each column, as its schema says; grid.csv a row a cell; the page the heatmap."""
    jsonschema.validate(varied.metrics, metrics_schema())
    best = {one["column"]: one["chosen"] for one in varied.metrics["grid"]["best"]}
    assert best == {"near": f"{CLIENT}~region=near,pool=20", "far": FAR}
    with (varied.folder / "grid.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["region"], row["pool"], row["chosen"]) for row in rows] == [
        ("near", "1", "false"), ("near", "20", "true"), ("far", "1", "false"), ("far", "20", "true"),
    ]  # fmt: skip
    page, summary = (varied.folder / "report.html").read_text(), (varied.folder / "summary.md").read_text()
    assert 'id="grid"' in page
    assert "Not passed by cells that are not shown" in page
    assert "| pool 20 | ✓ ★" in summary
    assert f"{CLIENT}\\~region=near,pool=1" not in summary.split("## Metrics")[1], "only what is worth it"
    assert len(list((varied.folder / "charts").glob("timeline-*.svg"))) == 2


def test_regions_have_a_section_with_where_the_time_goes(varied: Played) -> None:
    """The page has table and charts of both regions; on the virtual clock connecting takes exactly its round trip."""
    page, summary = (varied.folder / "report.html").read_text(), (varied.folder / "summary.md").read_text()
    assert '<h2 id="regions">By region</h2>' in page
    assert "| near | " in summary.split("## By region")[1]
    charts = {chart.stem for chart in (varied.folder / "charts").glob("*.svg")}
    assert {"regions-over-time", "regions-latency", "time-parts-mean", "time-parts-p95"} <= charts
    parts = (varied.folder / "charts" / "time-parts-mean.svg").read_text()
    assert "pool 1 in far" in parts, "also of cells that are not shown in detail"
    for region, round_trip_s in (("near", 0.02), ("far", 0.3)):
        attempts = varied.table("attempts", f"{CLIENT}~region={region},pool=20")
        took = attempts["connect_s"].dropna()
        assert took.to_list() == pytest.approx([round_trip_s] * len(took), abs=1e-4)
        assert len(took)


def test_one_cell_again(varied: Played, tmp_path: Path) -> None:
    """A cell is played again by its name, to the same digest; a client's name is all its cells."""
    plan = varied.folder / "plan.json"
    again = finish(start("run", str(plan), "--clients", FAR, "--out", "run", cwd=tmp_path), tmp_path / "run")
    (cell,) = again.metrics["cells"]
    assert cell["digest"] == next(one["digest"] for one in varied.metrics["cells"] if one["client"] == FAR), (
        again.err
    )
    told = finish(
        start("check", str(varied.folder), "--clients", CLIENT, "--json", "c.json", cwd=tmp_path), tmp_path
    )
    assert told.code == 1
    judged = json.dumps(json.loads((tmp_path / "c.json").read_text()))
    assert FAR in judged
    assert f"{CLIENT}~region=near,pool=1" in judged
