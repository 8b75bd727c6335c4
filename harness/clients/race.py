"""A call of which several things go on at once: its tries, each in a task or greenlet of its own, and a timer.

What differs between tasks and greenlets is how they are begun, cancelled and waited for: the two shells say that.
"""

from __future__ import annotations

from typing import Protocol

from windtunnel.harness.clients.call import LiveCall, LiveTry
from windtunnel.harness.policies.call import Begin, CallEnding, Command, Done, Wake
from windtunnel.harness.policies.failure import Failure


class Lanes(Protocol):
    """How a shell runs several things for one call. None of these methods waits."""

    def spawn(self, number: int, one: LiveTry) -> None:
        """Begin a try; its end is told to `Race.ended`, unless it is cancelled."""

    def cancel(self, number: int) -> None:
        """Cancel a try, if it still runs."""

    def alarm(self, seconds: float) -> None:
        """Call `Race.woke` in so many seconds, in place of any earlier alarm."""

    def over(self, ending: CallEnding) -> None:
        """The call is over; only the first time counts."""


class Race:
    """Passes on what happens to the call's machine, and does what it says."""

    def __init__(self, live: LiveCall, lanes: Lanes) -> None:
        self._live = live
        self._lanes = lanes

    def do(self, commands: list[Command]) -> None:
        """Carry out the machine's commands."""
        for command in commands:
            if isinstance(command, Begin):
                # A loser is cancelled before it has content, so what the application has is always the latest's.
                one = self._live.new_try(command, alone=False)
                one.on_first_content = self._content
                self._lanes.spawn(command.number, one)
            elif isinstance(command, Wake):
                self._live.pause_began(limited=command.limited)
                self._lanes.alarm(command.seconds)
            elif isinstance(command, Done):
                self._lanes.over(command.ending)
            else:
                self._lanes.cancel(command.number)

    def ended(self, one: LiveTry, failure: Failure | None) -> None:
        """A try is over."""
        if self._counts(one):
            self.do(self._live.try_ended(one.number, failure))

    def woke(self) -> None:
        """The alarm's time has come."""
        self._live.pause_ended()
        self.do(self._live.decided(self._live.machine.woke()))

    def _content(self, one: LiveTry) -> None:
        if self._counts(one):
            self.do(self._live.decided(self._live.machine.content(one.number)))

    def _counts(self, one: LiveTry) -> bool:
        """Whether a try is still one of the call's; if so, it is the latest of which something was heard."""
        cancelled = self._live.machine.state.tries[one.number].cancelled
        if not cancelled:
            self._live.latest = one
        return not cancelled
