"""A check as JUnit XML: a suite a run, a case per expectation and client; what does not count is an error."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree as Xml

from windtunnel.harness.contract.text import printable
from windtunnel.reports.check.model import CheckedExpectation, CheckedRun, CheckResult, ComparedMetric
from windtunnel.reports.check.words import (
    compared_cells,
    compared_summary,
    interval_text,
    limit_text,
    margin_text,
    result_text,
    run_text,
    value_text,
)


def junit(result: CheckResult) -> str:
    """The whole file."""
    root = Xml.Element("testsuites", name="windtunnel check")
    names = [run.name for run in result.runs]
    for run in result.runs:
        _suite(root, run, run.name if names.count(run.name) == 1 else f"{run.name} {run.path}")
    for name in ("tests", "failures", "errors", "skipped"):
        root.set(name, str(sum(int(suite.get(name, "0")) for suite in root)))
    root.set("time", "0")
    Xml.indent(root)
    return Xml.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _suite(root: Xml.Element, run: CheckedRun, name: str) -> None:
    suite = Xml.SubElement(root, "testsuite", name=f"windtunnel.{plain(name)}")
    properties = Xml.SubElement(suite, "properties")
    told = {"run": str(run.path), "what": run_text(run), "validity": run.state, "digest": run.digest or ""}
    for key, value in {**told, **{f"version.{name}": one for name, one in run.versions.items()}}.items():
        Xml.SubElement(properties, "property", name=plain(key), value=plain(value))
    for one in run.checked:
        case = _case(suite, name, one.client, one.text)
        if one.result != "passed":
            kind = "failure" if one.result == "failed" else "error"
            _bad(case, kind, one.result, summary(one), failure_text(one, run))
    _compared(suite, name, run)
    _complaints(suite, name, "the measurement counts", "not conclusive", run.troubles)
    _complaints(suite, name, "the input is right", "wrong input", run.wrong)
    suite.set("tests", str(len(suite.findall("testcase"))))
    for count, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(count, str(len(suite.findall(f"testcase/{tag}"))))
    suite.set("time", "0")


def _case(suite: Xml.Element, run: str, client: str, name: str) -> Xml.Element:
    where = ".".join(filter(None, ("windtunnel", run, client)))
    return Xml.SubElement(suite, "testcase", classname=plain(where), name=plain(name), time="0")


def _complaints(suite: Xml.Element, run: str, name: str, kind: str, sentences: Sequence[str]) -> None:
    if sentences:
        _bad(_case(suite, run, "", name), "error", kind, sentences[0], "\n".join(sentences))


def _bad(case: Xml.Element, tag: str, kind: str, message: str, content: str) -> None:
    found = Xml.SubElement(case, tag, type=kind, message=plain(message))
    found.text = plain(content)


def _compared(suite: Xml.Element, name: str, run: CheckedRun) -> None:
    """A case for each metric that became worse or is open, and one a client for all others."""
    for one in run.compared:
        if one.result != "passed":
            case = _case(suite, name, one.client, f"{one.name} against {run.baseline}")
            kind = "failure" if one.result == "failed" else "error"
            _bad(case, kind, one.comparison.state, compared_line(one), compared_detail(one, run))
    for line in compared_summary(run):
        client, _, told = line.partition(": ")
        case = _case(suite, name, client, f"all metrics against {run.baseline}")
        Xml.SubElement(case, "system-out").text = plain(told)


def compared_line(one: ComparedMetric) -> str:
    """One line that says what became of a metric."""
    client, name, then, now, difference, interval, floor, verdict = compared_cells(one)
    return f"{client}: {name} was {then}, is {now}: {difference} ({interval}, floor {floor}): {verdict}"


def compared_detail(one: ComparedMetric, run: CheckedRun) -> str:
    """Both values, the difference, and where to look."""
    _, _, then, now, difference, interval, floor, verdict = compared_cells(one)
    lines = [
        f"verdict:    {verdict}",
        f"baseline:   {then}  ({run.baseline})",
        f"now:        {now}  ({run_text(run)}, {run.path})",
        f"difference: {difference}  (95 %: {interval}; what is at most {floor} does not count)",
        f"pairs:      {one.comparison.pairs}",
        *([f"look:       {one.look}"] if one.look else []),
        f"report:     {run.page}",
    ]
    return "\n".join(lines)


def summary(one: CheckedExpectation) -> str:
    """One line that says what is the matter."""
    margin = f", margin {margin_text(one)}" if one.margin is not None else ""
    return f"{one.client}: {one.name} is {value_text(one)}, expected {limit_text(one)}{margin} ({result_text(one)})"


def failure_text(one: CheckedExpectation, run: CheckedRun) -> str:
    """Value, limit, and where to look."""
    lines = [
        f"expected: {one.text} ({limit_text(one)})",
        f"value:    {value_text(one)}",
        f"interval: {interval_text(one)}",
        f"margin:   {margin_text(one)}",
        f"result:   {result_text(one)}",
        f"run:      {run_text(run)}, {run.path}",
        *([f"look:     {one.look}"] if one.look else []),
        f"report:   {run.page}",
    ]
    return "\n".join(lines)


def plain(raw: str) -> str:
    """`raw` with only what XML 1.0 can carry."""
    return "".join(sign for sign in printable(raw) if sign not in "\ufffe\uffff")
