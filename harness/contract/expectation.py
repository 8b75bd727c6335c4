"""An expectation: `metric[@phase] <op> limit`, as text in a scenario and as data in a plan."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from windtunnel.harness.inputs.validation import complaint, show

OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
    "==": operator.eq,
    "!=": operator.ne,
}
_FORM = re.compile(r"\s*([A-Za-z_]\w*)\s*(?:@\s*(.+?))?\s*(<=|>=|==|!=|<|>|=)\s*(\S+)\s*")
_SHAPE = "`metric <op> limit` or `metric@phase <op> limit`, such as 'goodput@after >= 0.6'"


class Expectation(BaseModel):
    """What a metric must be, for all clients of the run or for those in `clients`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    expect: str = Field(description=f"What is expected: {_SHAPE}.")
    clients: tuple[str, ...] | None = Field(
        default=None, description="The clients it is about; all if it is left out."
    )
    metric: str = Field(default="", description="Taken from `expect`.")
    phase: str | None = Field(default=None, description="Taken from `expect`; null is the run as a whole.")
    op: Literal["<=", ">=", "<", ">", "==", "!="] = Field(default="<=", description="Taken from `expect`.")
    limit: float | bool = Field(default=0.0, description="Taken from `expect`.")

    @model_validator(mode="before")
    @classmethod
    def _parsed(cls, data: Any) -> Any:
        """Text is an expectation about every client; the parts are read out of the text."""
        if isinstance(data, str):
            data = {"expect": data}
        if not isinstance(data, dict):
            raise complaint("", show(data), _SHAPE)
        if not isinstance(data.get("expect"), str):
            return data
        return {**data, **_parts(data["expect"])}

    @property
    def condition(self) -> str:
        """The operator and the limit as they were written, such as `>= 0.950`."""
        match = _FORM.fullmatch(self.expect)
        assert match is not None  # validation has read the parts out of the same text
        return f"{match[3]} {match[4]}"

    def holds(self, value: float | bool | None) -> bool:
        """Whether a measured value is as expected; no value never is."""
        return value is not None and OPERATORS[self.op](value, self.limit)


def _parts(text: str) -> dict[str, Any]:
    match = _FORM.fullmatch(text)
    if match is None:
        raise complaint("", show(text), _SHAPE)
    metric, phase, op, limit = match.groups()
    if op == "=":
        raise complaint("", show(text), f"one of the operators {', '.join(OPERATORS)}")
    return {"metric": metric, "phase": phase, "op": op, "limit": _limit(text, limit)}


def _limit(text: str, limit: str) -> float | bool:
    if limit in ("true", "false"):
        return limit == "true"
    try:
        number = float(limit)
    except ValueError:
        number = float("nan")
    if number != number or number in (float("inf"), float("-inf")):
        raise complaint(
            "", show(text), "a bare number, true or false as the limit (the unit is in the metric's name)"
        )
    return number
