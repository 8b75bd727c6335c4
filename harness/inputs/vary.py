"""`vary:` of a scenario: settings with several values each, of which every combination is played as a cell of its own.

    vary: {region: [us-east, eu-central], pool: [5, 10]}  ──►  4 points  ──►  CLIENT~region=us-east,pool=5, …

A setting is one of a client's profile (`pool`, `http`, `timeouts.read`) or of the provider and the load (`region`,
`provider.capacity.slots`). A point is laid over profile and scenario, and both are validated again: what a file could
not say, a point cannot say either.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeAlias, TypeVar

from pydantic import BaseModel, BeforeValidator, Field, ValidationError

from windtunnel.harness.contract.cells import cell_name
from windtunnel.harness.errors import InputError, listing, nearest
from windtunnel.harness.inputs.profile import Profile
from windtunnel.harness.inputs.validation import InputPart, complaint, location, show
from windtunnel.mock_server.plan.units import PositiveSeconds

if TYPE_CHECKING:
    from windtunnel.harness.inputs.scenario import Scenario

M = TypeVar("M", bound=BaseModel)

MOST_CELLS: Final = 500
"""A heatmap of more nobody reads, and their report would hold more records than a small machine has memory for."""
OF_A_CLIENT: Final = (
    "timeouts", "pool", "sdk", "retries", "budget", "breaker", "limiter", "hedge", "fallback",
)  # fmt: skip
"""Parts of a profile whose keys may be varied, as `timeouts.read`."""
OF_THE_SCENARIO: Final = ("load", "provider")
"""Parts of a scenario whose keys may be varied, as `provider.capacity.slots`."""
SHORT: Final[Mapping[str, tuple[str, ...]]] = {
    "region": ("load.region",),
    "pool": ("pool.connections", "pool.keepalive"),
    "http": ("http",),
}
"""Settings with a name of their own. A pool of n holds n connections and keeps all of them: with fewer kept, what is
measured is how often a connection is opened anew."""

Setting: TypeAlias = bool | int | float | str | None
"""A value of a setting, as YAML has it; null takes a limit away."""


def _settings(value: Any) -> Any:
    """Every key a setting that may be varied, every list without a value twice, and no more points than MOST_CELLS."""
    if not isinstance(value, Mapping):
        raise complaint("", show(value), "a mapping of settings to lists, such as {pool: [5, 10]}")
    for key, values in value.items():
        _check_key(str(key))
        if not isinstance(values, list | tuple) or not values:
            raise complaint(str(key), show(values), "a list of values")
        seen: dict[str, int] = {}
        for index, one in enumerate(values):
            if not isinstance(one, bool | int | float | str | None) or one != one:
                raise complaint(f"{key}.{index}", show(one), "text, a number, true, false or null")
            if seen.setdefault(said(one), index) != index:
                raise complaint(f"{key}.{index}", f"{show(one)} again", "every value once")
    _check_overlap([str(key) for key in value])
    count = math.prod(len(values) for values in value.values())
    if count > MOST_CELLS:
        raise complaint("", _sum(value), f"at most {MOST_CELLS} cells")
    return value


def _check_key(key: str) -> None:
    head, dot, rest = key.partition(".")
    if key in SHORT or (dot and rest and head in (*OF_A_CLIENT, *OF_THE_SCENARIO)):
        return
    known = [*SHORT, *(f"{part}.KEY" for part in (*OF_A_CLIENT, *OF_THE_SCENARIO))]
    raise complaint(
        key, f"'{key}', which cannot be varied", f"one of {listing(known)}", nearest(key, list(SHORT))
    )


def _check_overlap(keys: Sequence[str]) -> None:
    """No two settings say the same: the second would undo the first."""
    owner: dict[str, str] = {}
    for key in keys:
        for path in paths_of(key):
            if path in owner:
                raise complaint(key, f"'{key}' beside '{owner[path]}'", f"one of them: both set {path}")
            owner[path] = key


def _sum(vary: Mapping[str, Sequence[Setting]]) -> str:
    count = math.prod(len(values) for values in vary.values())
    return f"{' × '.join(f'{len(values)} {key}' for key, values in vary.items())} = {count} cells"


Vary: TypeAlias = Annotated[
    dict[str, Annotated[tuple[Setting, ...], Field(min_length=1)]], BeforeValidator(_settings)
]
"""Settings, in the order in which cells are named, with their values."""


class GridSettings(InputPart):
    """How the cells of `vary` are shown."""

    metric: str | None = Field(
        default=None,
        description="The figure that is compared; null: ttft_p95_s of a streamed load, else wait_p95_s.",
    )
    columns: str | None = Field(
        default=None,
        description="The setting whose values are columns, each with a best cell of its own; null: the first.",
    )
    rows: str | None = Field(
        default=None, description="The setting whose values are rows; null: the next of those that are left."
    )
    timeouts: tuple[PositiveSeconds, ...] = Field(
        default=(),
        max_length=20,
        description="Timeouts that are judged from the times of each column's best cell, without being played.",
    )


@dataclass(frozen=True, slots=True)
class Point:
    """One combination of values, by setting."""

    values: Mapping[str, Setting]

    def name(self, client: str) -> str:
        """What the cell of `client` at this point is called: `CLIENT~region=us-east,pool=5`."""
        return cell_name(client, {key: said(value) for key, value in self.values.items()})


def points_of(vary: Mapping[str, Sequence[Setting]]) -> list[Point]:
    """Every combination; the last setting changes fastest."""
    return [Point(dict(zip(vary, values, strict=True))) for values in product(*vary.values())]


def check_count(vary: Mapping[str, Sequence[Setting]], clients: int, plays: int, scenario: str) -> None:
    """Raise InputError if all combinations of all clients, played so often, are more cells than a run may have."""
    cells = math.prod(len(values) for values in vary.values())
    if cells * clients * plays <= MOST_CELLS:
        return
    found = f"{_sum(vary)} × {clients} client(s) × {plays} play(s) = {cells * clients * plays}"
    raise InputError(
        f"scenario {scenario}",
        path="vary",
        found=found,
        expected=f"at most {MOST_CELLS} (fewer values, --clients or plays)",
    )


def said(value: Setting) -> str:
    """A value in the name of a cell, which is also a directory's: `1.1`, `30s`, `14-s` (of `14/s`), `none`."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return re.sub(r"[^A-Za-z0-9._-]", "-", text) or "-"


def paths_of(setting: str) -> tuple[str, ...]:
    """The keys that a setting stands for, with dots between."""
    return SHORT.get(setting, (setting,))


def scenario_at(scenario: Scenario, point: Point) -> Scenario:
    """The scenario at a point. Raises InputError, with the setting, for a value that it cannot have."""
    changes = dict(_changes(point, OF_THE_SCENARIO))
    if not changes:
        return scenario
    changed = _laid_over(scenario, changes, f"scenario {scenario.name}")
    if changed.region not in changed.provider.regions:
        known = list(changed.provider.regions)
        raise InputError(
            f"scenario {scenario.name}",
            path="vary.region",
            found=f"the unknown region '{changed.region}'",
            expected=f"one of {listing(known)}",
            hint=nearest(changed.region, known),
        )
    return changed.scaled_already(scenario.played_at)


def profile_at(profile: Profile, point: Point, scenario: str) -> Profile:
    """The client at a point; its name stays. Raises InputError, with the setting, for what it cannot be or do."""
    changes = dict(_changes(point, (*OF_A_CLIENT, "http")))
    if profile.pool.keepalive is None and "pool" in point.values:
        del changes[
            "pool.keepalive"
        ]  # it keeps all of them as it is; not every library could be told a number
    return profile if not changes else _laid_over(profile, changes, f"scenario {scenario}", profile.name)


def _changes(point: Point, parts: Sequence[str]) -> Iterator[tuple[str, tuple[str, Setting]]]:
    """By key with dots: the setting that sets it, and the value; of keys in these parts alone."""
    for setting, value in point.values.items():
        for path in paths_of(setting):
            if path.partition(".")[0] in parts:
                yield path, (setting, value)


def _laid_over(model: M, changes: Mapping[str, tuple[str, Setting]], where: str, client: str = "") -> M:
    data = model.model_dump(mode="json", by_alias=True)
    for path, (_, value) in changes.items():
        *above, key = path.split(".")
        part = data
        for name in above:
            below = part.get(name)
            part[name] = below = dict(below) if isinstance(below, Mapping) else {}
            part = below
        part[key] = value
    try:
        return type(model).model_validate(data)
    except ValidationError as error:
        raise _told(error, changes, where, client) from None


def _told(
    error: ValidationError, changes: Mapping[str, tuple[str, Setting]], where: str, client: str
) -> InputError:
    """The first complaint as one about the setting that caused it."""
    detail = error.errors(include_url=False)[0]
    path = ".".join(map(str, location(detail)))
    setting, value = next(
        (one for key, one in changes.items() if path == key or path.startswith(f"{key}.")),
        next(iter(changes.values())),
    )
    context = detail.get("ctx", {})
    expected = str(context.get("expected") or detail["msg"][0].lower() + detail["msg"][1:])
    found = str(context.get("found") or show(value))
    if detail["type"] == "extra_forbidden":
        found, expected = f"the unknown key '{path}'", "a key that profile or scenario has"
    return InputError(
        where,
        path=f"vary.{setting}",
        found=f"{show(value)}: {path}: {found}" if found != show(value) else found,
        expected=expected,
        hint=f"the client {client}" if client else "",
    )
