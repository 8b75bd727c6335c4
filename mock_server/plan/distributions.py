"""Random quantities of a plan: lognormal, given by two figures; drawn by giving them a number in [0, 1)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Self

from pydantic import ConfigDict, Field, PrivateAttr, model_validator

from windtunnel.mock_server.chance import MAX_P99_OVER_MEAN, lognormal, median_from_mean
from windtunnel.mock_server.errors import PlanError
from windtunnel.mock_server.plan.model import Strict
from windtunnel.mock_server.plan.units import DURATION_SCHEMA, Seconds, as_pydantic_error

MOST_TOKENS = 200_000
"""Tokens of an answer: more than any model writes; each takes memory before the first one is sent."""

Count = Annotated[float, Field(ge=1, le=MOST_TOKENS)]


class Lognormal(Strict):
    """A lognormal distribution by its median *or* its mean, and its p99 (left out: a constant)."""

    _median: float = PrivateAttr(default=0.0)
    _p99: float = PrivateAttr(default=0.0)

    def quantile(self, u: float) -> float:
        """The value below which a share `u` (0 ≤ u < 1) of all draws lies."""
        return lognormal(u, median=self._median, p99=self._p99)

    @property
    def constant(self) -> bool:
        """Whether every draw gives the same value."""
        return self._p99 <= self._median

    def _settle(self, median: float | None, mean: float | None, p99: float | None) -> None:
        centre, name = (median, "median") if median is not None else (mean, "mean")
        if centre is None or (median is not None and mean is not None):
            found = "neither" if centre is None else "both"
            raise as_pydantic_error(
                PlanError("", f"{found} of median and mean", "exactly one of median and mean")
            )
        high = centre if p99 is None else p99
        if high < centre:
            raise as_pydantic_error(PlanError("", f"a p99 below the {name}", f"a p99 of at least the {name}"))
        if centre == 0 and high > 0:
            raise as_pydantic_error(
                PlanError("", f"a {name} of zero with a p99 above it", "zero for both, or neither")
            )
        if mean is not None and mean > 0 and high / mean > MAX_P99_OVER_MEAN:
            most = f"at most {MAX_P99_OVER_MEAN:.4g} (no lognormal goes further)"
            raise as_pydantic_error(PlanError("", f"a p99 of {high / mean:.4g} times the mean", most))
        self._median = centre if median is not None else median_from_mean(centre, high)
        self._p99 = high if high > centre else self._median


def _or(constant: dict[str, Any]) -> Callable[[dict[str, Any]], None]:
    """In the exported schema, the constant may stand in the distribution's place."""

    def offer(schema: dict[str, Any]) -> None:
        mapping = dict(schema)
        schema.clear()
        schema["anyOf"] = [constant, mapping]

    return offer


class Duration(Lognormal):
    """A random duration. A bare duration such as `300ms` is a constant."""

    model_config = ConfigDict(json_schema_extra=_or(DURATION_SCHEMA))

    median: Seconds | None = Field(default=None, description="Half of all draws lie below this duration.")
    mean: Seconds | None = Field(default=None, description="The arithmetic mean, instead of the median.")
    p99: Seconds | None = Field(
        default=None, description="99 of 100 draws lie below this duration; left out: constant."
    )

    @model_validator(mode="before")
    @classmethod
    def _constant(cls, data: Any) -> Any:
        return data if isinstance(data, dict | Duration) else {"median": data}

    @model_validator(mode="after")
    def _check(self) -> Self:
        self._settle(self.median, self.mean, self.p99)
        return self

    def draw(self, u: float) -> float:
        """Seconds for `u` in [0, 1), in whole microseconds: libm's last digits differ between machines."""
        return round(self.quantile(u), 6)


class Size(Lognormal):
    """A random count of one or more. A bare number is a constant."""

    model_config = ConfigDict(json_schema_extra=_or({"type": "number", "minimum": 1, "maximum": MOST_TOKENS}))

    median: Count | None = Field(
        default=None,
        description="Half of all draws lie below this count. At most 200,000: no model writes more.",
    )
    mean: Count | None = Field(
        default=None, description="The arithmetic mean, instead of the median. At most 200,000."
    )
    p99: Count | None = Field(
        default=None, description="99 of 100 draws lie below this count; left out: constant. At most 200,000."
    )

    @model_validator(mode="before")
    @classmethod
    def _constant(cls, data: Any) -> Any:
        return data if isinstance(data, dict | Size) else {"median": data}

    @model_validator(mode="after")
    def _check(self) -> Self:
        self._settle(self.median, self.mean, self.p99)
        return self

    def draw(self, u: float) -> int:
        """A count of at least 1, at most `MOST_TOKENS`, for `u` in [0, 1)."""
        return max(1, min(MOST_TOKENS, round(self.quantile(u))))
