"""The options of a trace, for every command that plays load: `--trace FILE`, and what its columns are called."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from windtunnel.harness.errors import InputError

if TYPE_CHECKING:
    from windtunnel.harness.inputs.traces.settings import TrafficTrace

SkipBadRows: TypeAlias = Annotated[
    bool, typer.Option("--skip-bad-rows", help="Leave out and count rows of the trace that cannot be read.")
]

_KEYS = {"trace": "file", "trace_format": "format", "trace_rows": "rows", "trace_factor": "factor"}
"""What `load.trace` calls the options that have another name there."""


@dataclass(frozen=True, slots=True)
class _ReadTrace:
    """A trace, and how it is read."""

    trace: Annotated[
        Path | None,
        typer.Option(
            "--trace", metavar="FILE", help="Real traffic from a file, in place of the scenario's own load."
        ),
    ] = None
    trace_format: Annotated[
        str | None,
        typer.Option(
            help="csv, jsonl, mooncake, azure, burstgpt, otel or access-log. "
            "Default: recognised, where that is certain."
        ),
    ] = None
    time_column: Annotated[
        str | None, typer.Option(help="The trace's column (or JSON key, as a.b) with the time.")
    ] = None
    prompt_tokens_column: Annotated[
        str | None, typer.Option(help="The trace's column with the tokens of the prompt.")
    ] = None
    answer_tokens_column: Annotated[
        str | None, typer.Option(help="The trace's column with the tokens of the answer.")
    ] = None
    time_unit: Annotated[
        str | None,
        typer.Option(help="Of times that are numbers: s, ms, us or ns. Default: their size tells."),
    ] = None
    time_zone: Annotated[
        str | None, typer.Option(help="Of dates without one: UTC (the default), +02:00 or Europe/Berlin.")
    ] = None
    trace_rows: Annotated[
        int | None, typer.Option(help="The most rows of the trace that are read. Default: 100000.")
    ] = None

    def asked(self, command: str) -> TrafficTrace | None:
        """What the options say of a trace; None without `--trace`.

        Raises InputError for an option that is wrong, or is there without a trace.
        """
        from pydantic import ValidationError

        from windtunnel.harness.inputs.traces.settings import TrafficTrace
        from windtunnel.harness.inputs.validation import show

        where = f"windtunnel {command}"
        said = {
            name: value for name, value in asdict(self).items() if value is not None and value is not False
        }
        if self.trace is None:
            for name in said:
                raise InputError(
                    where, path=_flag(name), found="no --trace", expected="the trace that it is about"
                )
            return None
        said["trace"] = str(self.trace)
        try:
            return TrafficTrace.model_validate({_KEYS.get(name, name): value for name, value in said.items()})
        except ValidationError as error:
            first = error.errors()[0]
            context = first.get("ctx", {})
            expected = str(context.get("expected", first["msg"].removeprefix("Input should be ")))
            wrong = [name for name in said if _KEYS.get(name, name) == first["loc"][0]]
            raise InputError(
                where, path=_flag(*wrong or ["trace"]), found=show(first["input"]), expected=expected
            ) from None


@dataclass(frozen=True, slots=True)
class TraceOptions(_ReadTrace):
    """A trace that is played at a rate which the command chooses."""

    skip_bad_rows: SkipBadRows = False


@dataclass(frozen=True, slots=True)
class ScaledTraceOptions(_ReadTrace):
    """A trace that is played as it is, or with more or fewer calls."""

    trace_factor: Annotated[
        float | None, typer.Option(help="So many calls for one of the trace, such as 0.1 or 3. Default: 1.")
    ] = None
    skip_bad_rows: SkipBadRows = False


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"
