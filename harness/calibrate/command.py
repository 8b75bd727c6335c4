"""All calibrations, one after the other, in a folder that is gone afterwards."""

from __future__ import annotations

import asyncio
import os
import platform
from collections.abc import Callable, Collection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from windtunnel.harness.calibrate import (
    fidelity,
    harness_cost,
    http2_cost,
    link_truth,
    memory,
    peer_rates,
    policy_cost,
    report_cost,
    rule_cost,
    server_cost,
    streams_held,
    token_timing,
    verdicts,
    virtual_speed,
)
from windtunnel.harness.calibrate.finding import Finding
from windtunnel.harness.calibrate.peers import find_peers
from windtunnel.harness.environments.versions import versions
from windtunnel.harness.errors import InputError, listing, nearest
from windtunnel.harness.run.run import raise_open_file_limit

PARTS = (
    "server",
    "tokens",
    "harness",
    "rules",
    "virtual",
    "peers",
    "memory",
    "report",
    "policies",
    "links",
    "fidelity",
)


def measure_all(
    *, long: bool, on_progress: Callable[[str], None], only: Collection[str] = (), peers: Path | None = None
) -> tuple[list[Finding], dict[str, Any]]:
    """Every finding, and what machine it was found on.

    Takes about seven minutes; `long` adds half an hour, `peers` (the folder that they are in) five minutes. `only`
    names the `PARTS` to measure in place of all; `policies`, `links` and `fidelity` are measured only then. Raises
    `MeasurementError` if a process under measurement dies, `InputError` for parts that do not exist or need an option.
    """
    chosen = parts(long=long, only=only, peers=peers)
    raise_open_file_limit()
    with TemporaryDirectory(prefix="windtunnel-calibrate-") as folder:
        findings = asyncio.run(_measure(Path(folder), chosen, peers, on_progress, long=long))
    return findings, {
        "cores": os.cpu_count(),
        "system": platform.system(),
        "machine": platform.machine(),
        **versions(),
    }


def parts(*, long: bool, only: Collection[str], peers: Path | None) -> tuple[str, ...]:
    """What to measure, in the order of `PARTS`. Raises `InputError`."""
    for name in only:
        if name not in PARTS:
            hint = nearest(name, PARTS)
            raise InputError("--only", found=f"the unknown part '{name}'", expected=listing(PARTS), hint=hint)
    if "peers" in only and peers is None:
        raise InputError("--only", found="peers without a folder", expected="--peers DIR beside it")
    if only:
        return tuple(name for name in PARTS if name in only)
    wanted_by_option = {
        "peers": peers is not None,
        "memory": long,
        "report": long,
        "policies": False,
        "links": False,
        "fidelity": False,
    }
    left_out = {name for name, wanted in wanted_by_option.items() if not wanted}
    return tuple(name for name in PARTS if name not in left_out)


async def _measure(
    folder: Path,
    chosen: Collection[str],
    peers: Path | None,
    on_progress: Callable[[str], None],
    *,
    long: bool,
) -> list[Finding]:
    findings: list[Finding] = []
    if "server" in chosen:
        findings += await server_cost.measure(folder, on_progress)
        findings += await http2_cost.measure(folder, on_progress)
    if "tokens" in chosen:
        findings += await token_timing.measure(folder, on_progress)
    if "harness" in chosen:
        findings += await harness_cost.measure(folder, on_progress)
    if "rules" in chosen:
        findings += await rule_cost.measure(folder, on_progress)
    if "virtual" in chosen:
        findings += await virtual_speed.measure(folder, on_progress)
        findings += await virtual_speed.measure_soak(folder, on_progress) if long else []
    if "peers" in chosen and peers is not None:
        found = find_peers(peers)
        findings += await peer_rates.measure(found, folder, on_progress)
        findings += await streams_held.measure(found, folder, on_progress)
    if "memory" in chosen:
        findings.append(await memory.measure_mock(folder, on_progress))
        findings.append(await harness_cost.measure_memory(folder, on_progress))
    if "report" in chosen:
        findings += await report_cost.measure(folder, on_progress)
    if "policies" in chosen:
        findings += await policy_cost.measure(folder, on_progress)
    if "links" in chosen:
        findings += await link_truth.measure(folder, on_progress)
    if "fidelity" in chosen:
        findings += await fidelity.measure(folder, on_progress)
        findings += await verdicts.measure(folder, on_progress) if long else []
    return findings
