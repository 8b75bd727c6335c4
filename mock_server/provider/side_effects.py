"""What one request has done to others: cancelled them, or let them start."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from windtunnel.mock_server.provider.ticket import Ticket


class SideEffects:
    """Tickets that another request has moved on, until the server takes them.

    `startable` are tickets with a slot kept for them, `cancelled` those whose work was ended by a cancel.
    """

    __slots__ = ("cancelled", "startable")

    def __init__(self) -> None:
        self.startable: list[Ticket] = []
        self.cancelled: list[Ticket] = []

    def take_startable(self) -> list[Ticket]:
        """Return the tickets that may start, and forget them."""
        taken, self.startable = self.startable, []
        return taken

    def take_cancelled(self) -> list[Ticket]:
        """Return the tickets that were cancelled, and forget them."""
        taken, self.cancelled = self.cancelled, []
        return taken
