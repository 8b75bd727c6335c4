"""What a scenario, or the command line, says of a trace: which file, in which format, what its columns are called."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final, Literal, TypeAlias, get_args

from pydantic import Field, field_validator

from windtunnel.harness.inputs.traces.moments import TimeUnit, zone_of
from windtunnel.harness.inputs.validation import InputPart, complaint

TraceFormat: TypeAlias = Literal["csv", "jsonl", "mooncake", "azure", "burstgpt", "otel", "access-log"]
FORMATS: Final[tuple[TraceFormat, ...]] = get_args(TraceFormat)
MOST_ROWS: Final = 1_000_000
"""Calls that a schedule holds in memory, each about 200 bytes in every process of a run."""
ROWS: Final = 100_000

Tokens: TypeAlias = Annotated[int, Field(ge=1, le=200_000)]


@dataclass(frozen=True, slots=True)
class TraceFacts:
    """What reading a trace found: the format, and how many lines were what.

    `rows` are calls; `blank` lines have nothing, or a comment; `other` ones are fine and no call, such as other spans;
    `bad` ones were skipped as was asked. `out_of_order` rows have a time before that of the row above. `span_s` is from
    the first call to the last one, as they are in the file, and `more` says that the file goes on.
    """

    format: TraceFormat
    rows: int
    blank: int
    other: int
    bad: int
    out_of_order: int
    span_s: float
    more: bool


class TrafficTrace(InputPart):
    """Real traffic: when calls were made, and how long prompts and answers were, from a file."""

    file: str = Field(
        min_length=1, description="The file, beside the scenario; one that ends in .gz is unpacked."
    )
    format: TraceFormat | None = Field(
        default=None,
        description="csv, jsonl, mooncake, azure, burstgpt, otel or access-log; null: recognised, where it is certain.",
    )
    time_column: str | None = Field(
        default=None, description="The column (of JSON: the key, with dots for keys inside) with the time."
    )
    prompt_tokens_column: str | None = Field(
        default=None, description="The column with the tokens of the prompt; without, `prompt_tokens` holds."
    )
    answer_tokens_column: str | None = Field(
        default=None,
        description="The column with the tokens of the answer; without, the provider's answers hold.",
    )
    time_unit: TimeUnit | None = Field(
        default=None, description="s, ms, us or ns: of times that are numbers; null: their size tells."
    )
    time_zone: str = Field(
        default="UTC", description="Of dates without one: UTC, an offset (+02:00) or a name (Europe/Berlin)."
    )
    rows: int = Field(
        default=ROWS,
        ge=1,
        le=MOST_ROWS,
        description="The most rows that are read, from the file's beginning."
        " At most 1,000,000: each is held in memory.",
    )
    factor: float = Field(
        default=1.0,
        gt=0,
        le=1_000,
        description="So many calls for one of the trace: 0.5 leaves half of them out, 3 makes three of each."
        " At most 1,000: of the shape of the traffic nothing is left then.",
    )
    skip_bad_rows: bool = Field(
        default=False, description="Whether rows that cannot be read are counted and skipped, not refused."
    )
    found: TraceFacts | None = Field(default=None, description="What reading found; filled in.")
    prompts: tuple[Tokens | None, ...] = Field(
        default=(), description="The prompts' tokens, one an arrival, or empty; filled in."
    )
    answers: tuple[Tokens | None, ...] = Field(
        default=(), description="The answers' tokens, one an arrival, or empty; filled in."
    )

    @field_validator("time_zone")
    @classmethod
    def _there(cls, name: str) -> str:
        try:
            zone_of(name)
        except ValueError:
            raise complaint(
                "",
                f"the unknown time zone '{name}'",
                "UTC, an offset such as +02:00, or a name such as Europe/Berlin",
            ) from None
        return name


@dataclass(frozen=True, slots=True)
class TracedCalls:
    """The calls of a trace in order of time: seconds from the first one, and their sizes.

    A size is None where it is not told; there are none at all where no row tells one."""

    times_s: tuple[float, ...]
    prompts: tuple[int | None, ...]
    answers: tuple[int | None, ...]

    def __len__(self) -> int:
        return len(self.times_s)
