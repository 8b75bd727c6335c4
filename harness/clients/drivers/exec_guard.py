"""Ends the programs of a load process when that process ends, however it ends; run as a script.

It is told of process groups on stdin, a line each: `+GROUP` and `-GROUP`. When stdin is closed, which the kernel does
for a process that was killed, it kills every group that is left. It stands in a session of its own, so that what ends
its parent does not end it, and uses the standard library alone.
"""

from __future__ import annotations

import os
import signal
import sys


def main() -> None:
    """Read until the end, then kill what is left."""
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    groups: set[int] = set()
    for line in sys.stdin:
        number = int(line[1:])
        if line[0] == "+":
            groups.add(number)
        else:
            groups.discard(number)
    for group in groups:
        try:
            os.killpg(group, signal.SIGKILL)
        except ProcessLookupError:
            continue


if __name__ == "__main__":
    main()
