"""`--clients all`: every client of the gallery that can be played here, and why the others cannot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from windtunnel.harness.errors import InputError
from windtunnel.harness.inputs.gallery import client_names, load_profile
from windtunnel.harness.inputs.installed import check_installed
from windtunnel.harness.run.run import RunOptions, plan_for

ALL = "all"


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A client that `--clients all` does not play, and what it would need. `scenario` is empty if it is all of them."""

    client: str
    scenario: str
    reason: str

    def __str__(self) -> str:
        where = f" in {self.scenario}" if self.scenario else ""
        return f"left out: {self.client}{where}: {self.reason}"


def expand(names: Sequence[str] | None) -> tuple[Sequence[str] | None, list[LeftOut]]:
    """Put the clients of the gallery in the place of the word `all`, but for those that cannot be played here."""
    if not names or ALL not in names:
        return names, []
    able, left_out = [], []
    for name in client_names():
        try:
            check_installed([load_profile(name)])
        except InputError as error:
            left_out.append(LeftOut(name, "", str(error)))
        else:
            able.append(name)
    found = [one for name in names for one in (able if name == ALL else [name])]
    return list(dict.fromkeys(found)), left_out


def those_that_go(options: RunOptions, asked: Sequence[str] | None) -> tuple[RunOptions, list[LeftOut]]:
    """`options` without the clients that do not go together with its scenario, where `all` was `asked` for.

    Raises `InputError` if no client is left, or one that was named does not go.
    """
    if not asked or ALL not in asked:
        return options, []
    try:
        plan_for(options)
    except InputError as error:
        whole = error
    else:
        return options, []
    able, left_out = [], []
    for name in options.clients or ():
        try:
            plan_for(replace(options, clients=[name]))
        except InputError as error:
            if name in asked:
                raise
            left_out.append(LeftOut(name, options.scenario, str(error)))
        else:
            able.append(name)
    if not able:
        raise whole
    return replace(options, clients=able), left_out
