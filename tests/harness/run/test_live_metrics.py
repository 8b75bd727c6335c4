"""`/metrics` of a run: Prometheus' own parser and tools take it, its figures are the cells', and the dashboard asks for
nothing that is not there."""

from __future__ import annotations

import http.client
import json
import re
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest
from prometheus_client.parser import text_string_to_metric_families
from typer.testing import CliRunner

from tests.lacking import lacks
from windtunnel.harness.cli.main import app
from windtunnel.harness.errors import InputError
from windtunnel.harness.inputs.gallery import load_profile
from windtunnel.harness.inputs.scenario import Scenario
from windtunnel.harness.plan import resolve
from windtunnel.harness.run.cell import Cell
from windtunnel.harness.run.live_metrics import LiveMetrics
from windtunnel.mock_server.control.prometheus import Counters, Metrics

SCENARIO = {
    "name": "tested",
    "about": "A test.",
    "load": {"rate": "2/s", "deadline": "5s"},
    "phases": [{"name": 'the "odd" one\\', "for": "4s"}],
    "clients": ["openai-default"],
}
DASHBOARD = json.loads((files("windtunnel.harness.run") / "grafana.json").read_text(encoding="utf-8"))
NAME = re.compile(r"windtunnel_[a-z_]+")
PATIENCE_S = 60.0


class Silent:
    """A reporter that says nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def show(self, cells: Sequence[Cell]) -> None: ...

    def say(self, message: str) -> None: ...


def cells(folder: Path) -> list[Cell]:
    """Two cells of a run: one that runs, and one that has not begun."""
    plan = resolve(Scenario.model_validate(SCENARIO), [load_profile("openai-default")], repeats=2)
    made = [Cell(cell, folder / str(cell.repeat), 1) for cell in plan.cells]
    first = made[0]
    first.state = "running"
    first.progress.phase = first.plan.phases[0].name
    first.progress.at_s = 1.5
    first.progress.intended, first.progress.ended, first.progress.ok, first.progress.attempts = 9, 7, 5, 12
    first._admin = "http://127.0.0.1:1234/_windtunnel"
    return made


@contextmanager
def live(folder: Path) -> Iterator[LiveMetrics]:
    metrics = LiveMetrics(0)
    try:
        metrics.watching(Silent()).show(cells(folder))
        yield metrics
    finally:
        metrics.close()


def get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return str(answer.read().decode())


def samples(text: str) -> dict[tuple[str, frozenset[str]], float]:
    """What Prometheus' own parser finds: by name and the values of the labels."""
    return {
        (sample.name, frozenset(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_figures_are_those_of_the_cells(tmp_path: Path) -> None:
    """Every cell has its counters, with labels whatever is in a name; cells are counted by state."""
    with live(tmp_path) as metrics:
        found = samples(get(metrics.url))
        mocks = json.loads(get(metrics.url.replace("/metrics", "/mocks")))
        with pytest.raises(urllib.error.HTTPError, match="404"):
            get(metrics.url.replace("/metrics", "/other"))
    first = frozenset(("tested", "openai-default", "0"))
    told = {
        "windtunnel_run_calls_intended_total": 9,
        "windtunnel_run_calls_ended_total": 7,
        "windtunnel_run_calls_ok_total": 5,
        "windtunnel_run_attempts_total": 12,
        "windtunnel_run_at_seconds": 1.5,
        "windtunnel_run_length_seconds": 4,
    }
    assert {name: found[name, first] for name in told} == told
    assert found["windtunnel_run_phase", first | {'the "odd" one\\'}] == 1
    assert found["windtunnel_run_cells", frozenset(("tested", "running"))] == 1
    assert found["windtunnel_run_cells", frozenset(("tested", "preparing"))] == 1
    assert found["windtunnel_run_cells", frozenset(("tested", "failed"))] == 0
    labels = {"scenario": "tested", "client": "openai-default", "repeat": "0"}
    assert mocks == [{"targets": ["127.0.0.1:1234"], "labels": labels}]


def test_it_listens_on_loopback_alone_and_no_longer_than_it_should(tmp_path: Path) -> None:
    """The port is the one that is asked for, on loopback; once closed nobody listens there."""
    with live(tmp_path) as metrics:
        port = metrics.port
        assert metrics._server.server_address[0] == "127.0.0.1"
        with pytest.raises(InputError) as caught:
            LiveMetrics(port)
        assert f"--metrics-port: found {port}" in str(caught.value)
    with pytest.raises(OSError, match="refused"):
        http.client.HTTPConnection("127.0.0.1", port, timeout=5).request("GET", "/metrics")


def expressions() -> list[str]:
    """Every expression of the dashboard, with its variables as Grafana fills them in."""
    found = [target["expr"] for panel in DASHBOARD["panels"] for target in panel.get("targets", ())]
    filled = {"$__rate_interval": "1m", "$scenario": ".*", "$client": ".*"}
    for name, value in filled.items():
        found = [text.replace(name, value) for text in found]
    assert not any("$" in text for text in found)
    return found


def mock_metrics() -> str:
    """The mock's `/metrics`, with something counted of each."""
    counters = Counters()
    counters.requests["chat", "local", 200] = 3
    gauges = {name: ("About.", {"local": 1.0}) for name in ("in_flight", "queue_depth")}
    return Metrics(counters, lambda: gauges).text().decode()


def test_the_dashboard_asks_for_what_there_is(tmp_path: Path) -> None:
    """Every name in an expression or a variable of the dashboard is a metric of the run or of the mock."""
    with live(tmp_path) as metrics:
        both = get(metrics.url) + mock_metrics()
    there = set(re.findall(r"^# TYPE (\S+) ", both, re.MULTILINE))
    variables = [one["query"]["query"] for one in DASHBOARD["templating"]["list"] if one["type"] == "query"]
    asked = {name for text in (*expressions(), *variables) for name in NAME.findall(text)}
    assert len(asked) > 15
    assert asked <= there
    run_names = {
        name for name in there if name.startswith("windtunnel_run_") and not name.endswith("_created")
    }
    assert run_names <= asked


def test_the_dashboard_is_one(tmp_path: Path) -> None:
    """Panels have numbers of their own, lie beside each other, and read the source that is chosen."""
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken
        assert max(x for x, _ in cells) < 24
        taken |= cells
    sources = [target["datasource"]["uid"] for panel in panels for target in panel.get("targets", ())]
    assert set(sources) == {"${source}"}


def tool(name: str) -> str:
    found = shutil.which(name)
    return found or lacks(f"the executable '{name}' (Debian's package prometheus)")


def test_promtool_takes_it(tmp_path: Path) -> None:
    """Prometheus' own linter finds nothing to complain about, in the run's metrics or in the mock's."""
    promtool = tool("promtool")
    with live(tmp_path) as metrics:
        texts = (get(metrics.url), mock_metrics())
    for text in texts:
        ended = subprocess.run(
            [promtool, "check", "metrics"],
            input=text,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


def ask(port: int, expression: str) -> list[Any]:
    query = urllib.parse.urlencode({"query": expression})
    answer = json.loads(get(f"http://127.0.0.1:{port}/api/v1/query?{query}"))
    assert answer["status"] == "success"
    return list(answer["data"]["result"])


def test_a_real_prometheus_scrapes_it(tmp_path: Path) -> None:
    """A Prometheus scrapes the run, finds the mocks that it names, and can evaluate all that the dashboard asks."""
    prometheus = tool("prometheus")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    with live(tmp_path) as metrics:
        jobs = [
            {"job_name": "windtunnel", "static_configs": [{"targets": [f"127.0.0.1:{metrics.port}"]}]},
            {"job_name": "mocks", "http_sd_configs": [{"url": metrics.url.replace("/metrics", "/mocks")}]},
        ]
        config = {"global": {"scrape_interval": "1s"}, "scrape_configs": jobs}
        (tmp_path / "prometheus.yml").write_text(json.dumps(config))  # JSON is YAML
        command = [
            prometheus,
            f"--config.file={tmp_path / 'prometheus.yml'}",
            f"--storage.tsdb.path={tmp_path / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
        ]
        with (tmp_path / "log").open("w") as log, subprocess.Popen(command, stderr=log, stdout=log) as child:
            try:
                found = waited(child, port, 'windtunnel_run_calls_ended_total{repeat="0"}')
                assert [float(one["value"][1]) for one in found] == [7.0]
                (mock,) = waited(child, port, 'up{job="mocks"}')
                assert mock["metric"]["instance"] == "127.0.0.1:1234"
                assert mock["metric"]["client"] == "openai-default"
                for expression in expressions():
                    ask(port, expression)
            finally:
                child.terminate()


def waited(child: subprocess.Popen[bytes], port: int, expression: str) -> list[Any]:
    """The result of an expression once there is one."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        assert child.poll() is None
        try:
            found = ask(port, expression)
        except OSError:
            found = []
        if found:
            return found
        time.sleep(0.2)
    pytest.fail(f"no {expression} within {PATIENCE_S:.0f} s")


def test_the_command_serves_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`--metrics-port 0` says where it listens, for as long as the command lasts; the last figures are the run's."""
    last: list[str] = []
    close = LiveMetrics.close

    def read_and_close(metrics: LiveMetrics) -> None:
        last.extend((metrics.url, get(metrics.url)))
        close(metrics)

    monkeypatch.setattr(LiveMetrics, "close", read_and_close)
    (tmp_path / "mine.yaml").write_text(json.dumps(SCENARIO))
    asked = ["run", str(tmp_path / "mine.yaml"), "--clock", "virtual", "--out", str(tmp_path / "run")]
    ended = CliRunner().invoke(app, [*asked, "--metrics-port", "0"])
    assert ended.exit_code == 0, ended.output
    url, text = last
    assert f"metrics: {url}" in ended.output
    found = samples(text)
    assert found["windtunnel_run_cells", frozenset(("tested", "finished"))] == 1
    assert found["windtunnel_run_calls_ended_total", frozenset(("tested", "openai-default", "0"))] > 0
    wrong = CliRunner().invoke(app, [*asked, "--metrics-port", "70000"])
    assert wrong.exit_code == 2
