"""What a check concludes, and that nothing which says nothing passes."""

from __future__ import annotations

import json
import xml.etree.ElementTree as Xml
from pathlib import Path

import pytest

from tests.reports.page.queue_simulation import CLIENTS, Phase
from tests.reports.page.rundir import write_run
from windtunnel.reports.check.as_json import as_json
from windtunnel.reports.check.base import CheckOptions
from windtunnel.reports.check.expected import margin_of
from windtunnel.reports.check.github import command, error_lines
from windtunnel.reports.check.junit import junit
from windtunnel.reports.check.markdown import MOST_BYTES, markdown
from windtunnel.reports.check.model import (
    CheckedExpectation,
    CheckedRun,
    CheckResult,
    GoodputStrip,
    PhaseMark,
)
from windtunnel.reports.check.runs import check_runs, run_folders
from windtunnel.reports.check.strips import drawn, legend
from windtunnel.reports.check.terminal import lines
from windtunnel.reports.check.words import signed, span
from windtunnel.reports.gate.expectations import parse
from windtunnel.reports.metrics.figure import Figure


def check(
    *folders: Path, expect: tuple[str, ...] = (), clients: tuple[str, ...] | None = None
) -> CheckResult:
    return check_runs(folders, CheckOptions(expect=tuple(map(parse, expect)), clients=clients))


def test_every_expectation_of_every_client_is_judged(storm: Path) -> None:
    """Three expectations and two clients are six judgements, with value, margin and, where it failed, a call to see."""
    result = check(storm)
    assert len(result.checked) == 6
    assert result.exit_code == 1
    failed = next(
        one for one in result.checked if (one.client, one.name) == ("openai-4s-timeout", "goodput@after")
    )
    assert failed.result == "failed"
    assert failed.figure.value is not None
    assert failed.margin == pytest.approx(float(failed.figure.value) - 0.6)
    assert failed.look is not None
    assert "attempt" in failed.look.told
    table = "\n".join(lines(result))
    assert "at least 60 %" in table
    assert failed.look.command in table


def test_more_can_be_expected_than_the_scenario_does(calm: Path) -> None:
    """An --expect that fails makes a run fail whose own expectations hold."""
    assert check(calm).exit_code == 0
    result = check(calm, expect=("latency_p50_s <= 0.001",))
    assert (result.exit_code, len(result.checked)) == (1, 2)


def test_clients_are_narrowed(storm: Path) -> None:
    """With --clients, what another client does is not judged."""
    assert check(storm, clients=("openai-default",)).exit_code == 0
    unknown = check(storm, clients=("nobody",))
    assert unknown.exit_code == 2
    assert "expected one of openai-default, openai-4s-timeout" in unknown.runs[0].wrong[0]


def test_an_invalid_measurement_has_no_verdict(invalid: Path) -> None:
    """It is not conclusive even where an expectation would have failed: 3 wins over 1."""
    result = check(invalid)
    assert result.exit_code == 3
    assert {one.result for one in result.checked} == {"undecided"}
    assert "not valid" in result.runs[0].troubles[0]


def test_a_noisy_measurement_passes_and_says_so(tmp_path: Path) -> None:
    """Verdicts stand, with a note; with --strict it is not conclusive."""
    phases = (Phase("only", 0, 10),)
    folder = write_run(
        tmp_path / "run", clients=CLIENTS[:1], phases=phases, expect=("goodput >= 0.5",), lag_s=0.035
    )
    found = check(folder)
    assert (found.runs[0].state, found.exit_code) == ("noisy", 0)
    assert "noisy" in found.runs[0].notes[0]
    assert check_runs([folder], CheckOptions(strict=True)).exit_code == 3


def test_a_partial_run_never_passes(partial: Path) -> None:
    """Expectations hold on what there is, and the check is not conclusive all the same, and says why."""
    result = check(partial)
    assert result.exit_code == 3
    assert "interrupted by the user" in result.runs[0].troubles[0]


@pytest.mark.parametrize(
    ("expect", "code"),
    [
        ("retry_yield >= 0.1", 3),  # without a retry it has no value
        ("recovered == true", 2),  # has no place in a run without a fault
        ("goodput@nowhere >= 0.5", 2),
    ],
)
def test_what_has_no_value_or_no_place_never_passes(calm: Path, expect: str, code: int) -> None:
    """A metric without a value is undecided with a reason, one without a place is a mistake."""
    result = check(calm, expect=(expect,))
    assert result.exit_code == code
    if code == 3:
        assert [one.reason for one in result.checked if one.result == "undecided"] != [""]


def test_what_is_undecided_wins_over_what_failed(calm: Path) -> None:
    """3 wins over 1 among expectations, too: the whole is not conclusive as long as one of them is."""
    failing, open_one = "latency_p50_s <= 0.001", "retry_yield >= 0.1"
    assert check(calm, expect=(failing,)).exit_code == 1
    result = check(calm, expect=(failing, open_one))
    assert result.exit_code == 3
    assert {"failed", "undecided"} <= {one.result for one in result.checked}


def test_a_run_of_which_nothing_is_expected_does_not_pass(tmp_path: Path, calm: Path) -> None:
    """To check nothing is a mistake, not a success."""
    plan = json.loads((calm / "plan.json").read_text())
    plan["scenario"]["expect"] = []
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "plan.json").write_text(json.dumps(plan))
    (folder / "cells").symlink_to(calm / "cells")
    result = check(folder)
    assert result.exit_code == 2
    assert "--expect" in result.runs[0].wrong[0]


def test_several_runs_make_one_table(storm: Path, calm: Path, tmp_path: Path) -> None:
    """An expectation that has no place in one of them is a note there; one that has none anywhere is a mistake."""
    result = check(storm, calm, expect=("goodput@after <= 1",))
    assert len(result.checked) == 9
    assert result.exit_code == 1
    assert "'after'" in result.runs[1].notes[0]
    assert check(calm, tmp_path / "nothing").exit_code == 2
    assert check(storm, calm, expect=("goodput@never <= 1",)).exit_code == 2


def test_a_folder_of_runs_stands_for_each_of_them(storm: Path, calm: Path, tmp_path: Path) -> None:
    """What `run` left of several scenarios is checked by naming the folder."""
    for run in (storm, calm):
        (tmp_path / run.name).symlink_to(run)
    assert [folder.name for folder in run_folders([tmp_path])] == ["calm", "storm"]
    assert run_folders([tmp_path / "nothing"]) == [tmp_path / "nothing"]


@pytest.mark.parametrize(
    ("expectation", "value", "margin"),
    [
        ("goodput >= 0.6", 0.75, 0.15),
        ("amplification <= 1.5", 2.0, -0.5),
        ("amplification == 1", 1.0, None),
        ("recovered == true", True, None),
        ("goodput >= 0.6", None, None),
    ],
)
def test_a_margin_is_positive_on_the_right_side(
    expectation: str, value: float | None, margin: float | None
) -> None:
    """The margin is the room that is left; where there is no distance there is none."""
    found = margin_of(parse(expectation), Figure(value))
    assert found == (None if margin is None else pytest.approx(margin))


def test_an_interval_writes_its_unit_once() -> None:
    """Where both ends have it; else each end has its own."""
    assert span("92.6 %", "94.5 %") == "92.6 to 94.5 %"
    assert span("−38.0 points", "+3.0 points") == "−38.0 to +3.0 points"
    assert span("980 ms", "1.20 s") == "980 ms to 1.20 s"


def test_a_small_margin_does_not_look_like_none() -> None:
    """A value just beyond its limit shows a margin that is not zero."""
    assert signed(-0.0004, "ratio") == "−0.0004×"
    assert signed(0.00021, "share") == "+0.02 points"
    assert signed(0.0, "ratio") == "+0.00×"


def test_junit_has_a_case_per_expectation_and_client(storm: Path, invalid: Path) -> None:
    """Failures hold value, limit and where to look; an invalid measurement is an error, so no reader sees green."""
    root = Xml.fromstring(junit(check(storm, invalid)))
    suites = root.findall("testsuite")
    assert [suite.get("name") for suite in suites] == ["windtunnel.retry_storm", "windtunnel.late"]
    assert [suite.get("tests") for suite in suites] == ["6", "3"]
    assert int(suites[0].get("failures", "0")) == len(suites[0].findall("testcase/failure")) > 0
    text = suites[0].findall("testcase/failure")[0].text or ""
    assert all(part in text for part in ("value:", "expected:", "look:", "report:"))
    assert len(suites[1].findall("testcase/error")) == 3
    assert root.get("tests") == "9"


def test_what_is_odd_in_names_stays_text(odd: Path) -> None:
    """Neither XML nor Markdown nor a log of GitHub takes a name for anything else."""
    result = check(odd)
    assert Xml.fromstring(junit(result)).findall("testsuite/testcase/failure")
    content = markdown(result)
    assert "<b>" not in content.replace("`silent_corruption@broken <b>,'x'`", "").replace(
        "│!broken <b>,'x'", ""
    )
    assert all("\n" not in line for line in lines(result))
    assert all(line.startswith("::error title=windtunnel%3A odd%3A%3A") for line in error_lines(result))
    assert not any(line.startswith("::") for line in lines(result))
    assert [one.seeds for one in result.checked] == [None, None]
    assert all(one.figure.low is not None for one in result.checked)


def test_a_workflow_command_is_escaped_as_github_requires() -> None:
    """Per cent, new lines, and in properties colons and commas."""
    assert command("error", "a:b,c%", "50 %\nx, y: z") == "::error title=a%3Ab%2Cc%25::50 %25%0Ax, y: z"


def test_at_most_ten_annotations(storm: Path) -> None:
    """GitHub shows ten: the last one says how many more there are."""
    one = next(one for one in check(storm).checked if one.result == "failed")
    run = CheckedRun(path=storm, scenario="s", checked=(one,) * 25)
    found = list(error_lines(CheckResult((run,))))
    assert len(found) == 10
    assert "16 more" in found[-1]


def many(count: int) -> CheckResult:
    """A result with far more rows than a comment has room for."""
    rows = tuple(
        CheckedExpectation(
            client=f"client-{n}", name="goodput@after", limit=">= 0.6", kind="share", figure=Figure(0.5),
            result="failed" if n % 2 else "passed", margin=-0.1,
        )
        for n in range(count)
    )  # fmt: skip
    strips = {f"client-{n}": GoodputStrip((0.5,) * 60) for n in range(5)}
    run = CheckedRun(path=Path("run"), scenario="s", checked=rows, strips=strips)
    return CheckResult((run,) * 5)


@pytest.mark.parametrize("count", [1, 40, 400, 4000])
def test_a_comment_always_has_room(count: int) -> None:
    """However much there is to tell, the Markdown is below 60,000 characters and says what it leaves out."""
    content = markdown(many(count))
    assert len(content.encode()) <= MOST_BYTES < 60_000
    assert content.startswith("## windtunnel: ")
    if count >= 400:
        assert "JUnit and JSON have all" in content


def test_the_comment_tells_what_failed_first(storm: Path, calm: Path) -> None:
    """Runs with failures come first, passed rows are folded, and goodput over time is drawn."""
    content = markdown(check(calm, storm))
    assert content.index("retry\\_storm") < content.index("### calm")
    assert "<details><summary>1 passed</summary>" in content
    assert "│healthy" in content
    assert "█" in content


def test_json_holds_everything(storm: Path) -> None:
    """Programs get conclusion, exit code, and of each judgement value, interval, limit and margin."""
    content = json.loads(json.dumps(as_json(check(storm)), allow_nan=False))
    assert (content["conclusion"], content["exit_code"]) == ("failed", 1)
    rows = content["runs"][0]["expectations"]
    assert {"client", "metric", "phase", "value", "low", "high", "limit", "margin", "result"} <= set(rows[0])
    assert {row["result"] for row in rows} == {"passed", "failed"}


def test_a_strip_never_shows_all_or_none_that_is_not() -> None:
    """Only all good calls fill a block, and a moment without a call is a dot."""
    assert drawn(GoodputStrip((1.0, 0.99, 0.5, 0.01, 0.0, None))) == "█▇▄▁▁·"


def test_phases_are_named_below_a_strip() -> None:
    """Each name begins at its phase's first column; one that is too long is cut."""
    marks = (PhaseMark(0, "healthy", False), PhaseMark(8, "brownout", True), PhaseMark(13, "after", False))
    assert legend(marks, 30) == "│healthy│!br…│after"
