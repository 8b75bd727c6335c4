"""The options of a trace, for every command that plays load: `--trace FILE`, and what its columns are called.

A command takes each as a parameter of the types below and gives them to `asked_trace`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from windtunnel.harness.errors import InputError

if TYPE_CHECKING:
    from windtunnel.harness.inputs.traces.settings import TrafficTrace

TraceFile: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--trace", metavar="FILE", help="Real traffic from a file, in place of the scenario's own load."
    ),
]
TraceFormatName: TypeAlias = Annotated[
    str | None,
    typer.Option(
        help="csv, jsonl, mooncake, azure, burstgpt, otel or access-log. Default: recognised, where that is certain."
    ),
]
TimeColumn: TypeAlias = Annotated[
    str | None, typer.Option(help="The trace's column (or JSON key, as a.b) with the time.")
]
PromptTokensColumn: TypeAlias = Annotated[
    str | None, typer.Option(help="The trace's column with the tokens of the prompt.")
]
AnswerTokensColumn: TypeAlias = Annotated[
    str | None, typer.Option(help="The trace's column with the tokens of the answer.")
]
TimeUnitName: TypeAlias = Annotated[
    str | None, typer.Option(help="Of times that are numbers: s, ms, us or ns. Default: their size tells.")
]
TimeZoneName: TypeAlias = Annotated[
    str | None, typer.Option(help="Of dates without one: UTC (the default), +02:00 or Europe/Berlin.")
]
TraceRows: TypeAlias = Annotated[
    int | None, typer.Option(help="The most rows of the trace that are read. Default: 100000.")
]
TraceFactor: TypeAlias = Annotated[
    float | None, typer.Option(help="So many calls for one of the trace, such as 0.1 or 3. Default: 1.")
]
SkipBadRows: TypeAlias = Annotated[
    bool, typer.Option("--skip-bad-rows", help="Leave out and count rows of the trace that cannot be read.")
]

_FLAGS = {
    "format": "--trace-format",
    "time_column": "--time-column",
    "prompt_tokens_column": "--prompt-tokens-column",
    "answer_tokens_column": "--answer-tokens-column",
    "time_unit": "--time-unit",
    "time_zone": "--time-zone",
    "rows": "--trace-rows",
    "factor": "--trace-factor",
    "skip_bad_rows": "--skip-bad-rows",
}


def asked_trace(command: str, file: Path | None, **options: Any) -> TrafficTrace | None:
    """What the options say of a trace, by the names that `load.trace` has for them; None without `--trace`.

    Raises InputError for an option that is wrong, or is there without a trace.
    """
    from pydantic import ValidationError

    from windtunnel.harness.inputs.traces.settings import TrafficTrace
    from windtunnel.harness.inputs.validation import show

    where = f"windtunnel {command}"
    said = {name: value for name, value in options.items() if value is not None and value is not False}
    if file is None:
        for name in said:
            raise InputError(
                where, path=_FLAGS[name], found="no --trace", expected="the trace that it is about"
            )
        return None
    try:
        return TrafficTrace.model_validate({"file": str(file), **said})
    except ValidationError as error:
        first = error.errors()[0]
        context = first.get("ctx", {})
        expected = str(context.get("expected", first["msg"].removeprefix("Input should be ")))
        flag = _FLAGS.get(str(first["loc"][0]), "--trace")
        raise InputError(where, path=flag, found=show(first["input"]), expected=expected) from None
