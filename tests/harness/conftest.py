"""One small run on the virtual clock, for every test that needs records of one."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from rich.console import Console

from windtunnel.harness.run.progress import reporter
from windtunnel.harness.run.run import RunOptions, run

CLIENT = """
name: {name}
about: No retries, a limit for every layer.
driver: {driver}
sdk: {{max_retries: 0}}
timeouts: {{connect: 1s, read: 2s, write: 2s, pool: 2s, total: 4s}}
pool: {{connections: 100, keepalive: 20, expiry: 5s}}
retries: {{kind: none, tries: 1}}
"""

SCENARIO = """
name: every_fault
about: A fault a phase. Phases begin between two calls.
seed: 3
clients: [{clients}]
provider: {{answer: {{first_token: 50ms, tokens: 20, tokens_per_second: 200, tokens_per_chunk: 1}}}}
load: {{api: chat, stream: true, arrivals: constant, rate: 1/s, instances: 1, deadline: 4s}}
phases:
{phases}
"""

PHASES = {
    "calm": "",
    "refuse": "{fault: refuse, with: {established: reset}}",
    "blackhole": "{fault: blackhole, with: {established: reset}}",
    "hang": "{fault: hang}",
    "reset": "{fault: reset, with: {at: after_bytes 200}}",
    "close": "{fault: close, with: {at: before_headers}}",
    "slow_headers": "{fault: slow_headers, with: {seconds: 1s}}",
    "incomplete_chunked": "{fault: incomplete_chunked, with: {after_bytes: 300}}",
    "bad_status_line": "{fault: bad_status_line}",
    "huge_headers": "{fault: huge_headers, with: {bytes: 200000, count: 1}}",
    "bad_gzip": "{fault: bad_gzip}",
    "drip": "{fault: drip, with: {bytes_per_second: 100}}",
    "stall": "{fault: stall, with: {after_chunks: 3, seconds: 5s}}",
    "heartbeats": "{fault: stall_with_heartbeats, with: {seconds: 20s, every: 1s}}",
    "cut": "{fault: cut, with: {after_chunks: 3}}",
    "open_after_done": "{fault: open_after_done}",
    "fragment": "{fault: fragment, with: {bytes: 7}}",
    "well": "",
}


@pytest.fixture(scope="session")
def every_fault(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run directory of a fault a phase, against the async and the sync SDK."""
    folder = tmp_path_factory.mktemp("every_fault")
    clients = []
    for name, driver in (("the-async", "openai-async"), ("the-sync", "openai")):
        path = folder / f"{name}.yaml"
        path.write_text(CLIENT.format(name=name, driver=driver))
        clients.append(str(path))
    lengths = [2.5] + [2.0] * (len(PHASES) - 1)
    phases = "\n".join(
        f"  - {{name: {name}, for: {length}s, rules: [{rule}]}}"
        for (name, rule), length in zip(PHASES.items(), lengths, strict=True)
    )
    scenario = folder / "scenario.yaml"
    scenario.write_text(SCENARIO.format(clients=", ".join(clients), phases=phases))
    options = RunOptions(str(scenario), out=folder / "run", clock="virtual")
    records = run(options, reporter(Console(file=sys.stderr)))
    assert records.failures == ()
    return records.folder
