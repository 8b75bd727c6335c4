"""Which parameters of a command stood on its command line."""

from __future__ import annotations

from collections.abc import Iterator

import typer


def given(context: typer.Context) -> Iterator[str]:
    """The names of the parameters that were given, with or without another value than their default."""
    for name in context.params:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            yield name
