"""The options of a server process, their command line, and the checks of their combination."""

from __future__ import annotations

import argparse
import ipaddress
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from windtunnel.mock_server.errors import WindtunnelServerError
from windtunnel.mock_server.plan.plan import Plan

UNLIMITED_SLOTS = 100_000
"""From this many slots on, capacity counts as unlimited, and several workers need not share it."""

MOST_PORT = 65_535
"""The last port there is."""

MOST_WORKERS = 256
"""Processes; more than any machine has cores to spare."""

TOKEN_VARIABLE = "WINDTUNNEL_CONTROL_TOKEN"


class ServeError(WindtunnelServerError):
    """The server cannot start with these options; the message says why, and what would help."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeOptions:
    """How to serve.

    `ports` are the regions' ports, in the plan's order; without it the first region listens on `port` and the others
    on the ports after it (0: any free port each). The admin API is on every one of them, and on `admin_port`, which
    no fault closes. `epoch`: answers state the real time, or that t0 was at the beginning of 2026, so that equal runs
    have equal bytes. `unknown_fields`: whether fields that the API does not have are a 400, as they are for OpenAI, or
    taken and ignored; `unknown_ids`: whether an id that names nothing is a 404, or gets an object that is made up.
    `worker` and `t0` are set for the workers of one group.
    """

    plan: Plan = field(default_factory=Plan)
    host: str = "127.0.0.1"
    port: int = 0
    ports: tuple[int, ...] | None = None
    admin_port: int = 0
    journal: Path | None = None
    control_token: str | None = None
    workers: int = 1
    worker: int = 0
    t0: float | None = None
    with_parent: bool = False
    loop: Literal["uvloop", "asyncio"] = "uvloop"
    epoch: Literal["real", "fixed"] = "real"
    unknown_fields: Literal["refuse", "accept"] = "refuse"
    unknown_ids: Literal["refuse", "accept"] = "refuse"

    def check(self) -> None:
        """Check that the options are safe and fit each other. Raises `ServeError`."""
        if not is_loopback(self.host) and not self.control_token:
            raise ServeError(
                f"--host {self.host} can be reached from other machines: give an admin token as well "
                f"(--admin-token TOKEN, or {TOKEN_VARIABLE} in the environment)"
            )
        if self.journal is not None and find_spec("pyarrow") is None:
            raise ServeError("--journal writes Arrow files, which needs more: pip install 'windtunnel[lab]'")
        if not 1 <= self.workers <= MOST_WORKERS:
            raise ServeError(
                f"--workers {self.workers}: expected 1 to {MOST_WORKERS}, more processes than cores"
            )
        last = self.port + len(self.plan.provider.regions) - 1 if self.port else 0
        for option, port in (("--port", self.port), ("--admin-port", self.admin_port), *self._listed_ports()):
            if not 0 <= port <= MOST_PORT:
                raise ServeError(f"{option} {port}: expected a port from 0 to {MOST_PORT}")
        if self.ports is None and last > MOST_PORT:
            raise ServeError(
                f"--port {self.port}: its regions would need the ports up to {last}, and {MOST_PORT} is the last one"
            )
        if self.workers > 1:
            reason = needs_shared_state(self.plan)
            if reason is not None:
                raise ServeError(f"--workers {self.workers} is refused: {reason}; workers share no state")

    def _listed_ports(self) -> list[tuple[str, int]]:
        return [("--ports", port) for port in self.ports or ()]

    def shared_reason(self) -> str | None:
        """Return why the admin API of this process changes nothing and shows no records; None if it does."""
        if not self.worker:
            return None
        return "this server is one of several workers, which share no state: start it with one worker"

    def region_ports(self) -> tuple[int, ...]:
        """Return a port for every region of the plan."""
        regions = len(self.plan.provider.regions)
        if self.ports is not None:
            return self.ports
        return tuple([self.port + i if self.port else 0 for i in range(regions)])


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def needs_shared_state(plan: Plan) -> str | None:
    """Return the part of the plan that several processes would have to share, with its key path, or None."""
    rules = [*plan.rules, *[rule for phase in plan.phases for rule in phase.rules]]
    for rule in rules:
        for use in rule.uses:
            if use is not None and use.kind.stage == "listener":
                return (
                    f"{use.kind.name} closes a port, which would have to happen in all of them at one moment"
                )
    if rules:
        return "rules count the attempts of every call"
    for index in range(max(1, len(plan.phases))):
        provider = plan.settings_at(index)
        for name in provider.regions:
            settings = provider.region(name)
            if settings.tls is not None:
                return f"each would have certificates of its own for provider.regions.{name}.tls"
            if settings.capacity.slots < UNLIMITED_SLOTS:
                return (
                    f"provider.capacity.slots is {settings.capacity.slots}, and slots are shared by all requests "
                    f"({UNLIMITED_SLOTS} or more count as unlimited)"
                )
            limits = settings.limits
            if limits.rpm is not None or limits.tpm is not None or limits.growth is not None:
                return "provider.limits are shared by all requests of a key"
            if settings.answer.slowdown > 0:
                return "provider.answer.slowdown depends on all busy slots"
    return None


def parse_arguments(argv: Sequence[str] | None) -> ServeOptions:
    """Parse the options of a command line. Raises `ServeError`, and exits as argparse does for a malformed one."""
    arguments = _parser().parse_args(argv)
    plan = load_plan(arguments.plan) if arguments.plan is not None else default_plan(arguments.workers)
    return ServeOptions(
        plan=with_tls(plan) if arguments.tls else plan,
        host=arguments.host,
        port=arguments.port,
        ports=arguments.ports,
        admin_port=arguments.admin_port,
        journal=arguments.journal,
        control_token=arguments.control_token or os.environ.get(TOKEN_VARIABLE),
        workers=arguments.workers,
        worker=arguments.worker,
        t0=arguments.t0,
        with_parent=arguments.with_parent,
        loop=arguments.loop,
        epoch=arguments.epoch,
        unknown_fields=arguments.unknown_fields,
        unknown_ids=arguments.unknown_ids,
    )


def default_plan(workers: int = 1) -> Plan:
    """Return the plan of a healthy provider that calls the tools it is offered, as OpenAI's models do; for several
    workers one without a limit on its slots."""
    provider: dict[str, object] = {"answer": {"tool_calls": "offered"}}
    if workers > 1:
        provider["capacity"] = {"slots": UNLIMITED_SLOTS}
    return Plan.model_validate({"name": "healthy", "provider": provider})


def with_tls(plan: Plan) -> Plan:
    """Return the plan with TLS in front of every region: as it is by default, where the plan does not say how."""
    data = plan.model_dump(mode="json", by_alias=True)
    for region in data["provider"]["regions"].values():
        region["tls"] = region["tls"] or {}
    return Plan.model_validate(data)


def load_plan(source: str) -> Plan:
    """Read the plan in a JSON file, or on stdin for `-`. Raises `ServeError` naming file and key path."""
    where = "stdin" if source == "-" else source
    try:
        text = sys.stdin.read() if source == "-" else Path(source).read_text(encoding="utf-8")
        return Plan.model_validate(json.loads(text))
    except OSError as error:
        raise ServeError(f"cannot read the plan {where}: {error.strerror}") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ServeError(f"the plan {where} is not JSON: {error}") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        path = ".".join([str(part) for part in first["loc"]])
        raise ServeError(f"{where}: {path}: {first['msg'].removeprefix('Value error, ')}") from error


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="windtunnel serve", description="The mock OpenAI server. Prints one JSON line once it is ready."
    )
    parser.add_argument("--plan", help="the plan, a JSON file or - for stdin (default: a healthy provider)")
    parser.add_argument("--tls", action="store_true", help="TLS in front of every region of the plan")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    parser.add_argument(
        "--port", type=_port, default=0, help="port of the first region, the others follow (default: any)"
    )
    parser.add_argument("--ports", type=_ports, help="ports of all regions, separated by commas")
    parser.add_argument(
        "--admin-port", type=_port, default=0, help="port of the admin API alone, never closed (default: any)"
    )
    parser.add_argument("--journal", type=Path, help="directory for the served records (default: memory)")
    parser.add_argument(
        "--admin-token",
        "--control-token",
        dest="control_token",
        help=f"admin token (default: ${TOKEN_VARIABLE})",
    )
    parser.add_argument("--workers", type=int, default=1, help="processes that share the ports (default: 1)")
    parser.add_argument("--worker", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--t0", type=float, help=argparse.SUPPRESS)
    parser.add_argument("--with-parent", action="store_true", help="exit when the parent process does")
    parser.add_argument(
        "--epoch",
        choices=("real", "fixed"),
        default="real",
        help="the time that answers state (default: real)",
    )
    parser.add_argument(
        "--unknown-fields",
        choices=("refuse", "accept"),
        default="refuse",
        help="fields that the API does not have: a 400, or ignored (default: refuse)",
    )
    parser.add_argument(
        "--unknown-ids",
        choices=("refuse", "accept"),
        default="refuse",
        help="ids that name nothing: a 404, or an object that is made up (default: refuse)",
    )
    parser.add_argument("--loop", choices=("uvloop", "asyncio"), default="uvloop", help="the event loop")
    return parser


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= MOST_PORT:
        raise argparse.ArgumentTypeError(f"found {port}, expected a port from 0 to {MOST_PORT}")
    return port


def _ports(text: str) -> tuple[int, ...]:
    return tuple([_port(part) for part in text.split(",")])
