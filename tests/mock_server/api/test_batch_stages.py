"""The life of a batch as a function of time, and what is wrong with input files, as tables."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from windtunnel.mock_server.api.batches.input import MOST_ERRORS, read_input_file
from windtunnel.mock_server.api.batches.stages import WINDOW_S, BatchTimeline

COURSE = BatchTimeline(created=1000.0, lines=4, valid=True, validating=2.0, line=5.0, finalizing=1.0)
FLOW = ["validating", "in_progress", "finalizing", "completed"]


@pytest.mark.parametrize(
    ("at", "status", "done"),
    [
        (0.0, "validating", 0),
        (1.9, "validating", 0),
        (2.0, "in_progress", 0),
        (6.9, "in_progress", 0),
        (7.0, "in_progress", 1),
        (21.9, "in_progress", 3),
        (22.0, "finalizing", 4),
        (23.0, "completed", 4),
        (1e9, "completed", 4),
    ],
)
def test_a_batch_goes_its_way(at: float, status: str, done: int) -> None:
    """Every stage begins when the one before is over, and lines are done one after another."""
    stage = COURSE.at(1000.0 + at)
    assert (stage.status, stage.done) == (status, done)


def test_times_are_there_once_they_have_come() -> None:
    """A completed batch says when it entered each stage."""
    assert COURSE.at(2000.0).times == {"in_progress_at": 1002, "finalizing_at": 1022, "completed_at": 1023}
    assert COURSE.at(1022.0).times == {"in_progress_at": 1002, "finalizing_at": 1022}
    assert COURSE.at(1001.0).times == {}


def test_a_wrong_file_fails_after_validation() -> None:
    """A batch whose input is wrong is validating first, and then failed for good."""
    timeline = replace(COURSE, valid=False)
    assert timeline.at(1001.9).status == "validating"
    assert timeline.at(1002.0).status == "failed"
    assert timeline.at(1e9).times == {"failed_at": 1002}


def test_what_takes_too_long_expires() -> None:
    """A batch with work left at the end of its window expires with the lines that are done by then."""
    timeline = replace(COURSE, lines=100, line=1000.0)
    assert timeline.at(1000.0 + WINDOW_S - 1).status == "in_progress"
    stage = timeline.at(1000.0 + WINDOW_S)
    assert (stage.status, stage.done, stage.times["expired_at"]) == ("expired", 86, 1000 + WINDOW_S)


@pytest.mark.parametrize(("at", "done"), [(1.0, 0), (8.0, 1), (22.5, 4)])
def test_cancelling_keeps_what_is_done(at: float, done: int) -> None:
    """A cancelled batch is cancelling for a while, then cancelled, with the lines done before."""
    timeline = replace(COURSE, cancelled=1000.0 + at)
    before, after = timeline.at(1000.9 + at), timeline.at(1001.0 + at)
    assert (before.status, after.status) == ("cancelling", "cancelled")
    assert before.done == after.done == done
    assert after.times["cancelled_at"] == int(1001.0 + at)


@given(
    lines=st.integers(0, 40),
    validating=st.floats(0, 10),
    line=st.floats(0, 3),
    finalizing=st.floats(0, 10),
    times=st.lists(st.floats(0, 200), min_size=2, max_size=12),
)
def test_batches_never_go_back(
    lines: int, validating: float, line: float, finalizing: float, times: list[float]
) -> None:
    """As time goes on, stages follow each other in order and the lines done never become fewer."""
    timeline = BatchTimeline(1_767_225_600.0, lines, True, validating, line, finalizing)
    stages = [timeline.at(timeline.created + at) for at in sorted(times)]
    places = [FLOW.index(stage.status) for stage in stages]
    assert places == sorted(places)
    done = [stage.done for stage in stages]
    assert done == sorted(done)
    assert all(0 <= count <= lines for count in done)


def line(**changes: Any) -> dict[str, Any]:
    """A valid line, changed (None takes a field away)."""
    usual = {
        "custom_id": "a",
        "method": "POST",
        "url": "/v1/chat/completions",
        "body": {"model": "gpt-4.1", "messages": []},
    }
    return {name: value for name, value in {**usual, **changes}.items() if value is not None}


def file(*lines: Any) -> bytes:
    """Lines of JSON; bytes are taken as they are."""
    return b"\n".join([each if isinstance(each, bytes) else orjson.dumps(each) for each in lines]) + b"\n"


CHAT: Any = {"model": "gpt-4.1", "messages": []}


@pytest.mark.parametrize(
    ("data", "code", "at", "param"),
    [
        (b"", "empty_file", None, None),
        (b"\n \n", "empty_file", None, None),
        (file(line(), b"{not json"), "invalid_json_line", 2, None),
        (file(b"[1]"), "invalid_json_line", 1, None),
        (file(b"\xff"), "invalid_json_line", 1, None),
        (file(line(), line()), "duplicate_custom_id", 2, "custom_id"),
        (file(line(url="/v1/embeddings")), "invalid_url", 1, "url"),
        (file(line(method="GET")), "invalid_method", 1, "method"),
        (file(line(custom_id=None)), "missing_required_parameter", 1, "custom_id"),
        (file(line(), line(custom_id="b", body=None)), "missing_required_parameter", 2, "body"),
        (file(line(custom_id=7)), "invalid_type", 1, "custom_id"),
        (file(line(body="x")), "invalid_type", 1, "body"),
        (file(line(body={**CHAT, "stream": True})), "streaming_unsupported", 1, "body.stream"),
        (file(line(body={"messages": []})), "invalid_request", 1, "body.model"),
        (file(line(body={"model": "gpt-4.1"})), "invalid_request", 1, "body.messages"),
        (file(line(body={**CHAT, "model": "gpt-9"})), "model_not_found", 1, "body.model"),
        (
            file(line(), line(custom_id="b", body={**CHAT, "model": "gpt-4o"})),
            "model_mismatch",
            2,
            "body.model",
        ),
    ],
)
def test_wrong_lines_are_told(data: bytes, code: str, at: int | None, param: str | None) -> None:
    """What is wrong with an input file has its code, its line and its param."""
    input_file = read_input_file(data, "/v1/chat/completions", ("gpt-4.1", "gpt-4o"))
    assert [(one.code, one.line, one.param) for one in input_file.problems] == [(code, at, param)]


def test_all_wrong_lines_are_told_up_to_a_cap() -> None:
    """Every wrong line is an error of its own, and a failed batch shows a hundred at most."""
    assert len(read_input_file(b"x\n" * 7, "/v1/embeddings", None).problems) == 7
    assert len(read_input_file(b"x\n" * 300, "/v1/embeddings", None).problems) == MOST_ERRORS


def test_too_many_lines_are_one_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """More requests than a batch may have are refused as a whole."""
    monkeypatch.setattr("windtunnel.mock_server.api.batches.input.MOST_LINES", 2)
    assert [one.code for one in read_input_file(b"x\ny\nz", "/v1/embeddings", None).problems] == [
        "too_many_tasks"
    ]


def test_blank_lines_do_not_count() -> None:
    """Blank lines are skipped, and the others keep their numbers."""
    data = b"\n" + file(line()) + b"\n\n" + file(line(custom_id="b"))
    input_file = read_input_file(data, "/v1/chat/completions", None)
    assert (len(input_file.lines), input_file.problems, input_file.model) == (2, (), "gpt-4.1")


def test_models_need_no_name_where_there_is_a_usual_one() -> None:
    """Lines for moderations may leave the model out."""
    data = file(line(url="/v1/moderations", body={"input": "x"}))
    assert read_input_file(data, "/v1/moderations", ("gpt-4.1",)).problems == ()
