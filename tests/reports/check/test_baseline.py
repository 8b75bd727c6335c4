"""Baselines: what is written, when it is compared, and what a difference comes to."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.reports.page.queue_simulation import CLIENTS, Client, Phase
from tests.reports.page.rundir import write_run
from windtunnel.harness.contract.behaviour import BEHAVIOUR
from windtunnel.harness.contract.metrics import METRICS
from windtunnel.reports.check.against import mismatches
from windtunnel.reports.check.base import CheckOptions, RunBase, measured_base
from windtunnel.reports.check.baseline import (
    Baseline,
    BaselineError,
    NamedBaseline,
    as_text,
    baseline_of,
    read_baseline,
)
from windtunnel.reports.check.github import error_lines
from windtunnel.reports.check.junit import junit
from windtunnel.reports.check.markdown import markdown
from windtunnel.reports.check.model import CheckResult
from windtunnel.reports.check.runs import check_runs
from windtunnel.reports.check.terminal import lines

PHASES = (Phase("refused", 0, 8, refused=0.3), Phase("after", 8, 12))


def play(folder: Path, client: Client, *, repeats: int, digest: str = "", seed: int = 1) -> Path:
    """Simulate a run over seeds; with `digest`, cells have digests as on the virtual clock."""
    write_run(folder, clients=[client], phases=PHASES, repeats=repeats, name="refusals", expect=())
    plan = json.loads((folder / "plan.json").read_text())
    plan |= {"seed": seed, "seeds": repeats, "clock": "virtual", "behaviour": BEHAVIOUR}
    for cell in plan["cells"]:
        cell |= {"clock": "virtual", "run_seed": seed + cell["repeat"], "client": "mine"}
        if digest:
            text = json.dumps({"digest": f"{digest}{cell['repeat']}", "wire_digest": "w"})
            (folder / cell["dir"] / "digest.json").write_text(text)
    (folder / "plan.json").write_text(json.dumps(plan))
    return folder


def base_of(folder: Path) -> RunBase:
    base = measured_base(folder, CheckOptions())
    assert isinstance(base, RunBase)
    return base


def written(folder: Path, to: Path) -> NamedBaseline:
    """The baseline of a run, written and read again."""
    base = base_of(folder)
    to.write_text(as_text(baseline_of(base.figures, base.measured.run.plan, base.clients)))
    return NamedBaseline(to, read_baseline(to))


def against(folder: Path, baseline: NamedBaseline, **options: Any) -> CheckResult:
    return check_runs([folder], CheckOptions(baselines=(baseline,), **options))


PATIENT, IMPATIENT = CLIENTS[0], CLIENTS[1]


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve seeds of the client as it was."""
    return play(tmp_path_factory.mktemp("runs") / "before", PATIENT, repeats=12, digest="before")


@pytest.fixture(scope="module")
def after(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same seeds of a client that does worse."""
    return play(
        tmp_path_factory.mktemp("runs") / "after", without_retries(PATIENT), repeats=12, digest="after"
    )


def without_retries(client: Client) -> Client:
    """The same client with one attempt a call."""
    return replace(client, tries=1)


@pytest.fixture(scope="module")
def base(before: Path) -> RunBase:
    return base_of(before)


@pytest.fixture(scope="module")
def baseline(before: Path, tmp_path_factory: pytest.TempPathFactory) -> NamedBaseline:
    return written(before, tmp_path_factory.mktemp("baseline") / "baseline.json")


@pytest.fixture(scope="module")
def two_seeds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seeds of that client, for what does not depend on how many there are: each check measures them all."""
    return play(tmp_path_factory.mktemp("runs") / "two_seeds", PATIENT, repeats=2, digest="before")


@pytest.fixture(scope="module")
def their_baseline(two_seeds: Path, tmp_path_factory: pytest.TempPathFactory) -> NamedBaseline:
    return written(two_seeds, tmp_path_factory.mktemp("their") / "baseline.json")


def test_a_baseline_is_small_sorted_and_a_line_a_metric(baseline: NamedBaseline) -> None:
    """A diff shows the metric that changed; only metrics with a direction are kept."""
    rows = [
        line for line in baseline.path.read_text().splitlines() if '"seeds": [' in line and "value" in line
    ]
    names = list(baseline.content.clients["mine"].metrics)
    assert len(rows) == len(names)
    assert [name for name in names if "@" not in name] == sorted(name for name in names if "@" not in name)
    assert all(METRICS[name.partition("@")[0]].better for name in names)
    assert baseline.path.stat().st_size < 60_000


def test_the_same_digests_are_the_same(before: Path, baseline: NamedBaseline) -> None:
    """A against A has no difference at all, and says so."""
    result = against(before, baseline)
    assert result.exit_code == 0
    assert {one.comparison.state for one in result.compared} == {"same"}
    assert "equal in all 12 seeds" in "\n".join(lines(result))


def test_a_worse_client_is_told_in_every_form(after: Path, baseline: NamedBaseline) -> None:
    """Exit 1, and each form names the metric, both values and where to look."""
    result = against(after, baseline)
    assert result.exit_code == 1
    worse = [one for one in result.compared if one.comparison.state == "worse"]
    assert "goodput@refused" in {one.name for one in worse}
    assert worse[0].look is not None
    for text in ("\n".join(lines(result)), markdown(result), junit(result), "\n".join(error_lines(result))):
        assert "goodput@refused" in text
        assert "worse" in text
        assert "windtunnel replay" in text


def test_one_seed_alone_is_not_conclusive(
    tmp_path: Path, before: Path, after: Path, baseline: NamedBaseline
) -> None:
    """A difference in one pair may be chance: with --force it is told as inconclusive, never passed."""
    one = play(tmp_path / "one", without_retries(PATIENT), repeats=1, digest="after")
    refused = against(one, baseline)
    assert refused.exit_code == 2
    assert "seeds: found 12" in refused.runs[0].wrong[0]
    assert against(one, baseline, force=True).exit_code == 3


Change = Callable[[dict[str, Any]], Any]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda b: b.update(schema_version=1), "schema_version: found 1"),
        (lambda b: b.update(behaviour=2), "3: The digest of a cell is of what the client did"),
        (lambda b: b.update(behaviour=99), "99 is of a later version"),
        (lambda b: b.update(scenario="other"), "scenario: found 'other', and the run played 'refusals'"),
        (lambda b: b.update(scenario_hash="0"), "scenario_hash: 'refusals' was another scenario then"),
        (lambda b: b.update(clock="real"), "clock: found real, and the run was on the virtual clock"),
        (lambda b: b.update(seeds=["7"]), "seeds: found 1 (7)"),
    ],
)
def test_a_baseline_from_elsewhere_is_told(
    base: RunBase, baseline: NamedBaseline, change: Change, told: str
) -> None:
    """It says what differs, by the key of the file and by what the run has."""
    content = baseline.content.model_dump(mode="json")
    change(content)
    found = list(mismatches(Baseline.model_validate(content), base.figures, base.measured.run.plan))
    assert len(found) == 1
    assert told in found[0]


def test_what_does_not_fit_is_not_compared(two_seeds: Path, their_baseline: NamedBaseline) -> None:
    """Exit 2, and the command that writes the file again; a client that is gone is an error, too."""
    gone = {**their_baseline.content.clients, "gone": their_baseline.content.clients["mine"]}
    for update, told in (
        ({"behaviour": 2}, "behaviour: found 2"),
        ({"clients": gone}, "clients.gone: this client"),
    ):
        changed = NamedBaseline(their_baseline.path, their_baseline.content.model_copy(update=update))
        result = against(two_seeds, changed)
        assert result.exit_code == 2
        said = " ".join(result.runs[0].wrong)
        assert told in said
        assert f"windtunnel baseline write {two_seeds} -o {their_baseline.path}" in said


def test_force_compares_what_both_have(two_seeds: Path, their_baseline: NamedBaseline) -> None:
    """What differs becomes a note; without a common seed nothing helps."""
    content = their_baseline.content.model_copy(update={"behaviour": 2})
    forced = against(two_seeds, NamedBaseline(their_baseline.path, content), force=True)
    assert forced.exit_code == 0
    assert "behaviour: found 2" in forced.runs[0].notes[0]
    apart = their_baseline.content.model_copy(update={"seeds": ("99",)})
    assert against(two_seeds, NamedBaseline(their_baseline.path, apart), force=True).exit_code == 2


def test_a_baseline_that_no_run_belongs_to_is_an_error(
    two_seeds: Path, their_baseline: NamedBaseline
) -> None:
    """A file that is given and not used would be a silent pass."""
    other = NamedBaseline(Path("other.json"), their_baseline.content.model_copy(update={"scenario": "other"}))
    result = check_runs([two_seeds], CheckOptions(baselines=(their_baseline, other)))
    assert result.exit_code == 2
    assert "other.json: no run is of its scenario" in result.runs[0].wrong[0]


def test_a_run_fits_its_own_baseline(base: RunBase, baseline: NamedBaseline) -> None:
    """Writing and comparing agree on what a scenario, a clock and a set of seeds are."""
    assert list(mismatches(baseline.content, base.figures, base.measured.run.plan)) == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (None, "found no such file"),
        ("<<<<<<< ours", "found no JSON"),
        ("{}", "found no key 'baseline'"),
        ('{"baseline": 2}', "baseline: found 2, expected 1"),
        ('{"baseline": 1}', "schema_version: found"),
    ],
)
def test_a_file_that_is_no_baseline_is_told(tmp_path: Path, text: str | None, told: str) -> None:
    """The message has the file, the key, what was found and what was expected."""
    path = tmp_path / "baseline.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(BaselineError) as raised:
        read_baseline(path)
    assert str(path) in str(raised.value)
    assert told in str(raised.value)


def test_a_line_with_too_few_seeds_is_told(tmp_path: Path, baseline: NamedBaseline) -> None:
    """A file that was edited by hand is no reason for a traceback."""
    content = baseline.content.model_dump(mode="json")
    content["clients"]["mine"]["metrics"]["goodput"]["seeds"] = [0.5]
    path = tmp_path / "baseline.json"
    path.write_text(json.dumps(content))
    with pytest.raises(
        BaselineError, match=r"clients\.mine\.metrics\.goodput\.seeds: found 1 values, expected 12"
    ):
        read_baseline(path)
