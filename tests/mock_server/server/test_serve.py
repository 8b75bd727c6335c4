"""The server as a process: how it begins, what it refuses, and how it ends."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from windtunnel.mock_server.journal.schemas import LAG_SCHEMA
from windtunnel.mock_server.journal.segments import read_segments
from windtunnel.mock_server.plan.plan import Plan
from windtunnel.mock_server.provider.admission import DEFAULT_UNIX_T0
from windtunnel.mock_server.server.end_with_parent import PARENT_PID
from windtunnel.mock_server.server.options import ServeError, ServeOptions, needs_shared_state
from windtunnel.mock_server.server.serve import main

COMMAND = [sys.executable, "-m", "windtunnel.mock_server"]
ENVIRONMENT = {k: v for k, v in os.environ.items() if k not in (PARENT_PID, "WINDTUNNEL_CONTROL_TOKEN")}
UNLIMITED = {"capacity": {"slots": 1_000_000}, "answer": {"first_token": "1ms", "tokens": 1}}
CHAT = {"model": "gpt-4.1-mini", "messages": [{"role": "user", "content": "hello"}]}


@contextmanager
def _server(*arguments: str, stdin: Any = None) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """A server process and its JSON line; killed at the end if it still runs."""
    process = subprocess.Popen(
        [*COMMAND, *arguments],
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
    )
    with process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line, process.stderr and process.stderr.read()
            yield process, json.loads(line)
        finally:
            process.kill()


def _get(url: str, body: Any = None, *, method: str | None = None, token: str = "sk-x") -> Any:
    data = None if body is None else json.dumps(body).encode()
    headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
    request = urllib.request.Request(url, data=data, headers=headers, method=method)
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=20) as answer:
        return json.loads(answer.read())


def _plan_file(directory: Path, **plan: Any) -> str:
    path = directory / "plan.json"
    path.write_text(json.dumps(Plan.model_validate(plan).model_dump(mode="json", by_alias=True)))
    return str(path)


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_from_the_json_line_to_the_records(tmp_path: Path, loop: str) -> None:
    """One JSON line says where to call; after a stop the records are whole, the exit status is 0."""
    plan = _plan_file(tmp_path, provider={**UNLIMITED, "regions": {"east": {}, "west": {}}})
    with _server("--plan", plan, "--journal", str(tmp_path), "--loop", loop) as (process, line):
        assert line["pid"] == process.pid
        assert line["base_url"] == line["regions"]["east"]
        for base in line["regions"].values():
            completion = _get(f"{base}/chat/completions", CHAT)
            assert completion["object"] == "chat.completion"
            assert abs(completion["created"] - time.time()) < 60
        assert _get(f"{line['admin_url']}/health")["status"] == "ok"
        assert _get(f"{line['admin_url']}/stop", {})["status"] == "stopping"
        assert process.wait(20) == 0
    served = read_segments(tmp_path.glob("served-*.arrows"))
    assert served.column("region").to_pylist() == ["east", "west"]
    assert set(served.column("process").to_pylist()) == {process.pid}
    connections = read_segments(tmp_path.glob("connections-*.arrows"))
    assert sorted(connections.column("region").to_pylist()) == ["east", "west"]
    lags = read_segments(tmp_path.glob("lags-mock-*.arrows"), LAG_SCHEMA)
    assert set(lags.column("source").to_pylist()) <= {"server"}


def test_a_region_that_refuses_has_an_admin_api(tmp_path: Path) -> None:
    """A server whose only region refuses is ready, and another plan opens the region, at the same port."""
    plan = _plan_file(tmp_path, provider=UNLIMITED, rules=[{"fault": "refuse"}])
    with _server("--plan", plan) as (process, line):
        with pytest.raises(urllib.error.URLError, match="refused"):
            _get(f"{line['base_url']}/models")
        healthy = Plan.model_validate({"provider": UNLIMITED}).model_dump(mode="json", by_alias=True)
        _get(f"{line['admin_url']}/plan", healthy, method="PUT")
        assert _get(f"{line['base_url']}/chat/completions", CHAT)["object"] == "chat.completion"
        assert _get(f"{line['admin_url']}/stop", {})["status"] == "stopping"
        assert process.wait(20) == 0


def test_an_admin_port_in_use(capsys: pytest.CaptureFixture[str]) -> None:
    """The message about a port in use names the option that chooses it."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        assert main(["--admin-port", str(other.getsockname()[1])]) == 2
    assert "choose another with --admin-port" in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_is_a_proper_stop(tmp_path: Path, number: signal.Signals) -> None:
    """SIGTERM and SIGINT cut the journal like a stop, also with a request under way."""
    plan = _plan_file(tmp_path, provider={"answer": {"first_token": "1h"}})
    with _server("--plan", plan, "--journal", str(tmp_path)) as (process, line):
        host, port = line["base_url"].split("/")[2].split(":")
        with socket.create_connection((host, int(port)), 20) as sock:
            body = json.dumps(CHAT).encode()
            head = f"host: x\r\nauthorization: Bearer x\r\ncontent-length: {len(body)}\r\n\r\n"
            sock.sendall(b"POST /v1/chat/completions HTTP/1.1\r\n" + head.encode() + body)
            assert sock.recv(100)
            process.send_signal(number)
            assert process.wait(20) == 0
    assert read_segments(tmp_path.glob("served-*.arrows")).column("ending").to_pylist() == ["cut"]


def test_it_ends_with_its_parent() -> None:
    """With --with-parent the server ends when its stdin is closed, and when its parent is killed."""
    with _server("--with-parent", stdin=subprocess.PIPE) as (process, _):
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(20) == 0
    starter = (
        "import subprocess, sys; child = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE, "
        "stdout=subprocess.PIPE, text=True); print(child.stdout.readline(), flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", starter, *COMMAND, "--with-parent"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
    ) as parent:
        assert parent.stdout is not None
        line = json.loads(parent.stdout.readline())
        watch = os.pidfd_open(line["pid"])
        parent.kill()
        _await_exit(watch)


def _await_exit(pidfd: int) -> None:
    try:
        assert select.select([pidfd], [], [], 20)[0]
    finally:
        os.close(pidfd)


def test_a_port_in_use(capsys: pytest.CaptureFixture[str]) -> None:
    """A port that another process listens on is one clear message and exit status 2."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert main(["--port", str(port)]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert f"port {port} on 127.0.0.1 is in use" in said.err


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.com"])
def test_other_machines_need_a_token(
    host: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Listening for other machines without an admin token is refused before anything is opened."""
    monkeypatch.delenv("WINDTUNNEL_CONTROL_TOKEN", raising=False)
    assert main(["--host", host]) == 2
    assert "admin token" in capsys.readouterr().err


def test_with_a_token_any_address_is_fine() -> None:
    """With a token the server listens where it is told to, and its admin API wants the token."""
    with _server("--host", "0.0.0.0", "--control-token", "secret") as (_, line):
        assert line["base_url"].startswith("http://127.0.0.1:")
        with pytest.raises(urllib.error.HTTPError, match="401") as caught:
            _get(f"{line['admin_url']}/health")
        caught.value.close()
        assert _get(f"{line['admin_url']}/health", token="secret")["status"] == "ok"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"provider": {"capacity": {"slots": "many"}}}', "provider.capacity.slots"),
        ('{"phases": [{"name": "a", "for": 5}]}', "phases.0.for"),
        ("not json", "is not JSON"),
        (None, "cannot read the plan"),
    ],
)
def test_a_bad_plan(
    tmp_path: Path, content: str | None, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A plan that cannot be used is one message with file and key path, and exit status 2."""
    path = tmp_path / "plan.json"
    if content is not None:
        path.write_text(content)
    assert main(["--plan", str(path)]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert "plan.json" in error


def test_a_journal_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A journal directory that is a file is one message and exit status 2."""
    (tmp_path / "file").touch()
    assert main(["--journal", str(tmp_path / "file" / "journal")]) == 2
    assert "cannot write the journal" in capsys.readouterr().err


def test_a_full_disk_is_no_measurement(tmp_path: Path) -> None:
    """When records cannot be written any more the server ends with status 3 and says why."""
    limited = "import resource, runpy, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
    limited += "resource.setrlimit(resource.RLIMIT_FSIZE, (200000, 200000)); "
    limited += "runpy.run_module('windtunnel.mock_server', run_name='__main__')"
    with subprocess.Popen(
        [sys.executable, "-c", limited, "--journal", str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
    ) as process:
        assert process.stdout is not None
        line = json.loads(process.stdout.readline())
        _ask_until_it_fails(f"{line['base_url']}/models")
        _, error = process.communicate(timeout=20)
    assert process.returncode == 3
    assert "records could not be written" in error
    assert read_segments(tmp_path.glob("served-*.arrows")).num_rows > 0


def _ask_until_it_fails(url: str) -> None:
    while True:
        try:
            _get(url)
        except OSError:
            return


def test_workers_share_the_port(tmp_path: Path) -> None:
    """Several workers serve one port, keep journals of their own, state one time, and end together."""
    plan = _plan_file(tmp_path, provider=UNLIMITED)
    options = ["--workers", "2", "--journal", str(tmp_path), "--epoch", "fixed"]
    with _server("--plan", plan, *options) as (process, line):
        assert len(line["workers"]) == 2
        for _ in range(40):
            assert _get(f"{line['base_url']}/chat/completions", CHAT)["created"] - DEFAULT_UNIX_T0 < 60
        with pytest.raises(urllib.error.HTTPError, match="409") as caught:
            _get(f"{line['admin_url']}/reset", {})
        caught.value.close()
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    served = read_segments(tmp_path.glob("served-*.arrows"))
    assert served.num_rows == 40
    assert len(set(served.column("served_id").to_pylist())) == 40
    assert set(served.column("process").to_pylist()) == set(line["workers"])


@pytest.mark.parametrize(
    ("plan", "reason"),
    [
        ({}, "provider.capacity.slots is 64"),
        ({"provider": UNLIMITED | {"limits": {"rpm": 60}}}, "provider.limits"),
        ({"provider": UNLIMITED, "rules": [{"fault": "overloaded", "first": 2}]}, "rules count"),
        (
            {
                "provider": UNLIMITED,
                "phases": [{"name": "a", "for": "1s", "provider": {"capacity": {"slots": 4}}}],
            },
            "provider.capacity.slots is 4",
        ),
        ({"provider": {"capacity": UNLIMITED["capacity"], "answer": {"slowdown": 1.0}}}, "slowdown"),
    ],
)
def test_workers_share_no_state(plan: dict[str, Any], reason: str) -> None:
    """Several workers are refused for whatever they would have to share, with the reason."""
    with pytest.raises(ServeError, match="--workers 2 is refused") as caught:
        ServeOptions(plan=Plan.model_validate(plan), workers=2).check()
    assert reason in str(caught.value)
    assert needs_shared_state(Plan.model_validate({"provider": UNLIMITED})) is None


def test_no_key_reaches_the_disk(tmp_path: Path) -> None:
    """Neither the API key nor the admin token is written anywhere below the journal's directory."""
    plan = _plan_file(tmp_path, provider=UNLIMITED)
    journal = tmp_path / "journal"
    with _server("--plan", plan, "--journal", str(journal), "--control-token", "token-4711") as (
        process,
        line,
    ):
        _get(f"{line['base_url']}/chat/completions", CHAT, token="sk-very-secret")
        _get(f"{line['admin_url']}/stop", {}, token="token-4711")
        assert process.wait(20) == 0
    written = b"".join([path.read_bytes() for path in journal.iterdir()])
    assert b"very-secret" not in written
    assert b"4711" not in written


@pytest.mark.parametrize(
    ("plan", "expected"),
    [
        ({"plan_version": 99}, "plan_version: found 99, expected 1, the only version that there is"),
        ({"\x1b]0;mine\x07\x1b[2J": 1}, r"\x1b]0;mine\x07\x1b[2J"),
    ],
)
def test_a_plan_that_is_refused_at_the_start(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], plan: dict[str, Any], expected: str
) -> None:
    """Exit 2 and one message; no escape sequence of the file reaches the terminal."""
    file = tmp_path / "plan.json"
    file.write_text(json.dumps(plan))
    assert main(["--plan", str(file)]) == 2
    said = capsys.readouterr().err
    assert expected in said
    assert "\x1b" not in said
