"""The base of a plan's pydantic models: frozen, unknown keys refused with the nearest known one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias, get_args

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError
from pydantic_core.core_schema import ErrorType

from windtunnel.mock_server.errors import PlanError, nearest
from windtunnel.mock_server.plan.units import as_pydantic_error

Loc: TypeAlias = tuple[str | int, ...]
Problem: TypeAlias = tuple[Loc, PlanError]

_PYDANTIC_TYPES = frozenset(get_args(ErrorType))


MOST_UNKNOWN = 5
"""Unknown keys of one object that are reported, each with the nearest known one, which takes a while to find."""


class Strict(BaseModel):
    """A model whose unknown keys are errors, each with its own `loc` and the nearest known key."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, data: Any) -> Any:
        if isinstance(data, dict):
            aliases = [field.alias or name for name, field in cls.model_fields.items()]
            known = {*aliases, *cls.model_fields}
            unknown = [key for key in data if key not in known]
            raise_located(
                cls.__name__,
                [
                    (
                        (str(key),),
                        PlanError("", f"the unknown key {key!r}", nearest(str(key), aliases, what="key")),
                    )
                    for key in unknown[:MOST_UNKNOWN]
                ],
            )
        return data


def raise_located(title: str, problems: Sequence[Problem]) -> None:
    """Raise one pydantic ValidationError with each problem at its own `loc`; nothing if there is none.

    Inside a validator pydantic adds the loc of the model that is being validated in front.
    """
    if problems:
        raise ValidationError.from_exception_data(
            title,
            [
                InitErrorDetails(type=as_pydantic_error(error), loc=loc, input=error.found)
                for loc, error in problems
            ],
        )


def relocated(prefix: Loc, errors: Iterable[ErrorDetails]) -> list[InitErrorDetails]:
    """Return the errors of another validation, as errors below `prefix`."""
    return [
        InitErrorDetails(
            type=_same_type(error), loc=prefix + error["loc"], input=error["input"], ctx=error.get("ctx", {})
        )
        for error in errors
    ]


def _same_type(error: ErrorDetails) -> str | PydanticCustomError:
    """Return the type of an error for pydantic: its own types by name, any other with message and context."""
    if error["type"] in _PYDANTIC_TYPES:
        return error["type"]
    return PydanticCustomError("plan", "{message}", {"message": error["msg"], **error.get("ctx", {})})
