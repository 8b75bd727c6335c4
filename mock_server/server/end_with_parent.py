"""A child process that ends when its parent does, however the parent ends.

The kernel is asked for it (Linux: PR_SET_PDEATHSIG). A parent that died before that is noticed by its id, which
it hands down in `WINDTUNNEL_PARENT_PID`.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PARENT_PID = "WINDTUNNEL_PARENT_PID"
PR_SET_PDEATHSIG = 1  # from <linux/prctl.h>


def die_with_parent(expected: int | None = None) -> None:
    """Ask the kernel to kill this process when its parent ends; exit at once if that has happened already.

    `expected` is the parent's process id where it is not the one handed down in the environment (a forked worker).
    Does nothing where the kernel has no such thing (anything but Linux).
    """
    if sys.platform != "linux":
        return
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    handed_down = os.environ.get(PARENT_PID)
    parent = expected if expected is not None else int(handed_down) if handed_down else None
    if parent is not None and os.getppid() != parent:
        sys.exit(f"the parent process {parent} has ended")
