"""What is shed first where a quota is shared: each class of calls waits only so long for its turn."""

from __future__ import annotations

from collections.abc import Sequence

from windtunnel.harness.inputs.policies import Priority


def priority_of(priorities: Sequence[Priority], name: str | None, u: float) -> Priority | None:
    """The class of a call: the one that the load names, else drawn by its share from `u` in [0, 1); None: no class.

    A name that the profile does not know is that of its most important class: nothing is shed by mistake.
    """
    if not priorities:
        return None
    by_name = {priority.name: priority for priority in priorities}
    if name is not None:
        return by_name.get(name, priorities[0])
    below = 0.0
    for priority in priorities:
        below += priority.share or 0.0
        if u < below:
            return priority
    return priorities[0] if below == 0.0 else priorities[-1]


def shed(priority: Priority | None, wait_s: float) -> bool:
    """Whether a call is shed rather than waiting `wait_s` for its turn."""
    return priority is not None and wait_s > priority.wait
