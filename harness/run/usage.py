"""What a program and all processes below it use: CPU, memory, descriptors, threads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address

import psutil

MOST_SAMPLES = 2_048
"""Samples kept of one program; beyond it every second one goes, and the rest are taken half as often."""


@dataclass(frozen=True, slots=True)
class Usage:
    """One sample, summed over all processes of a program, at seconds since its start.

    `rss_bytes` counts what processes share once for each. `cpu_s` is user and system so far, of processes that have
    ended too.
    """

    at_s: float
    cpu_s: float
    rss_bytes: int
    descriptors: int
    threads: int
    processes: int


def usage(guard: psutil.Process, at_s: float, *, itself: bool = False) -> Usage | None:
    """Sample everything below `guard`; None when it is gone. `itself`: it is counted as well, as it is no guard."""
    try:
        own = guard.cpu_times()
        below = guard.children(recursive=True)
    except psutil.Error:
        return None
    if itself:
        below = [guard, *below]
    cpu_s = 0.0 if itself else float(own.children_user + own.children_system)
    rss = descriptors = threads = processes = 0
    for process in below:
        try:
            with process.oneshot():
                if process.status() == psutil.STATUS_ZOMBIE:
                    continue
                times = process.cpu_times()
                size = int(process.memory_info().rss)
                opened, running = process.num_fds(), process.num_threads()
        except psutil.Error:  # it has just ended, or belongs to another user
            continue
        cpu_s += times.user + times.system + times.children_user + times.children_system
        rss += size
        descriptors += opened
        threads += running
        processes += 1
    return Usage(at_s, cpu_s, rss, descriptors, threads, processes)


def limits_of(pid: int) -> Mapping[str, float]:
    """Where memory (the machine's) and descriptors of a process end: `rss_bytes`, `descriptors`; less if unknown."""
    found = {"rss_bytes": float(psutil.virtual_memory().total)}
    with suppress(psutil.Error):
        soft, _ = psutil.Process(pid).rlimit(psutil.RLIMIT_NOFILE)
        if soft != psutil.RLIM_INFINITY:
            found["descriptors"] = float(soft)
    return found


def sockets_by_state(guard: psutil.Process, *, itself: bool = False) -> dict[str, int]:
    """TCP sockets of the processes below `guard` by state, such as `ESTABLISHED`; with `itself` its own, too."""
    found: Counter[str] = Counter()
    with suppress(psutil.Error):
        for process in [*([guard] if itself else []), *guard.children(recursive=True)]:
            with suppress(psutil.Error):
                found.update(str(one.status) for one in process.net_connections("tcp"))
    return dict(found)


def remote_peers(guard: psutil.Process) -> set[str]:
    """Where the processes below `guard` have TCP connections to, or try to, beyond loopback: `address:port`."""
    found: set[str] = set()
    with suppress(psutil.Error):
        for process in guard.children(recursive=True):
            with suppress(psutil.Error):
                found |= {
                    f"{peer.raddr.ip}:{peer.raddr.port}"
                    for peer in process.net_connections("tcp")
                    if peer.raddr and not ip_address(peer.raddr.ip).is_loopback
                }
    return found


def thinned(samples: Sequence[Usage]) -> list[Usage]:
    """Every second sample; the first and the last stay."""
    kept = list(samples[::2])
    return kept if len(samples) % 2 else [*kept, samples[-1]]
