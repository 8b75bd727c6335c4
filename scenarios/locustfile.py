"""The Locust file that plays any scenario, in stock Locust.

    python -m windtunnel.scenarios.locustfile --scenario retry_storm --client openai-4s-timeout

is `locust -f THIS_FILE …`, and opens Locust's own page. Each test that is started there leaves a run directory with a
report. `windtunnel run` starts it headless, with `--cell`. Calls and attempts appear as rows of their own (types CALL
and ATTEMPT), and the total counts calls. Locust's users only stand by: arrivals come from the scenario's schedule, one
greenlet each (async clients: one task each), so the number of users and the spawn rate change nothing.

Locust forks after importing this file, so nothing is started here: all begins in `test_start`, on each worker.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import tempfile
import traceback
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

if __name__ == "__main__":  # before Locust is imported: the file is loaded again, by Locust
    os.execv(sys.executable, [sys.executable, "-m", "locust", "-f", __file__, *sys.argv[1:]])

import gevent
from locust import User, constant, events, task
from locust.env import Environment
from locust.runners import MasterRunner, WorkerRunner

from windtunnel.harness.contract.records import AttemptRow, CallRow
from windtunnel.harness.errors import HarnessError
from windtunnel.harness.load.by_hand import ByHand, read_cell
from windtunnel.harness.load.worker import Worker
from windtunnel.mock_server.server.end_with_parent import die_with_parent

DONE = "windtunnel_done"
STAND_BY_S = 3600.0
FAILED = 4


class Application(User):
    """Stands by, so that Locust counts the test as running."""

    wait_time = constant(STAND_BY_S)

    @task
    def stand_by(self) -> None:
        """Arrivals do not come from here."""
        gevent.sleep(STAND_BY_S)


@events.init_command_line_parser.add_listener
def add_options(parser: ArgumentParser) -> None:
    """Add the options of this file to Locust's own."""
    group = parser.add_argument_group("windtunnel")
    group.add_argument("--scenario", help="a scenario of the gallery, or a YAML file")
    group.add_argument("--client", help="a client profile, or a YAML file (default: the scenario's first)")
    group.add_argument("--cell", default="", help="the plan of a cell, written by `windtunnel run`")
    group.add_argument("--base-url", default="", help="with --cell: the regions' base URLs, as JSON")


class Session:
    """The part of this Locust process in playing a cell; it stands on Locust's environment."""

    def __init__(self, environment: Environment, folder: Path, by_hand: ByHand | None) -> None:
        self.environment = environment
        self.folder = folder
        self.by_hand = by_hand
        self.waiting_for = 0

    def play(self) -> None:
        """Play this process's share and report that it is done."""
        environment = self.environment
        options: Any = environment.parsed_options
        runner = environment.runner
        number = runner.worker_index if isinstance(runner, WorkerRunner) else 0
        processes = max(1, options.processes or 1)
        folder, urls = self.folder, None
        if options.cell:
            plan, urls = read_cell(Path(options.cell)), json.loads(options.base_url)
        else:
            plan, urls = (
                read_cell(self.folder / "cell.json"),
                json.loads((self.folder / "urls.json").read_text()),
            )
            folder = self.folder / (self.folder / "current").read_text()
        Worker(plan, folder, number, processes, urls).play(self.on_call, self.on_attempt)
        if isinstance(runner, WorkerRunner):
            runner.send_message(DONE)
        else:
            self.over()

    def over(self) -> None:
        """End the test: every process has played its share."""
        if self.environment.runner is None:
            return
        self.environment.process_exit_code = 0  # calls that fail are what a scenario is there for
        if self.environment.web_ui is None:
            self.environment.runner.quit()
        else:
            self.environment.runner.stop()

    def on_call(self, row: CallRow, error: BaseException | None) -> None:
        """Show a call in Locust's statistics; its time counts from the intended moment."""
        failure = error if error is not None or row.outcome == "ok" else RuntimeError(row.outcome)
        took_ms = ((row.ended_s or row.intended_s) - row.intended_s) * 1000
        self.environment.events.request.fire(
            request_type="CALL",
            name=f"{row.api} {row.client}",
            response_time=took_ms,
            response_length=row.tokens_received,
            exception=failure,
            context={},
        )

    def on_attempt(self, row: AttemptRow) -> None:
        """Show an attempt in Locust's statistics, in a row of its own."""
        failed = row.error_type or (f"status {row.status}" if (row.status or 0) >= 400 else None)
        took_ms = ((row.ended_s or row.started_s) - row.started_s) * 1000
        # Not through the event: it would be added to the total, which counts calls. A call has one attempt at least.
        entry = self.environment.stats.get(row.client, "ATTEMPT")
        entry.log(round(took_ms), row.body_bytes)
        if failed:
            entry.log_error(failed)


def session_folder(environment: Environment) -> Path:
    """Where processes of one Locust command meet: the cell's directory, or a temporary one by hand."""
    options: Any = environment.parsed_options
    if options.cell:
        return Path(options.cell).resolve().parent
    leader = os.getppid() if isinstance(environment.runner, WorkerRunner) else os.getpid()
    return Path(tempfile.gettempdir()) / f"windtunnel-by-hand-{leader}"


@events.init.add_listener
def on_init(environment: Environment, **_: Any) -> None:
    """Make the session; by hand, also start the mock (in the leading process)."""
    options: Any = environment.parsed_options
    if options is None:
        return
    worker = isinstance(environment.runner, WorkerRunner)
    if worker or options.cell:
        die_with_parent(os.getppid() if worker else None)
    by_hand = None
    if not options.cell and not worker:
        if not options.scenario:
            sys.exit(
                "windtunnel: --scenario: found nothing, expected a scenario of the gallery or a YAML file"
            )
        try:
            by_hand = ByHand(
                session_folder(environment), options.scenario, options.client, max(1, options.processes or 1)
            )
        except HarnessError as error:
            print(f"windtunnel: {error}", file=sys.stderr)
            sys.exit(error.exit_code)
        environment.events.quitting.add_listener(lambda **_: by_hand.close())
    session = Session(environment, session_folder(environment), by_hand)
    environment.windtunnel = session  # type: ignore[attr-defined]  # Locust keeps a file's state so
    if isinstance(environment.runner, MasterRunner):
        environment.runner.register_message(DONE, on_done)


def session_of(environment: Environment) -> Session:
    """Return the session that `on_init` made."""
    session: Session = environment.windtunnel  # type: ignore[attr-defined]  # set by `on_init`
    return session


def on_done(environment: Environment, msg: Any, **_: Any) -> None:
    """Note that a worker has played its share; after the last one the test is over."""
    session = session_of(environment)
    session.waiting_for -= 1
    if session.waiting_for == 0:
        session.over()


@events.test_stop.add_listener
def on_test_stop(environment: Environment, **_: Any) -> None:
    """By hand, a test that is over becomes a report."""
    options: Any = environment.parsed_options
    if options is not None and (by_hand := session_of(environment).by_hand) is not None:
        by_hand.finish()


@events.test_start.add_listener
def on_test_start(environment: Environment, **_: Any) -> None:
    """Play, on workers and in a process alone; a master only leads."""
    options: Any = environment.parsed_options
    # Locust shows INFO of every library: a line per request is load of our own, and every request has a row.
    for library in ("openai", "httpx", "httpcore", "httpx2", "httpcore2"):
        logging.getLogger(library).setLevel(logging.WARNING)
    session = session_of(environment)
    session.waiting_for = max(1, options.processes or 1)
    if session.by_hand is not None:
        folder = session.by_hand.play_folder()
        gevent.spawn(session.by_hand.begin, folder).link_exception(fail)
    if not isinstance(environment.runner, MasterRunner):
        gevent.spawn(session.play).link_exception(fail)


def fail(greenlet: gevent.Greenlet) -> None:
    """End the process at once: a load that failed must not look like a run that was played to its end."""
    traceback.print_exception(greenlet.exception)
    print(f"windtunnel: the load failed: {greenlet.exception}", file=sys.stderr, flush=True)
    os._exit(FAILED)
