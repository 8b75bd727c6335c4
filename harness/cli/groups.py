"""Options that a command takes as one parameter: a dataclass, each field of which is an option.

Typer knows parameters alone. `grouped` gives it one for each field, in the place where the group stands in the command,
and hands the command the dataclass that they fill. So options that belong together are declared and read in one place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import MISSING, fields, is_dataclass
from functools import wraps
from inspect import Parameter, Signature, signature
from typing import Any, get_type_hints

Command = Callable[..., None]


def grouped(command: Command) -> Command:
    """Return `command` with the fields of each parameter that is a dataclass as parameters of their own.

    A field is declared as a parameter is: `Annotated[TYPE, typer.Option(…)] = DEFAULT`. All parameters are given by
    name, as typer does; two of one name are a mistake, and raise ValueError.
    """
    hints = get_type_hints(command, include_extras=True)
    groups: dict[str, Any] = {name: hint for name, hint in hints.items() if is_dataclass(hint)}
    parameters: list[Parameter] = []
    for parameter in signature(command).parameters.values():
        if parameter.name in groups:
            parameters += _parameters_of(groups[parameter.name])
        else:
            parameters.append(
                parameter.replace(kind=Parameter.KEYWORD_ONLY, annotation=hints[parameter.name])
            )

    @wraps(command)
    def with_groups(**given: Any) -> None:
        filled = {
            name: group(**{field.name: given.pop(field.name) for field in fields(group)})
            for name, group in groups.items()
        }
        command(**given, **filled)

    with_groups.__signature__ = Signature(parameters)  # type: ignore[attr-defined]  # what `inspect` goes by
    return with_groups


def _parameters_of(group: Any) -> Iterator[Parameter]:
    hints = get_type_hints(group, include_extras=True)
    for field in fields(group):
        default = Parameter.empty if field.default is MISSING else field.default
        yield Parameter(field.name, Parameter.KEYWORD_ONLY, default=default, annotation=hints[field.name])
