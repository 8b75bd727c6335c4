"""Traces: each format's own form is read, the rules of time hold, and what is wrong is refused with its line."""

from __future__ import annotations

import gzip
import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from windtunnel.harness.errors import InputError
from windtunnel.harness.inputs.traces import read
from windtunnel.harness.inputs.traces.read import read_trace
from windtunnel.harness.inputs.traces.scaling import at_factor, in_time
from windtunnel.harness.inputs.traces.settings import TracedCalls, TraceFacts, TrafficTrace

AZURE = """\
TIMESTAMP,ContextTokens,GeneratedTokens
2023-11-16 18:15:46.6805900,374,44
2023-11-16 18:15:50.9951690,396,109
2023-11-16 18:15:51.2225670,879,55
"""
BURST = """\
Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type
5,ChatGPT,472,18,490,Conversation log
45,ChatGPT,1087,0,1087,API log
45.5,GPT-4,417,276,693,API log
"""
BURST_2 = """\
Timestamp,Session ID,Elapsed time,Model,Request tokens,Response tokens,Total tokens,Log Type
5,1,2.5,GPT-4,10,20,30,Conversation log
"""
MOONCAKE = """\
{"timestamp": 0, "input_length": 6755, "output_length": 500, "hash_ids": [0, 1]}
{"timestamp": 3052, "input_length": 2287, "output_length": 316, "hash_ids": [0]}
"""
COMBINED = """\
10.0.0.1 - - [01/Mar/2026:09:00:00 +0100] "POST /v1/chat/completions HTTP/1.1" 200 512 "-" "app/1.0 (\\"x\\")"
10.0.0.2 - alice [01/Mar/2026:08:00:00 +0000] "POST /v1/chat/completions HTTP/1.1" 429 - "-" "app/1.0"
10.0.0.1 - - [01/Mar/2026:09:00:02 +0100] "GET / HTTP/1.1" 200 5
"""
NGINX = """\
{"time_iso8601": "2026-03-01T09:00:00+00:00", "status": 200, "request": "POST / HTTP/1.1", "usage": {"in": 7}}
{"time_iso8601": "2026-03-01T09:00:01.5+00:00", "status": 200, "request": "POST / HTTP/1.1", "usage": {"in": 9}}
"""


def span(seconds: float, operation: str | None = "chat", **usage: int) -> dict[str, Any]:
    """A span as OTLP's JSON has it."""
    told = {f"gen_ai.usage.{name}": {"intValue": str(count)} for name, count in usage.items()}
    said = {} if operation is None else {"gen_ai.operation.name": {"stringValue": operation}}
    values = {"gen_ai.request.model": {"stringValue": "m"}, **said, **told}
    return {
        "traceId": "0a",
        "name": "chat m",
        "startTimeUnixNano": str(1_767_225_600_000_000_000 + int(seconds * 1e9)),
        "attributes": [{"key": key, "value": value} for key, value in values.items()],
    }


def write(folder: Path, content: str, name: str = "trace.csv") -> Path:
    path = folder / name
    path.write_text(content, encoding="utf-8")
    return path


def found(path: Path, **said: Any) -> tuple[TracedCalls, TraceFacts]:
    return read_trace(TrafficTrace.model_validate({"file": path.name, **said}), path.parent)


def refused(path: Path, **said: Any) -> InputError:
    with pytest.raises(InputError) as caught:
        found(path, **said)
    return caught.value


@pytest.mark.parametrize(
    ("content", "format_", "times", "prompts", "answers"),
    [
        (AZURE, "azure", (0, 4.314579, 4.541977), (374, 396, 879), (44, 109, 55)),
        (BURST, "burstgpt", (0, 40, 40.5), (472, 1087, 417), (18, None, 276)),
        (BURST_2, "burstgpt", (0,), (10,), (20,)),
        (MOONCAKE, "mooncake", (0, 3.052), (6755, 2287), (500, 316)),
        (COMBINED, "access-log", (0, 0.5, 2), (), ()),
        (NGINX, "access-log", (0, 1.5), (), ()),
    ],
    ids=["azure", "burstgpt", "burstgpt 2", "mooncake", "combined log", "JSON log"],
)
def test_recognised(
    tmp_path: Path, content: str, format_: str, times: Any, prompts: Any, answers: Any
) -> None:
    """A known format is recognised by its first line alone; what is said explicitly leads to the same."""
    path = write(tmp_path, content)
    calls, facts = found(path)
    assert facts.format == format_
    assert calls == TracedCalls(tuple(map(float, times)), prompts, answers)
    assert found(path, format=format_)[0] == calls


def test_spans(tmp_path: Path) -> None:
    """Of OTLP exports every call is taken, from spans that end out of order; agents and tools around them are not."""
    spans = [
        span(3, input_tokens=5, output_tokens=6),
        span(1, prompt_tokens=3, completion_tokens=4),
        span(0, "invoke_agent", input_tokens=99),
        span(2, None),
    ]
    export = {"resourceSpans": [{"scopeSpans": [{"spans": spans[:2]}, {"spans": spans[2:]}]}]}
    calls, facts = found(write(tmp_path, json.dumps(export) + "\n"))
    assert calls == TracedCalls((0.0, 1.0, 2.0), (3, None, 5), (4, None, 6))
    assert (facts.format, facts.other, facts.out_of_order) == ("otel", 1, 1)
    one_each = "\n".join(map(json.dumps, spans))
    assert found(write(tmp_path, one_each))[0] == calls


def test_spans_of_the_python_sdk(tmp_path: Path) -> None:
    """The SDK's console exporter writes attributes as an object, and dates."""
    one = {
        "name": "chat",
        "context": {"trace_id": "0x1"},
        "start_time": "2026-01-01T00:00:00.250000Z",
        "attributes": {"gen_ai.operation.name": "chat", "gen_ai.usage.input_tokens": 8},
    }
    calls, facts = found(write(tmp_path, json.dumps(one)))
    assert (calls.prompts, calls.answers, facts.format) == ((8,), (), "otel")


def test_columns_named(tmp_path: Path) -> None:
    """Any table is read whose columns are named, whatever stands between them; of JSON, keys inside of keys too."""
    for sign in ",;\t":
        content = "when,in,out\n12,1,2\n13.5,,4\n".replace(",", sign)
        calls, _ = found(
            write(tmp_path, content),
            time_column="when",
            prompt_tokens_column="in",
            answer_tokens_column="out",
        )
        assert calls == TracedCalls((0.0, 1.5), (1, None), (2, 4))
    named = {"time_column": "t", "answer_tokens_column": "usage.out"}
    calls, facts = found(write(tmp_path, '{"t": 5, "usage": {"out": 3}}\n{"t": 6, "usage": null}\n'), **named)
    assert (calls.times_s, calls.answers, facts.format) == ((0.0, 1.0), (3, None), "jsonl")


@pytest.mark.parametrize(
    ("times", "said", "expected"),
    [
        ("1767225600 1767225602", {}, 2),
        ("1767225600000 1767225602000", {}, 2),
        ("0 2000", {"time_unit": "ms"}, 2),
        ("1767225600000000000 1767225602000000001", {}, 2),
        ("2026-01-01T00:00:00 2026-01-01T00:00:02", {}, 2),
        ("2026-01-01T00:00:00Z 2026-01-01T02:00:02+02:00", {}, 2),
        # A clock that was put forward between the two: the zone matters.
        ("2026-03-29T01:59:59 2026-03-29T03:00:01", {"time_zone": "Europe/Berlin"}, 2),
        ("2026-03-29T01:59:59 2026-03-29T03:00:01", {}, 3602),
    ],
)
def test_times(tmp_path: Path, times: str, said: dict[str, Any], expected: float) -> None:
    """A number's size tells its unit unless that is said; dates have zones; the first call is due at t0."""
    path = write(tmp_path, "t,x\n" + "".join(f"{time},1\n" for time in times.split()))
    assert found(path, time_column="t", **said)[0].times_s == (0.0, expected)


def test_the_zone_of_the_machine_does_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A date without a zone means the same everywhere."""
    path = write(tmp_path, AZURE.replace("2023-11-16 18:15:46", "2023-03-26 01:59:59"))
    there = found(path)[0]
    monkeypatch.setenv("TZ", "Europe/Berlin")
    assert found(path)[0] == there


def test_order_blanks_and_comments(tmp_path: Path) -> None:
    """Rows are sorted, rows of one time keep their order, blank lines are counted and are no calls."""
    path = write(tmp_path, "# ours\nt,n\n7,1\n\n5,2\n5,3\n,\n6,4\n")
    calls, facts = found(path, time_column="t", prompt_tokens_column="n")
    assert calls == TracedCalls((0.0, 0.0, 1.0, 2.0), (2, 3, 4, 1), ())
    assert (facts.rows, facts.out_of_order, facts.blank, facts.more) == (4, 1, 2, False)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("soon,1", "trace.csv:3: found 'soon' as the time, expected a time"),
        ("-1,1", "trace.csv:3: found '-1' as the time"),
        ("nan,1", "trace.csv:3: found 'nan' as the time"),
        (
            "2026-01-01,1",
            "trace.csv:3: found '2026-01-01' (a date) after seconds from t0, expected times of one kind",
        ),
        ("6,many", "trace.csv:3: found 'many' tokens, expected a whole number of tokens"),
        ("6,-4", "trace.csv:3: found '-4' tokens"),
        ("6,1.5", "trace.csv:3: found '1.5' tokens"),
        ("6,300000", "trace.csv:3: found '300000' tokens"),
        ("6", "trace.csv:3: found 1 column, expected 2, as in the header"),
        ('6,"1', "trace.csv:3: found a row that cannot be read"),
    ],
)
def test_bad_rows(tmp_path: Path, row: str, message: str) -> None:
    """A row that cannot be read is refused with file and line; skipped and counted if that is asked."""
    path = write(tmp_path, f"t,n\n5,1\n{row}\n")
    named = {"time_column": "t", "prompt_tokens_column": "n"}
    error = refused(path, **named)
    assert message in str(error)
    assert "--skip-bad-rows" in error.hint
    calls, facts = found(path, **named, skip_bad_rows=True)
    assert (calls.times_s, facts.bad) == ((0.0,), 1)


@pytest.mark.parametrize(
    ("content", "said", "parts"),
    [
        ("when,in\n1,2\n", {}, ("trace.csv:1", "the columns 'when' and 'in'", "--time-column")),
        ("when,in\n1,2\n", {"time_column": "wen"}, ("the columns 'when' and 'in'", "the column 'wen'")),
        ("when,in\n1,2\n", {"format": "csv"}, ("the format csv alone", "--time-column")),
        (
            "when,in\n1,2\n",
            {"format": "azure"},
            ("trace.csv:1", "'when' and 'in'", "'TIMESTAMP'", "--time-column"),
        ),
        (AZURE, {"answer_tokens_column": "out"}, ("'ContextTokens'", "'out'", "--answer-tokens-column")),
        ("12\n13\n", {}, ("found '12'", "replay", "--trace-format")),
        ('{"a": 1}\n', {}, ("the keys 'a'", "--time-column")),
        (
            '{"ts": 1, "time": 2, "status": 200}\n',
            {},
            ("more than one time: 'time' and 'ts'", "--time-column"),
        ),
        ("", {}, ("found nothing", "a trace")),
        ("t,n\n", {"time_column": "t"}, ("no calls",)),
        ("t,n\n0,1\n99999999,1\n", {"time_column": "t"}, ("calls over 1,157 days", "--time-unit")),
    ],
)
def test_refused(tmp_path: Path, content: str, said: dict[str, Any], parts: tuple[str, ...]) -> None:
    """What is not certain is refused: with what was found, and the option that helps."""
    text = str(refused(write(tmp_path, content), **said))
    assert all(part in text for part in parts), text


def test_files(tmp_path: Path) -> None:
    """A packed file is unpacked, a byte order mark is passed over; no file, and no text, are refused."""
    packed = tmp_path / "trace.csv.gz"
    packed.write_bytes(gzip.compress(("\ufeff" + AZURE).encode()))
    assert found(packed)[0] == found(write(tmp_path, AZURE))[0]
    packed.write_bytes(packed.read_bytes()[:-12])
    assert "an unreadable file" in refused(packed).found
    assert refused(tmp_path / "none.csv").found == "no such file"
    (tmp_path / "latin.csv").write_bytes(AZURE.encode() + b"caf\xe9,1,2\n")
    assert refused(tmp_path / "latin.csv").line == 5


def test_only_the_rows_that_are_wanted_are_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading stops with the last row that is wanted: of a file without end as well."""
    drawn = itertools.count()

    def endless(_: Path) -> Iterator[tuple[int, str]]:
        yield 1, "t,n"
        for number in drawn:
            yield number + 2, f"{number},1"

    monkeypatch.setattr(read, "read_lines", endless)
    calls, facts = found(tmp_path / "endless.csv", time_column="t", rows=50)
    assert (len(calls), facts.more, next(drawn)) == (50, True, 51)


def test_factor() -> None:
    """Fewer calls are some of those that there are, more are between them; each keeps its size, and always the same."""
    calls = TracedCalls(tuple(float(n) for n in range(4000)), tuple(range(1, 4001)), ())
    half = at_factor(calls, 0.5)
    assert abs(len(half) - 2000) < 150
    assert set(zip(half.times_s, half.prompts, strict=True)) <= set(
        zip(calls.times_s, calls.prompts, strict=True)
    )
    more = at_factor(calls, 2.5)
    assert abs(len(more) - 10_000) < 150
    assert list(more.times_s) == sorted(more.times_s)
    assert all(int(time) + 1 == size for time, size in zip(more.times_s, more.prompts, strict=True))
    assert at_factor(calls, 0.5) == half
    with pytest.raises(InputError, match="at most 1,000,000 calls"):
        at_factor(calls, 500)
    with pytest.raises(InputError, match="no call left of 1"):
        at_factor(TracedCalls((0.0,), (), ()), 0.001)


def test_in_time() -> None:
    """In a tenth of the time there are a tenth of the calls, so that rates stay as they are."""
    calls = TracedCalls(tuple(n / 10 for n in range(20_000)), (), tuple(range(1, 20_001)))
    played = in_time(calls, 0.1)
    assert abs(len(played) - 2000) < 150
    assert played.times_s[-1] <= 200
    for start in (0, 50, 150):
        assert abs(sum(start <= time < start + 50 for time in played.times_s) - 500) < 100
