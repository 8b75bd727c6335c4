"""What shows how far a command is: on stderr, and on a port for Prometheus if one is asked for."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console

if TYPE_CHECKING:
    from windtunnel.harness.run.progress import Reporter


@contextmanager
def reporters(metrics_port: int | None, command: str) -> Iterator[Callable[[], Reporter]]:
    """Give what makes a reporter for each run that `command` plays; the port is closed at the end."""
    from windtunnel.harness.run.progress import reporter

    if metrics_port is None:
        yield lambda: reporter(Console(stderr=True))
        return
    from windtunnel.harness.run.live_metrics import LiveMetrics

    live = LiveMetrics(metrics_port, command)
    print(f"metrics: {live.url}", file=sys.stderr, flush=True)
    try:
        yield lambda: live.watching(reporter(Console(stderr=True)))
    finally:
        live.close()
