"""The report of a soak as objects: what was found of each client."""

from __future__ import annotations

from dataclasses import dataclass

from windtunnel.reports.soak.finding import SoakFinding
from windtunnel.reports.soak.samples import SoakRecords


@dataclass(frozen=True, slots=True)
class SoakClient:
    """A client's part: what was found, or in `reason` why nothing can be said."""

    records: SoakRecords
    findings: tuple[SoakFinding, ...]
    reason: str = ""

    @property
    def lines(self) -> list[str]:
        """What a terminal shows of it."""
        name = self.records.client
        if self.reason:
            return [f"? {name}: not measured: {self.reason}"]
        if not self.findings:
            return [f"✓ {name}: nothing grows or slows down"]
        return [f"✗ {name}: {one.sentence}" for one in self.findings]


@dataclass(frozen=True, slots=True)
class SoakReport:
    """The whole report, which is written already."""

    scenario: str
    clients: tuple[SoakClient, ...]

    @property
    def findings(self) -> tuple[SoakFinding, ...]:
        return tuple(one for client in self.clients for one in client.findings)

    @property
    def measured(self) -> bool:
        """Whether something can be said of every client."""
        return not any(client.reason for client in self.clients)

    @property
    def lines(self) -> tuple[str, ...]:
        """What a terminal shows: a line for each finding, and for each client without one."""
        return tuple(line for client in self.clients for line in client.lines)
