"""The report as files: what a reader finds in them, and what never happens in them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.reports.page.queue_simulation import CLIENTS, STORM
from tests.reports.page.rundir import write_run
from tests.reports.tables import cell_plan, even_calls, quiet_lags
from tests.reports.tables import write_run as write_planted
from windtunnel.reports.build import write_report
from windtunnel.reports.errors import RunDirectoryError

NAMES = [client.name for client in CLIENTS]
SVG = "{http://www.w3.org/2000/svg}"
LOADING = {"src", "href", "action", "data", "poster", "srcset"}


class Page(HTMLParser):
    """What a page loads, its ids, and its text outside of SVG and style."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.tags: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name == "id" and value:
                self.ids.append(value)
            elif name in LOADING and value:
                (self.links if value.startswith("#") else self.loads).append(value)


def html(run: Path) -> str:
    return (run / "report.html").read_text(encoding="utf-8")


def test_a_report_is_four_kinds_of_files(storm_run: Path) -> None:
    """metrics.json, report.html, summary.md and a folder of charts, and nothing half-written."""
    made = {"metrics.json", "report.html", "summary.md", "charts"}
    assert {path.name for path in storm_run.iterdir()} == made | {"plan.json", "cells"}


def test_the_page_loads_nothing(storm_run: Path) -> None:
    """No script, no image, no style sheet and no font comes from anywhere else: the page works offline."""
    text = html(storm_run)
    page = Page(text)
    assert page.loads == ["data:,"]
    assert not {"script", "img", "iframe", "object", "embed"} & set(page.tags)
    assert not re.search(r"@import|url\((?!#)", text)
    assert set(re.findall(r"https?://[^\"' <]+", text)) == {"http://www.w3.org/2000/svg"}


def test_links_within_the_page_lead_somewhere(storm_run: Path) -> None:
    """Every id is unique, although many charts share the page, and every reference has its target."""
    text = html(storm_run)
    page = Page(text)
    assert len(page.ids) == len(set(page.ids))
    used = {link[1:] for link in page.links} | set(re.findall(r"url\(#([^)]+)\)", text))
    labels = {one for group in re.findall(r'aria-labelledby="([^"]+)"', text) for one in group.split()}
    assert used | labels <= set(page.ids)


@pytest.mark.parametrize("file", ["report.html", "summary.md"])
def test_every_client_and_phase_is_named(storm_run: Path, file: str) -> None:
    """Page and summary name every client and every phase."""
    text = (storm_run / file).read_text(encoding="utf-8")
    for name in (*NAMES, *(phase.name for phase in STORM)):
        assert name in text


def test_the_verdict_comes_first(storm_run: Path) -> None:
    """Who never let the provider recover, and who did, stands before any table or chart over time."""
    head = html(storm_run).split('id="expect"')[0]
    said = dict(re.findall(r'<h3>(\S+) <span class="pill">. ([^<]+)</span>', head))
    assert said["openai-4s-timeout"] == said["naive-loop"] == "Never recovered"
    assert said["openai-default"] == "Recovered at once"
    assert said["retry-budget"].startswith("Recovered after ")


def test_expectations_are_shown_with_pass_and_fail(storm_run: Path) -> None:
    """Each expectation is said in words, with the value and the result of every client."""
    text = html(storm_run)
    assert "6 of 12 failed" in text
    assert "Time to recover after the fault: at most 12 s" in text
    assert "✗ never" in text


def test_all_charts_parse_and_speak(storm_run: Path) -> None:
    """Every chart on disk is XML with a title, a description and light and dark colours, and loads nothing."""
    charts = sorted((storm_run / "charts").glob("*.svg"))
    expected = {f"{kind}-{name}" for kind in ("strip", "timeline", "retries") for name in NAMES}
    assert {chart.stem for chart in charts} == expected | {"ecdf-wait", "ecdf-service", "outcomes"}
    for chart in charts:
        root = ET.fromstring(chart.read_text(encoding="utf-8"))
        assert root.tag == f"{SVG}svg"
        assert root.findtext(f"{SVG}title")
        assert len(root.findtext(f"{SVG}desc") or "") > 30
        assert "prefers-color-scheme:dark" in (root.findtext(f"{SVG}style") or "")
        assert not [e for e in root.iter() if e.tag in (f"{SVG}image", f"{SVG}script")]


def test_an_invalid_run_says_so_before_anything_else(invalid_run: Path) -> None:
    """An invalid measurement is announced above the verdicts, which are marked as not valid themselves."""
    text = html(invalid_run)
    assert text.index("INVALID: this measurement does not count") < text.index('id="verdicts"')
    assert "<title>INVALID" in text
    assert "not valid: never recovered" in text
    assert "INVALID" in (invalid_run / "summary.md").read_text(encoding="utf-8").split("##")[0]


def test_the_three_states_look_different(tmp_path: Path, invalid_run: Path, storm_run: Path) -> None:
    """Valid raises no box, noisy an amber one with `~`, invalid a red one with `✗`; each says cause and remedy."""
    noisy = html(write_noisy(tmp_path / "noisy"))
    assert 'class="alarm amber"' in noisy
    assert "~ noisy measurement" in noisy
    assert 'class="alarm"' in html(invalid_run)
    assert 'class="alarm' not in html(storm_run)
    for text in (noisy, html(invalid_run)):
        assert "What helps:" in text
        assert "--jobs 1" in text


def write_noisy(folder: Path) -> Path:
    """A run whose processes lagged by 20 ms."""
    write_report(write_run(folder, clients=CLIENTS[:1], lag_s=0.02))
    return folder


def test_a_valid_run_raises_no_alarm(storm_run: Path) -> None:
    """A whole, valid run says that it is valid and has no alarm."""
    text = html(storm_run)
    assert "INVALID" not in text
    assert 'class="alarm' not in text
    assert "✓ valid measurement" in text


def test_a_partial_run_says_so(partial_run: Path) -> None:
    """A run that was cut off says so at the top, with the reason, and claims no recovery."""
    text = html(partial_run)
    assert text.index("the run was cut off") < text.index('id="verdicts"')
    assert "interrupted by the user; recorded up to 33.0 s" in text
    assert "Recovery not known" in text
    assert "Partial" in (partial_run / "summary.md").read_text(encoding="utf-8")


def test_repeats_are_said(broken_run: Path) -> None:
    """With repeats, the page says whose curves it shows and what its intervals are."""
    text = html(broken_run)
    assert "the first of 3 repeats" in text
    assert "with their 95 % interval in brackets" in text
    assert "answers that it accepted as good were broken" in text


def test_text_of_the_scenario_stays_text(broken_run: Path) -> None:
    """Markup in names and descriptions reaches neither HTML nor Markdown nor the type of the charts."""
    text = html(broken_run)
    assert "&lt;script&gt;$x$ &amp; *y*" in text
    assert "<script>" not in text
    assert "broken &lt;b&gt;" in text
    summary = (broken_run / "summary.md").read_text(encoding="utf-8")
    assert "&lt;script&gt;$x$ &amp; \\*y\\*" in summary
    assert "a\\_b\\|c" in summary


def test_no_metric_is_shown_by_its_bare_name(storm_run: Path) -> None:
    """Metrics appear with a label and a unit, never under the name that they have in metrics.json."""
    metrics = json.loads((storm_run / "metrics.json").read_text(encoding="utf-8"))
    text = html(storm_run).split('id="reproduce"')[0]
    names = {name for client in metrics["clients"].values() for name in client["overall"] if "_" in name}
    assert len(names) > 20
    assert [name for name in names if name in text] == []


def test_the_bytes_depend_on_the_records_alone(tmp_path: Path) -> None:
    """The same records give the same report, byte for byte, also over an older one."""
    folder = write_run(tmp_path / "same", clients=CLIENTS[2:3])
    write_report(folder)
    first = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    stale = folder / "charts" / "timeline-of-another.svg"
    stale.write_text("<svg/>")
    write_report(folder)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == first


def test_what_is_not_a_run_is_refused(tmp_path: Path) -> None:
    """A directory without a plan is refused with its path, and nothing is written into it."""
    with pytest.raises(RunDirectoryError, match=re.escape(str(tmp_path))):
        write_report(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.chromium
@pytest.mark.parametrize(
    ("width", "scheme"), [(1280, 1), (1100, 1), (600, 0)], ids=["wide-light", "laptop", "narrow-dark"]
)
def test_a_browser_lays_the_page_out(storm_run: Path, tmp_path: Path, width: int, scheme: int) -> None:
    """In a browser the page is not wider than its window, and asks no network; on a laptop no table is cut off."""
    copy = tmp_path / "report.html"
    values = (
        "document.documentElement.scrollWidth",
        "innerWidth",
        "performance.getEntriesByType('resource').length",
        "[...document.querySelectorAll('.scroll')].filter(e => e.scrollWidth > e.clientWidth).length",
    )
    title = " ".join(f"${{{value}}}" for value in values)
    probe = f"<script>document.title=`{title}`</script>"
    copy.write_text(html(storm_run).replace("</body>", probe + "</body>"), encoding="utf-8")
    command = [
        shutil.which("chromium") or "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
        f"--user-data-dir={tmp_path / 'profile'}", f"--window-size={width},1200", "--dump-dom",
        f"--blink-settings=preferredColorScheme={scheme}", copy.as_uri(),
    ]  # fmt: skip
    dom = subprocess.run(command, capture_output=True, text=True, timeout=100, check=True).stdout
    found = re.search(r"<title>(\d+) (\d+) (\d+) (\d+)</title>", dom)
    assert found is not None
    page, window, resources, cut_off = map(int, found.groups())
    assert page <= window <= width
    assert cut_off == 0 or width < 1000
    assert resources == 0


def test_quick_survivors_are_not_called_best(storm_run: Path) -> None:
    """Figures over answered calls alone carry no mark: who answers few calls looks quick in them."""
    rows = re.findall(r"<tr><th scope=\"row\">Latency of answered calls.*?</tr>", html(storm_run))
    assert rows
    assert not [row for row in rows if "▲" in row or "▼" in row]


def test_a_run_without_records_is_reported(tmp_path: Path) -> None:
    """Cells that died before their first call get a page that says so, and no verdict."""
    folder = write_run(tmp_path / "dead", clients=CLIENTS[:1], state="failed", upto_s=-100.0)
    for table in folder.rglob("*.parquet"):
        table.unlink()
    result = write_report(folder)
    assert not result.valid
    assert result.partial
    text = html(folder)
    assert "not valid: not measured" in text
    assert text.count("cut off") > 3


def test_a_run_without_a_truth_was_not_cut_off(tmp_path: Path) -> None:
    """Answers that nothing can be compared with make a run partial; nobody says that it was cut off."""
    calls, answers = even_calls(10.0, 20.0)
    tables = {"calls": calls, "served": answers[:-1], "attempts": [], "lags": quiet_lags(25)}
    write_report(write_planted(tmp_path / "lost", [(cell_plan((("only", 0.0, 20.0),)), tables)]))
    for name in ("report.html", "summary.md"):
        text = (tmp_path / "lost" / name).read_text(encoding="utf-8")
        assert "Partial: some answers have no record of the server" in text
        assert "was cut off" not in text


def test_what_a_valid_run_has_to_say_is_said(tmp_path: Path) -> None:
    """Cells that were played again, and replayed arrivals that no figure counts, are said of a valid run as well."""
    folder = write_run(tmp_path / "again", clients=CLIENTS[:1])
    status = folder / "cells" / f"{CLIENTS[0].name}-0" / "status.json"
    status.write_text(json.dumps(json.loads(status.read_text()) | {"played_again": "Calls were 40 ms late."}))
    plan = json.loads((folder / "plan.json").read_text())
    for cell in plan["cells"]:
        cell["load"]["arrivals"] = {"times_s": [1.0, 2.0, 49.9, 50.0, 61.0]}
    (folder / "plan.json").write_text(json.dumps(plan))
    result = write_report(folder)
    assert result.valid
    for name in ("report.html", "summary.md"):
        told = (folder / name).read_text(encoding="utf-8")
        assert "played again alone, because it was not valid at first: Calls were 40 ms late." in told
        assert "2 of the 5 replayed arrivals come after the last phase, which ends at 50 s" in told
    late = json.loads((folder / "metrics.json").read_text())["late_arrivals"]
    assert late == {"count": 2, "of": 5, "end_s": 50.0}
