"""Time limits of what stands between the provider and the client: a gateway's, a proxy's, a firewall's.

    answer in time ──► passed on as it is
    slower         ──► the limit's own ending: a 504, a FIN, an RST

The steps of a limit stand at the head of the script, and the player plays them if the time comes. Faults that use
one act in the layer `gateway`, after all that make an answer slow.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from windtunnel.mock_server.faults.base import Params
from windtunnel.mock_server.script import (
    Abort,
    Close,
    End,
    Head,
    Patience,
    Raw,
    Script,
    Send,
    Step,
    TimeLimit,
    Torn,
)

SLOT_ABOUT = (
    "Where a time limit ends the answer: `held` until the provider has done the work, `freed` at once; left out: as "
    "the provider's `abandoned` says."
)


class SlotParams(Params):
    """What the provider does when nobody waits for it any more."""

    slot: Literal["held", "freed"] | None = Field(default=None, description=SLOT_ABOUT)

    @property
    def frees_slot(self) -> bool | None:
        """Whether the work stops with the answer; None: as the provider's `abandoned` says."""
        return None if self.slot is None else self.slot == "freed"


def limited(
    script: Script,
    seconds: float,
    patience: Patience,
    steps: tuple[Step, ...],
    fault: str,
    frees_slot: bool | None,
) -> Script:
    """Return the script with a time limit in front of it."""
    return Script((TimeLimit(seconds, patience, steps, fault, frees_slot), *script.steps))


def head_with_first_byte(script: Script) -> Script:
    """Return the script with its head held back until the first byte of the body, as a gateway does that may still
    have to send another status."""
    steps: list[Step] = []
    held: Head | None = None
    for step in script.steps:
        if isinstance(step, Head):
            held = step
            continue
        if held is not None and isinstance(step, Send | Torn | Raw | End | Close | Abort):
            steps.append(held)
            held = None
        steps.append(step)
    return Script(tuple(steps) if held is None else (*steps, held))
