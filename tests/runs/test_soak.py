"""`windtunnel soak` as a user has it: a leak is found within six virtual hours, and a clean client raises nothing."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from tests.runs.command import finish, start
from windtunnel.harness.errors import InputError
from windtunnel.harness.soak.cycles import check_disk, cycled
from windtunnel.reports.soak.schema import soak_schema

pytestmark = pytest.mark.timeout(400)

HOURLY = """
name: hourly
about: Calm and a little trouble, again and again.
seed: 3
clock: virtual
warmup: 1s
provider: {answer: {first_token: {median: 100ms, p99: 300ms}, tokens: 8}}
load: {api: chat, stream: true, arrivals: poisson, rate: 4/min, deadline: 5s}
phases:
  - {name: calm, for: 20m}
  - {name: trouble, for: 10m, rules: [{fault: overloaded, rate: 0.1}]}
clients: [openai-async-default]
"""
PLANTED = """
name: planted
about: Leaks a connection in a hundred calls, a megabyte a minute and tasks, and gets slower.
driver: python
target: planted_soak:everything
timeouts: {connect: 5s, read: 600s, write: 600s, pool: 10s}
pool: {connections: 100, keepalive: 10, expiry: 5s}
retries: {kind: none, tries: 1}
"""


def test_what_is_planted_is_found_and_a_clean_client_raises_nothing(tmp_path: Path) -> None:
    """Both play six hours of 1,440 calls; the findings have the planted speeds, and the hour at which it hurts."""
    (tmp_path / "hourly.yaml").write_text(HOURLY)
    (tmp_path / "planted.yaml").write_text(PLANTED)
    source = Path(__file__).with_name("planted_soak.py")
    (tmp_path / source.name).write_text(source.read_text())
    options = (
        "--for",
        "6h",
        "--clients",
        "openai-async-default,./planted.yaml",
        "--out",
        "out",
        "--jobs",
        "1",
    )
    soak = finish(start("soak", "./hourly.yaml", *options, cwd=tmp_path), tmp_path / "out")
    assert soak.code == 1, soak.err
    assert "12 cycles of 30 min: 6 h" in soak.err
    told = json.loads((soak.folder / "soak.json").read_text())
    jsonschema.validate(told, soak_schema())
    clean, planted = told["clients"]
    assert (clean["client"], clean["findings"], clean["reason"]) == ("openai-async-default", [], "")
    assert {"rss_mb", "descriptors", "threads", "tasks", "objects", "lost"} <= set(clean["watched"])
    found = {one["measure"]: one for one in planted["findings"]}
    assert set(found) - {"connections"} == {"lost", "rss_mb", "tasks", "objects", "median_s", "p95_s"}
    assert found["lost"]["per_hour"] == pytest.approx(2.4, rel=0.15)  # of 240 calls an hour
    assert found["lost"]["hurts_h"] == pytest.approx(100 / 2.4, rel=0.2)
    assert found["rss_mb"]["per_hour"] == pytest.approx(60 * 1.048576, rel=0.05)
    assert found["tasks"]["per_hour"] == pytest.approx(60, rel=0.1)  # one for four calls
    assert "asyncio.Task" in found["objects"]["detail"]
    assert "windtunnel" not in found["objects"]["detail"]
    assert found["median_s"]["per_hour"] == pytest.approx(0.05, rel=0.15)
    assert all((one["since_h"], one["incident"]) == (0, "") for one in found.values())
    assert "✓ openai-async-default: nothing grows or slows down" in soak.out
    assert "connections that no call holds grow from the start" in (soak.folder / "summary.md").read_text()
    page = (soak.folder / "index.html").read_text()
    assert "Something changes and does not stop." in page
    assert "hours from the start" in page


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            ("--for", "1h"),
            "--for: found 1 h, while a cycle of hourly lasts 30 min, expected at least 4 cycles: 2 h",
        ),
        (("--for", "6h", "--clients", "nobody"), "found the unknown client 'nobody'"),
        (("--for", "soon"), "--for: found soon, expected a length of time, such as 8h or 30m"),
        (("--for", "500h", "--cycle", "1m"), "--cycle: found 1 min, which makes 30000 cycles"),
    ],
)
def test_wrong_input_is_told_with_what_would_do(tmp_path: Path, options: tuple[str, ...], said: str) -> None:
    (tmp_path / "hourly.yaml").write_text(HOURLY)
    soak = finish(start("soak", "./hourly.yaml", *options, cwd=tmp_path), tmp_path / "out")
    assert soak.code == 2
    assert said in soak.err


def test_a_soak_without_disk_for_its_records_is_refused_with_the_sum(tmp_path: Path) -> None:
    (tmp_path / "hourly.yaml").write_text(HOURLY)
    again = cycled(str(tmp_path / "hourly.yaml"), 6 * 3600)
    with pytest.raises(InputError, match=r"2 clients of 1,440 calls, 4,000 bytes each"):
        check_disk(tmp_path, 1_000_000, again, 2)
    check_disk(tmp_path, 12_000_000, again, 2)


def test_a_load_with_a_course_of_its_own_is_refused(tmp_path: Path) -> None:
    (tmp_path / "daily.yaml").write_text(HOURLY.replace("arrivals: poisson", "arrivals: {daily: office}"))
    with pytest.raises(
        InputError, match=r"load\.arrivals\.daily: .*expected load\.rate with poisson or constant"
    ):
        cycled(str(tmp_path / "daily.yaml"), 6 * 3600)
