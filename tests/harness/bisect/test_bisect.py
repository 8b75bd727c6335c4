"""`windtunnel bisect` over a folder of tiny releases: which one is blamed, what is said of it, what is kept."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness.environments.fake_packages import offline, write_wheel
from windtunnel.harness.bisect.followed import BEHAVIOUR, asked, largest
from windtunnel.harness.bisect.quiet import QuietReporter
from windtunnel.harness.bisect.releases import between, releases_of
from windtunnel.harness.bisect.steps import Measured, NotInstalledError, StepOptions, play_step
from windtunnel.harness.contract.metrics import METRICS
from windtunnel.harness.environments.interpreter import ours
from windtunnel.harness.errors import InputError
from windtunnel.harness.run.run import RunOptions

FLOORS = {name: metric.floor for name, metric in METRICS.items()}
SCENARIO = """
name: small
about: Every first attempt is refused.
clock: virtual
warmup: 0s
load: {api: chat, stream: false, arrivals: constant, rate: 2/s, instances: 1, deadline: 8s}
phases: [{name: refused, for: 4s, rules: [{fault: overloaded, first: 1, per: call}]}]
clients: [./mine.yaml]
"""
PROFILE = """
name: mine
about: A callable that tries as often as the package knobs says.
driver: python
target: my_client:ask
timeouts: {total: 8s}
pool: {connections: 100, keepalive: 20, expiry: 5s}
retries: {kind: none, tries: 1}
"""
CLIENT = """
import openai
import knobs

async def ask(prompt, model):
    async with openai.AsyncOpenAI(max_retries=knobs.RETRIES) as client:
        answer = await client.chat.completions.create(model=model, messages=[{"role": "user", "content": prompt}])
    return answer.choices[0].message.content
"""
RETRIES = {"1.0": 0, "1.1": 0, "1.10": 1}
BROKEN = "1.1.5"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scenario, its client, and the releases of a package that it needs; one of them cannot be installed."""
    folder = tmp_path_factory.mktemp("bisect")
    (folder / "small.yaml").write_text(SCENARIO)
    (folder / "mine.yaml").write_text(PROFILE)
    (folder / "my_client.py").write_text(CLIENT)
    for version, retries in RETRIES.items():
        write_wheel(folder / "wheels", "knobs", version, f"RETRIES = {retries}\n")
    write_wheel(folder / "wheels", "knobs", BROKEN, "", ["nowhere-to-be-found"])
    write_wheel(folder / "wheels", "knobs", "2.0rc1", "")
    return folder


def bisect(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command in the folder."""
    command = [str(Path(sys.executable).parent / "windtunnel"), "bisect", "small.yaml", "--package", "knobs"]
    pip = ["--pip-args", " ".join(offline(folder / "wheels"))]
    environment = {**os.environ, "WINDTUNNEL_HOME": str(folder / "home"), "COLUMNS": "200"}
    return subprocess.run(
        [*command, *pip, *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=280
    )


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_release_that_changed_it_is_found_and_shown(folder: Path) -> None:
    """The one that made it retry; its first call, both ways, moment by moment. Played again, all of it is there."""
    done = bisect(folder, "--good", "1.0", "--bad", "newest", "--metric", "goodput", "--out", "one")
    assert done.returncode == 0, done.stderr
    assert "✗ knobs 1.10 changed it: goodput 0 → 1 (before: 1.1)" in done.stdout
    assert f"so it may have been one of these: {BROKEN}" in done.stdout
    assert "1 attempt: 503" in done.stdout
    assert "2 attempts: 503, 200" in done.stdout
    assert done.stdout.splitlines()[-1] == "one"
    found = json.loads((folder / "one" / "bisect.json").read_text())
    assert found["releases"] == ["1.0", "1.1", BROKEN, "1.10"]
    assert [(one["before"], one["after"]) for one in found["changes"]] == [("1.1", "1.10")]
    assert list(found["skipped"]) == [BROKEN]
    assert len(list((folder / "one" / "timelines").iterdir())) == 2
    again = bisect(folder, "--good", "1.0", "--bad", "1.10", "--metric", "goodput >= 0.5", "--out", "two")
    assert "✗ knobs 1.10 changed it: goodput >= 0.5 fails → holds (before: 1.1)" in again.stdout
    played = json.loads((folder / "two" / "bisect.json").read_text())["played"]
    assert again.stderr.count("(played before)") == len(played)


def measured(digest: str, **values: float | None) -> Measured:
    return Measured(digest, {name.replace("_at_", "@"): value for name, value in values.items()})


def test_what_differs_most_is_followed() -> None:
    """In floors; a metric without a floor or a direction is not; where none differs enough, behaviour is."""
    one = measured("a", goodput=1.0, goodput_at_after=1.0, amplification=1.0, offered=100.0)
    other = measured("b", goodput=0.97, goodput_at_after=0.5, amplification=1.2, offered=1.0)
    followed = largest(one, other, FLOORS)
    assert followed is not None
    assert followed.name == "goodput@after"
    assert followed.distance(one, other) == pytest.approx(25)
    near = largest(measured("a", goodput=1.0), measured("b", goodput=0.99), FLOORS)
    assert near is not None
    assert near.name == BEHAVIOUR
    assert largest(one, measured("a", goodput=0.0), FLOORS) is None


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("godput", "did you mean 'goodput'"),
        ("goodput@afer", "did you mean 'after'"),
        ("goodput >= much", "expected"),
        ("goodput@after = 1", "expected"),
    ],
)
def test_a_metric_that_there_is_not_is_refused(text: str, told: str) -> None:
    with pytest.raises(InputError, match=r"windtunnel bisect: --metric: .*") as caught:
        asked(text, measured("a", goodput=1.0, goodput_at_after=1.0), FLOORS)
    assert told in str(caught.value)


def test_a_value_that_is_missing_on_one_side_differs() -> None:
    followed = asked("goodput", measured("a", goodput=1.0), FLOORS)
    assert followed.distance(measured("a", goodput=1.0), measured("b", goodput=None)) > 1
    assert followed.distance(measured("a", goodput=None), measured("b", goodput=None)) == 0


def test_releases_come_from_pip(folder: Path) -> None:
    """In the order of versions, not of letters, without pre-releases; ends are found by their value."""
    found = releases_of("knobs", pip_arguments=offline(folder / "wheels"))
    assert [str(one) for one in found] == ["1.0", "1.1", BROKEN, "1.10"]
    assert between(found, "1.0.0", "1.1", "knobs") == (found[:2], False)
    assert between(found, "newest", "1.1", "knobs") == (found[1:], True)
    for good, bad, told in (
        ("1.9", "1.1", r"--good: found '1\.9', expected a release of knobs that pip finds: 1\.0 to 1\.10"),
        ("1.0", "x", r"--bad: found 'x', expected a version, such as 1\.10, or newest"),
        ("1.0", "1.0.0", r"--bad: found 1\.0\.0, as --good, expected another release"),
    ):
        with pytest.raises(InputError, match=told):
            between(found, good, bad, "knobs")
    with pytest.raises(InputError, match="--package: found 'unheard'"):
        releases_of("unheard", pip_arguments=offline(folder / "wheels"))


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            ("--good", "1.0", "--bad", BROKEN),
            f"knobs {BROKEN}, an end of the search: pip does not install it",
        ),
        (("--good", "1.0", "--most", "1"), "--most: found 1, expected at least 2"),
        (("--good", "1.0", "--python", "/gone/python"), "--python: found '/gone/python'"),
    ],
)
def test_bad_input_is_one_message(
    folder: Path, tmp_path: Path, arguments: tuple[str, ...], told: str
) -> None:
    """Exit code 2, and what is wrong."""
    done = bisect(folder, *arguments, "--out", str(tmp_path / "out"))
    assert done.returncode == 2, done.stderr
    assert told in done.stderr


def test_a_yanked_release_is_left_out(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """pip does not list it. One that is listed all the same is noticed when it is installed."""
    monkeypatch.setenv("WINDTUNNEL_HOME", str(tmp_path / "home"))
    yanked = 'data-yanked="it was broken"'
    links = [
        f'<a href="{wheel.as_uri()}" {yanked if "-1.1-" in wheel.name else ""}>{wheel.name}</a>'
        for wheel in sorted((folder / "wheels").glob("*.whl"))
    ]
    page = tmp_path / "page.html"
    page.write_text("\n".join(links))
    found = releases_of("knobs", pip_arguments=("--no-index", "--find-links", str(page)))
    assert [str(one) for one in found] == ["1.0", BROKEN, "1.10"]
    options = StepOptions(
        package="knobs",
        options=RunOptions("small.yaml"),
        client="mine.yaml",
        base=ours(),
        pip_arguments=("--no-index", "--find-links", str(page)),
    )
    with pytest.raises(NotInstalledError, match="it is yanked"):
        play_step(
            options, "1.1", tmp_path / "run", lambda _: measured("a"), QuietReporter(print), lambda _: None
        )
