"""What to change in each client, over all scenarios."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from windtunnel.reports.findings.finding import SEVERITIES
from windtunnel.reports.findings.table import RULES
from windtunnel.reports.matrix.model import Matrix
from windtunnel.reports.page.commands import replay_call

MARKS: Final[Mapping[str, str]] = {"severe": "✗", "costly": "!", "minor": "·"}


@dataclass(frozen=True, slots=True)
class ClientChange:
    """Something to change: the finding of the scenario that shows it most, and in which others it was found as well."""

    scenario: str
    finding: Mapping[str, Any]
    also: tuple[str, ...]
    command: str

    @property
    def mark(self) -> str:
        """A sign for how severe it is."""
        return MARKS[self.finding["severity"]]

    @property
    def setting(self) -> str:
        """The line of the profile that cures it."""
        key, value = self.finding["key"], self.finding["setting"]
        return f"{key}: {value}" if key and value else str(key or "")


def changes(matrix: Matrix) -> dict[str, tuple[ClientChange, ...]]:
    """By client what to change, the most severe first; a client without a finding has none."""
    return {client: tuple(_of(matrix, client)) for client in matrix.clients}


def _of(matrix: Matrix, client: str) -> list[ClientChange]:
    by_rule: dict[str, list[tuple[str, Mapping[str, Any]]]] = {}
    for cell in matrix.of_client(client):
        for finding in cell.findings:
            by_rule.setdefault(str(finding["rule"]), []).append((cell.scenario, finding))
    clocks = {scenario.name: scenario.clock for scenario in matrix.scenarios}
    found = []
    for told in by_rule.values():
        scenario, most = max(told, key=lambda one: one[1]["count"] / max(1, one[1]["of"]))
        calls = most["calls"]
        command = ""
        if calls and clocks[scenario] == "virtual":
            folder = (matrix.folder / scenario).absolute()
            command = replay_call(folder, client, calls[0], int(most.get("repeat", 0)))
        found.append(
            ClientChange(scenario, most, tuple(name for name, _ in told if name != scenario), command)
        )
    severities, rules = list(SEVERITIES.values()), list(RULES)
    return sorted(
        found, key=lambda one: (severities.index(one.finding["severity"]), rules.index(one.finding["rule"]))
    )
