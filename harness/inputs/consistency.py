"""What must fit together in a scenario: expectations with phases, clients and metrics, rules with the load."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import ValidationError

from windtunnel.harness.contract.cells import base_of
from windtunnel.harness.contract.expectation import Expectation
from windtunnel.harness.contract.metrics import METRICS
from windtunnel.harness.errors import InputError, listing, nearest
from windtunnel.harness.inputs.validation import show
from windtunnel.harness.inputs.yaml_source import Loc, YamlSource, read_yaml
from windtunnel.mock_server.faults.base import BEFORE_REQUESTS
from windtunnel.mock_server.plan import plan as server

if TYPE_CHECKING:
    from windtunnel.harness.inputs.scenario import Scenario

WHAT_IS_SENT: frozenset[Loc] = frozenset(
    {("load",), *(("load", key) for key in ("api", "stream", "model", "region"))}
)
"""Where the load says what it sends: with a mistake there, nothing can be said about rules being met."""


@dataclass(frozen=True, slots=True)
class _Complaint:
    loc: Loc
    found: str
    expected: str
    hint: str = ""


def expectation_errors(source: YamlSource) -> list[InputError]:
    """Expectations on metrics, phases and clients that do not exist; also while other parts are wrong."""
    items, phases = source.data.get("expect"), source.data.get("phases")
    names = (
        [phase.get("name") for phase in phases if isinstance(phase, dict)] if isinstance(phases, list) else []
    )
    phase_names = [name for name in names if isinstance(name, str)]
    client_names = _client_names(source)
    errors: list[InputError] = []
    for index, item in enumerate(items if isinstance(items, list) else ()):
        try:
            expectation = Expectation.model_validate(item)
        except ValidationError:
            continue  # its own mistakes are among the scenario's
        errors += [
            source.error(it.loc, found=it.found, expected=it.expected, hint=it.hint)
            for it in _unmeasurable(expectation, ("expect", index), phase_names, client_names)
        ]
    return errors


def _client_names(source: YamlSource) -> list[str]:
    """What reports will call the scenario's clients: a file's own `name`, if it can be read."""
    clients = source.data.get("clients")
    names: list[str] = []
    for client in clients if isinstance(clients, list) else ():
        if isinstance(client, str) and client.endswith((".yaml", ".yml")):
            path = source.base / client
            try:
                names.append(str(read_yaml(path).data.get("name", path.stem)))
            except InputError:
                names.append(path.stem)
        elif isinstance(client, str):
            names.append(client)
    return names


def _unmeasurable(
    expectation: Expectation, loc: Loc, phases: list[str], clients: list[str]
) -> Iterator[_Complaint]:
    metric, phase = expectation.metric, expectation.phase
    row = METRICS.get(metric)
    if row is None:
        expected = "a metric of `windtunnel list metrics`"
        yield _Complaint(loc, f"the unknown metric '{metric}'", expected, nearest(metric, sorted(METRICS)))
    elif phase is not None and row.scope != "phase":
        expected = f"'{metric}' alone: it is a figure of the whole run"
        yield _Complaint(loc, f"'{metric}' of a single phase", expected)
    elif (row.kind == "truth") != isinstance(expectation.limit, bool):
        kind = "true or false" if row.kind == "truth" else "a number"
        yield _Complaint(loc, show(expectation.expect), f"{kind} as the limit of '{metric}'")
    if phase is not None and phases and phase not in phases:
        yield _Complaint(
            loc, f"the unknown phase '{phase}'", f"one of {listing(phases)}", nearest(phase, phases)
        )
    for index, client in enumerate(expectation.clients or ()):
        if clients and base_of(client) not in clients:
            expected = f"a client of this scenario: {listing(clients)}"
            found = f"the unknown client '{client}'"
            yield _Complaint((*loc, "clients", index), found, expected, nearest(client, clients))


def grid_errors(source: YamlSource, scenario: Scenario) -> list[InputError]:
    """A grid of what is not varied, or of a metric that no cell of this scenario has, or that has no better side."""
    grid, settings = scenario.grid, list(scenario.vary)
    if grid is None:
        return []
    if not settings:
        return [source.error(("grid",), found="a grid of cells that do not vary", expected="vary beside it")]
    errors = [
        source.error(
            ("grid", side),
            found=f"'{setting}', which does not vary",
            expected=f"one of {listing(settings)}",
            hint=nearest(setting, settings),
        )
        for side, setting in (("columns", grid.columns), ("rows", grid.rows))
        if setting is not None and setting not in settings
    ]
    if grid.rows is not None and grid.rows == grid.columns:
        found, expected = f"'{grid.rows}', as columns", "another setting than columns"
        errors.append(source.error(("grid", "rows"), found=found, expected=expected))
    return errors + [
        source.error(("grid", "metric"), found=found, expected=expected, hint=hint)
        for found, expected, hint in _wrong_grid_metric(grid.metric, scenario)
    ]


def _wrong_grid_metric(name: str | None, scenario: Scenario) -> Iterator[tuple[str, str, str]]:
    if name is None:
        return
    row = METRICS.get(name)
    if row is None:
        expected = "a metric of `windtunnel list metrics`"
        yield f"the unknown metric '{name}'", expected, nearest(name, sorted(METRICS))
    elif row.better is None or row.kind == "truth" or row.scope == "repeats":
        yield f"'{name}', of which neither more nor less is better", "a number with a better side", ""
    elif row.needs == "stream" and True not in scenario.load.forms:
        yield (
            f"'{name}', which this scenario does not have",
            "a metric that applies, or load.stream: true",
            "",
        )


def absence_errors(source: YamlSource, scenario: Scenario) -> list[InputError]:
    """Expectations on metrics that this scenario, fine in itself, will not have."""
    faulty = [phase.is_faulty for phase in scenario.phases]
    framed = any(faulty) and not faulty[0] and not faulty[-1]
    needs = (
        ("faults", framed, "a faulty phase, one before the first and one after the last"),
        ("stream", True in scenario.load.forms, "load.stream: true"),
        ("prices", scenario.prices is not None, "prices"),
        ("gateway", has_gateway(scenario), "a gateway in path"),
    )
    return [
        source.error(
            ("expect", index),
            found=f"'{expectation.metric}', which this scenario does not have",
            expected=f"a metric that applies (this one needs {what})",
        )
        for index, expectation in enumerate(scenario.expect)
        for need, there, what in needs
        if METRICS[expectation.metric].needs == need and not there
    ]


def has_gateway(scenario: Scenario) -> bool:
    """Whether something stands between client and provider: it chooses the region that is called."""
    return scenario.path is not None and len(scenario.path) > 2


def _host_errors(source: YamlSource, scenario: Scenario) -> Iterator[InputError]:
    """Hosts that lead to regions which there are not, and phases that move hosts which there are not."""
    regions, names = list(scenario.provider.regions), list(scenario.hosts)
    tables: list[tuple[Loc, dict[str, str]]] = [(("hosts",), scenario.hosts)]
    tables += [(("phases", i, "hosts"), phase.hosts) for i, phase in enumerate(scenario.phases)]
    for loc, table in tables:
        for host, region in table.items():
            if region not in regions:
                found, expected = f"the unknown region '{region}'", f"one of {listing(regions)}"
                yield source.error(
                    (*loc, host), found=found, expected=expected, hint=nearest(region, regions)
                )
            elif host not in names:
                found = f"the host '{host}', which no `hosts` of the scenario names"
                expected = f"one of {listing(names)}" if names else "`hosts` beside `phases`, with all names"
                yield source.error((*loc, host), found=found, expected=expected)


def reach_errors(source: YamlSource, scenario: Scenario) -> list[InputError]:
    """What cannot happen with this load: a region or model that is not there, a rule that is never met."""
    load, provider = scenario.load, scenario.provider
    errors: list[InputError] = []
    if scenario.region not in provider.regions:
        known = list(provider.regions)
        found, expected = f"the unknown region '{scenario.region}'", f"one of {listing(known)}"
        hint = nearest(scenario.region, known)
        errors.append(source.error(("load", "region"), found=found, expected=expected, hint=hint))
    if provider.models is not None and load.model not in provider.models:
        found, expected = (
            f"the model '{load.model}', which the provider does not serve",
            listing(provider.models),
        )
        hint = nearest(load.model, provider.models)
        errors.append(source.error(("load", "model"), found=found, expected=expected, hint=hint))
    errors += _host_errors(source, scenario)
    for loc, rule in _placed_rules(scenario):
        errors += _never_met(source, scenario, loc, rule)
    return errors


def _placed_rules(scenario: Scenario) -> Iterator[tuple[Loc, server.Rule]]:
    for index, rule in enumerate(scenario.rules):
        yield ("rules", index), rule
    for number, phase in enumerate(scenario.phases):
        for index, rule in enumerate(phase.rules):
            yield ("phases", number, "rules", index), rule


def _never_met(source: YamlSource, scenario: Scenario, loc: Loc, rule: server.Rule) -> Iterator[InputError]:
    load = scenario.load
    sent = {"api": load.api, "stream": load.stream, "model": load.model, "region": scenario.region}
    wanted_form = rule.match.stream
    forms = [form for form in load.forms if wanted_form in (None, form)]
    for key, value in sent.items():
        if key == "region" and has_gateway(scenario):
            continue
        wanted = getattr(rule.match, key)
        alone = server.Match.model_validate({key: wanted})
        held = any(alone.holds(load.api, load.model, scenario.region, form, "") for form in load.forms)
        if wanted is not None and not held:
            found = f"{show(_as_written(wanted))}, which can never hold"
            expected = f"what the load sends, {show(_as_written(value))}"
            yield source.error((*loc, "match", key), found=found, expected=expected)
            return
    before_requests = any(use is not None and use.kind.stage in BEFORE_REQUESTS for use in rule.uses)
    if not before_requests and not any(rule.acts_on(load.api, form) for form in forms):
        form = " or ".join("streamed" if form else "not streamed" for form in forms)
        names = ", ".join(sorted({use.kind.name for use in rule.uses if use is not None}))
        found = f"'{names}', which can never act on the load's answers ({load.api}, {form})"
        yield source.error((*loc, "fault"), found=found, expected="a fault that can")


def _as_written(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
