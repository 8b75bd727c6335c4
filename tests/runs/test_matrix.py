"""`windtunnel run S1 S2 --clients a,b,c`: a matrix whose cells are those that are played alone."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import jsonschema
import pytest
from rich.console import Console

from tests.runs.command import ask
from windtunnel.harness.run.progress import reporter
from windtunnel.harness.run.run import RunOptions, run
from windtunnel.reports.matrix.as_json import matrix_schema

pytestmark = pytest.mark.timeout(300)

SCENARIO = """
name: NAME
about: Some seconds of trouble.
seed: 1
clients: [polite]
load: {api: chat, stream: true, arrivals: poisson, rate: 4/s, instances: 1, deadline: 5s}
warmup: 0s
phases:
  - {name: calm, for: 2s}
  - {name: bad, for: 3s, rules: [RULE]}
  - {name: after, for: 2s}
"""
RULES = {
    "refusals": "{fault: server_error, rate: 0.5}",
    "cuts": "{fault: cut, with: {after_chunks: 3}, rate: 0.5}",
}
CLIENTS = ("openai-async-default", "httpx2-async-default", "tight-layered")


def test_every_cell_equals_the_one_played_alone(tmp_path: Path) -> None:
    """Two scenarios with three clients: each cell has the digest that it has when it is the only one of a run."""
    for name, rule in RULES.items():
        (tmp_path / f"{name}.yaml").write_text(SCENARIO.replace("NAME", name).replace("RULE", rule))
    clients = ",".join(CLIENTS)
    played = ask(
        "run", *(f"./{name}.yaml" for name in RULES), "--clients", clients, "--out", "all", cwd=tmp_path
    )
    assert played.code == 0, played.err
    matrix = json.loads((tmp_path / "all/matrix.json").read_text())
    jsonschema.Draft202012Validator(matrix_schema()).validate(matrix)
    together = {(cell["scenario"], cell["client"]): cell["digest"] for cell in matrix["cells"]}
    assert len(together) == len(set(together.values())) == 6
    for (scenario, client), digest in together.items():
        options = RunOptions(str(tmp_path / f"{scenario}.yaml"), [client], tmp_path / f"{scenario}-{client}")
        alone = run(options, reporter(Console(file=sys.stderr)))
        assert alone.failures == ()
        kept = json.loads((alone.folder / "cells" / f"{client}-0" / "digest.json").read_text())
        assert (scenario, client, kept["digest"]) == (scenario, client, digest)
    page = (tmp_path / "all/refusals/report.html").read_text()
    assert page.count('id="timeline-tight-layered"') == 1
