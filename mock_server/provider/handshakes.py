"""What a region shows in the TLS handshake of a new connection, by rules whose faults act there. No I/O, no clock."""

from __future__ import annotations

from windtunnel.mock_server.chance import uniform
from windtunnel.mock_server.plan.plan import Plan
from windtunnel.mock_server.provider.outages import timed_rules
from windtunnel.mock_server.rules import FaultUse


class HandshakeFaults:
    """The handshake rules of a plan."""

    __slots__ = ("_phases", "_seed")

    def __init__(self, plan: Plan) -> None:
        self._seed = plan.seed
        self._phases = [timed_rules(plan, phase, "handshake") for phase in range(max(1, len(plan.phases)))]

    def acting(self, region: str, now: float, phase: int, connection: int) -> FaultUse | None:
        """What acts on connection number `connection` of a region, which is new at `now`; None: nothing.

        Rates are drawn for each connection. Of several rules the first one that acts stands.
        """
        for timed in self._phases[phase]:
            if not timed.concerns(region) or not timed.at(now)[0]:
                continue
            rate, rule_id = timed.rule.rate, timed.use.rule_id
            if rate is None or uniform(self._seed, "handshake", rule_id, connection) < rate:
                return timed.use
        return None
