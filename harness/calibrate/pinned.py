"""A command on given cores that ends when its parent does: for programs that cannot ask the kernel themselves.

Run as `python -m windtunnel.harness.calibrate.pinned CORES COMMAND …`; CORES are numbers with commas between, or
`any`. The process becomes the command: its id stays, and so does what was asked of the kernel.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from windtunnel.harness.run.children import python
from windtunnel.mock_server.server.end_with_parent import die_with_parent

ANY = "any"


@dataclass(frozen=True, slots=True)
class Cores:
    """Which cores servers and clients of a comparison get: one for the server, the others for the clients."""

    server: tuple[int, ...]
    clients: tuple[int, ...]

    @property
    def note(self) -> str:
        """How they are shared, for a finding; empty where all is as it should be."""
        if not self.server:
            return "this system pins no processes"
        return "" if set(self.clients) - set(self.server) else "one core for server and clients"


def cores(available: Sequence[int] | None = None) -> Cores:
    """The last of the cores that this process may use for servers, the others for clients; both share a single one.

    Nothing is pinned (both are empty) where the system has no such thing.
    """
    if available is None:
        if not hasattr(os, "sched_getaffinity"):
            return Cores((), ())
        available = sorted(os.sched_getaffinity(0))
    return Cores((available[-1],), tuple(available[:-1]) or (available[-1],))


def pinned(which: Sequence[int], command: Sequence[str]) -> list[str]:
    """`command`, run by this module on the cores `which`; on any of them if there are none."""
    return python("-m", "windtunnel.harness.calibrate.pinned", ",".join(map(str, which)) or ANY, *command)


if __name__ == "__main__":
    die_with_parent()
    if sys.argv[1] != ANY:
        os.sched_setaffinity(0, [int(core) for core in sys.argv[1].split(",")])
    os.execvp(sys.argv[2], sys.argv[2:])
