"""The report of a soak as objects: what was found of each client."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from windtunnel.reports.soak.finding import SoakFinding, Unseen
from windtunnel.reports.soak.samples import SoakRecords

LIMITS: Final = ("median_s", "p95_s", "goodput", "connections", "rss_mb", "descriptors", "threads", "tasks")
"""Of these it is said how slow a growth would not have been noticed."""


@dataclass(frozen=True, slots=True)
class SoakClient:
    """A client's part: what was found, and of all other measures what would not have been; in `reason` why nothing
    can be said.
    """

    records: SoakRecords
    findings: tuple[SoakFinding, ...]
    reason: str = ""
    unseen: tuple[Unseen, ...] = ()

    @property
    def lines(self) -> list[str]:
        """What a terminal shows of it."""
        name = self.records.client
        if self.reason:
            return [f"? {name}: not measured: {self.reason}"]
        found = [f"✗ {name}: {one.sentence}" for one in self.findings]
        return (found or [f"✓ {name}: nothing grows or slows down"]) + [
            f"? {name}: {one}" for one in self.limits
        ]

    @property
    def limits(self) -> list[str]:
        """What the soak was too short or too noisy to tell, and how slow a growth it would not have noticed."""
        if self.reason:
            return []
        told = []
        noisy = [one.measure.title for one in self.unseen if one.noisy]
        if noisy:
            told.append(f"too short, or too noisy, to tell of {', '.join(noisy)}")
        if slow := [one.said for one in self.unseen if one.measure.name in LIMITS and not one.noisy]:
            told.append(f"slower changes would not have been noticed: {', '.join(slow)} an hour")
        return told


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
