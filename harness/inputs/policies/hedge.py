"""The second request beside a slow one."""

from __future__ import annotations

from pydantic import Field

from windtunnel.harness.inputs.validation import InputPart


class Hedge(InputPart):
    """A second request beside the first, when that is slower than most. The first with content wins."""

    quantile: float = Field(
        default=0.95,
        gt=0,
        lt=1,
        description="It is sent when the first content takes longer than this share of the last 101 did.",
    )
    after: int = Field(
        default=20,
        ge=1,
        le=101,
        description="First contents that must have been measured before. At most 101: that many are remembered.",
    )
    extra_tokens: float = Field(
        default=0.1,
        gt=0,
        le=1,
        description="What hedges may add to the tokens of all calls so far: prompt (four characters a token) plus "
        "max_tokens. One that would add more is not sent.",
    )
    region: str | None = Field(
        default=None,
        min_length=1,
        description="Where it is sent: a region's name, or other (the first that the load does not call); null, or no "
        "such region: where the first one went.",
    )
