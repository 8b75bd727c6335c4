"""Gateways with a planted failing between a real client and the mock: each figure has its known right value.

All cells belong to one run, which is played once: its clients are called as the gateways are.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest
from rich.console import Console
from ruamel.yaml import YAML

from windtunnel.harness.errors import MeasurementError
from windtunnel.harness.inputs.gallery import load_profile, load_scenario
from windtunnel.harness.inputs.gateway import Gateway
from windtunnel.harness.plan import CellPlan, RunPlan, resolve
from windtunnel.harness.run.gateway import RunningGateway
from windtunnel.harness.run.progress import reporter
from windtunnel.harness.run.supervisor import Supervisor
from windtunnel.reports.build import figures_of
from windtunnel.reports.figures.metrics_json import as_json

PLANTED = Path(__file__).with_name("planted.py")
QUICK = {"first_token": "20ms", "tokens": 20, "tokens_per_second": 400}
SLOW = {"first_token": "20ms", "tokens": 40, "tokens_per_second": 20}
REFUSED = {"fault": "rate_limit_requests", "with": {"retry_after": "1s"}, "match": {"attempt": 0}}
DOWN = {"fault": "server_error", "match": {"region": "us-east"}}
KINDS: Mapping[str, Mapping[str, Any]] = {
    "faithful": {"rules": [REFUSED]},
    "loses": {"rules": [REFUSED]},
    "retries": {"rules": [{"fault": "server_error"}]},
    "cuts": {"stream": True},
    "completes": {"stream": True, "rules": [{"fault": "cut", "with": {"after_chunks": 3}}]},
    "goes_on": {"answer": SLOW, "timeout": "500ms"},
    "fails_over": {"rules": [DOWN]},
    "stays": {"rules": [DOWN], "kind": "faithful"},
    "alters": {},
    "forgets": {},
    "dies": {},
}


def gateway(kind: str, **more: Any) -> Gateway:
    command = [sys.executable, str(PLANTED), kind, "${port}"]
    return Gateway.model_validate(
        {
            "name": kind,
            "about": "planted",
            "command": ["sh", "-c", 'exec "$@" $(echo "$URLS" | tr , " ")', "sh", *command],
            "env": {"URLS": "${urls}"},
            "ready_within": "30s",
            **more,
        }
    )


def cell(folder: Path, kind: str, about: Mapping[str, Any]) -> tuple[CellPlan, RunPlan]:
    """One cell: a client with at most two attempts, a call each quarter of a second, a gateway of this kind."""
    rules = about.get("rules", [])
    scenario = {
        "name": "planted",
        "about": "A gateway between.",
        "path": ["client", "portkey", "provider"],  # for the rules of a region; the plan gets the planted one
        "provider": {"regions": {"us-east": {}, "eu-west": {}}, "answer": about.get("answer", QUICK)},
        "load": {
            "rate": "4/s",
            "arrivals": "constant",
            "deadline": "5s",
            "stream": about.get("stream", False),
        },
        "phases": [
            {"name": "before", "for": "1s"},
            {"name": "incident", "for": "4s", "rules": rules, "faulty": True},
            {"name": "after", "for": "1s"},
        ],
        "warmup": "1s",
        "clients": ["client.yaml"],
    }
    profile = {
        "name": "client",
        "about": "Two attempts.",
        "driver": "httpx2-async",
        "timeouts": {name: about.get("timeout", "5s") for name in ("connect", "read", "write", "pool")},
        "pool": {"connections": 100, "keepalive": 20, "expiry": "5s"},
        "retries": {
            "kind": "fixed",
            "tries": 2,
            "base": "50ms",
            "jitter": "none",
            "respect_retry_after": True,
            "retry_on": ["timeout", "connection", 429, "5xx"],
        },
    }
    for name, data in (("client.yaml", profile), ("scenario.yaml", scenario)):
        with (folder / name).open("w") as file:
            YAML().dump(data, file)
    plan = resolve(
        load_scenario(str(folder / "scenario.yaml")),
        [load_profile(str(folder / "client.yaml"))],
        gateway=gateway(about.get("kind", kind)),
    )
    return plan.cells[0].model_copy(update={"client": kind, "dir": f"cells/{kind}-0", "tail_s": 3.0}), plan


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run directory of a cell with each gateway."""
    folder = tmp_path_factory.mktemp("gateways")
    made = [cell(folder, kind, about) for kind, about in KINDS.items()]
    plan: RunPlan = made[0][1].model_copy(update={"cells": tuple(one for one, _ in made)})
    out = folder / "run"
    out.mkdir()
    plan.write_json(out / "plan.json")
    asyncio.run(Supervisor(plan, out, jobs=4, reporter=reporter(Console(stderr=True))).play())
    return out


@pytest.fixture(scope="module")
def found(run: Path) -> Mapping[str, Any]:
    """By kind of gateway the figures of its whole cell, as in metrics.json."""
    clients = as_json(figures_of(run))["clients"]
    return {kind: one["overall"] for kind, one in clients.items()}


def values(figures: Mapping[str, Any]) -> dict[str, Any]:
    """The gateway's own figures, without what they all begin with; those that are absent are missing."""
    return {
        name.removeprefix("gateway_"): figure["value"]
        for name, figure in figures.items()
        if name.startswith("gateway_")
    }


FINE = {"certainty": 1, "amplification": 1, "orphans": 0, "retry_after_kept": None, "corruption": 0}


@pytest.mark.timeout(400)
def test_a_faithful_gateway_adds_and_loses_nothing(found: Mapping[str, Any]) -> None:
    """Every request is tied to its call, every promised wait comes through."""
    assert values(found["faithful"]) == {**FINE, "retry_after_kept": 1}


@pytest.mark.timeout(400)
def test_a_lost_retry_after_is_found(found: Mapping[str, Any]) -> None:
    """All sixteen refused calls were promised a wait, and no client heard of it."""
    assert values(found["loses"]) == {**FINE, "retry_after_kept": 0}


@pytest.mark.timeout(400)
def test_the_amplifications_of_client_and_gateway_are_told_apart(found: Mapping[str, Any]) -> None:
    """In the incident a client makes two attempts and the gateway three requests of each: the provider sees six."""
    figures = found["retries"]
    client, gateway = figures["client_amplification"]["value"], values(figures)["amplification"]
    assert client == pytest.approx((8 + 16 * 2) / 24)
    assert gateway == pytest.approx((8 + 16 * 6) / (8 + 16 * 2))
    assert figures["amplification"]["value"] == pytest.approx(client * gateway)
    assert values(figures) == {**FINE, "amplification": gateway}


@pytest.mark.timeout(400)
@pytest.mark.parametrize(("kind", "calls"), [("cuts", 24), ("completes", 16), ("alters", 24)])
def test_answers_that_the_gateway_spoilt_are_counted(found: Mapping[str, Any], kind: str, calls: int) -> None:
    """A stream that it cut and called done, one that the mock cut and it called done, and content that it changed."""
    assert values(found[kind]) == {**FINE, "corruption": calls}


@pytest.mark.timeout(400)
def test_work_that_goes_on_without_a_client_is_an_orphan(found: Mapping[str, Any]) -> None:
    """Both attempts of each call give up long before the answer, which the gateway reads to its end."""
    assert values(found["goes_on"]) == {**FINE, "orphans": 48}


@pytest.mark.timeout(400)
def test_the_time_to_failover_is_that_of_the_first_good_call_elsewhere(found: Mapping[str, Any]) -> None:
    """A gateway that asks the next region needs one call; one that stays never fails over in the four seconds."""
    over, stays = found["fails_over"], found["stays"]["gateway_failover_s"]
    assert 0 < over["gateway_failover_s"]["value"] < 1.5
    assert over["goodput"]["value"] == 1
    assert (stays["value"], stays["censored"]) == (4, True)


@pytest.mark.timeout(400)
def test_without_ties_nothing_is_claimed(found: Mapping[str, Any]) -> None:
    """Where requests do not say which call they are of, the certainty is 0 and no figure has a value."""
    assert values(found["forgets"]) == {
        "certainty": 0,
        "amplification": None,
        "orphans": None,
        "retry_after_kept": None,
        "failover_s": None,
        "corruption": None,
    }


@pytest.mark.timeout(400)
def test_a_gateway_that_dies_is_told_and_the_cell_goes_on(run: Path, found: Mapping[str, Any]) -> None:
    """What clients make of it is measured; how and when it ended is written down."""
    record = json.loads((run / "cells" / "dies-0" / "gateway.json").read_text())
    status = json.loads((run / "cells" / "dies-0" / "status.json").read_text())
    assert record["died"] == "exit code 3; its last words: planted: out of memory"
    assert 0 < record["died_at_s"] < 5
    assert status["state"] == "finished"
    assert found["dies"]["goodput"]["value"] < 0.5
    assert json.loads((run / "cells" / "faithful-0" / "gateway.json").read_text())["died"] is None


def running(kind: str, folder: Path, **more: Any) -> RunningGateway:
    return RunningGateway(gateway(kind, **more), folder)


REGIONS = {"us-east": "http://127.0.0.1:9/v1"}


async def test_a_gateway_that_never_gets_ready_is_told_with_its_health(tmp_path: Path) -> None:
    """It is waited for as long as it says; then the message has what its health path gave."""
    one = running("never_ready", tmp_path, ready_within="4s")
    with pytest.raises(MeasurementError, match=r"gateway never_ready was not ready within 4 s: /health gave"):
        await one.start(REGIONS, called="us-east", model="m")
    await one.close(None)
    assert not psutil.pid_exists(json.loads((tmp_path / "gateway.json").read_text())["program"]["pid"])


async def test_a_gateway_that_dies_at_once_is_told_with_its_last_words(tmp_path: Path) -> None:
    """Nothing waits for a process that has ended."""
    one = running("faithful", tmp_path, command=["sh", "-c", "echo no licence >&2; exit 4"])
    told = r"died before it was ready \(exit code 4; its last words: no licence\)"
    with pytest.raises(MeasurementError, match=told):
        await one.start(REGIONS, called="us-east", model="m")
    await one.close(None)


async def test_another_port_is_tried_where_one_was_taken(tmp_path: Path) -> None:
    """Between the choice of a port and the gateway's listening another process may take it."""
    taken = "test -e ../second && exec sleep 60; touch ../second; echo 'address already in use' >&2; exit 1"
    one = running("faithful", tmp_path, command=["sh", "-c", taken], ready_within="1s")
    with pytest.raises(MeasurementError, match="not ready within 1 s"):
        await one.start(REGIONS, called="us-east", model="m")
    await one.close(None)
