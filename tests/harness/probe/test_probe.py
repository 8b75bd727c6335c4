"""`windtunnel probe` as a whole: promises, hang-ups, effects; programs that never call, vanish or stay."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.harness.probe.planted import FLAKY, probed, python, truth
from windtunnel.harness.errors import InputError
from windtunnel.harness.probe.command import probe_command
from windtunnel.harness.probe.model import probe_schema
from windtunnel.harness.probe.options import ProbeOptions, ServiceCall, asked_body, asked_headers

POST = """
import os, sys, time, json, httpx
URL = os.environ["OPENAI_BASE_URL"]
HEADERS = {"authorization": "Bearer " + os.environ["OPENAI_API_KEY"]}
def ask(client, text, **more):
    body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": text}], **more}
    return client.post(URL + "/chat/completions", json=body, headers=HEADERS)
"""


def program(code: str) -> list[str]:
    """A Python program of some lines, which may `ask`."""
    return [sys.executable, "-c", POST + textwrap.dedent(code)]


def scenario(folder: Path, rule: str, **phase: str) -> str:
    """A scenario with one phase, in which a rule is always on."""
    path = folder / "scenario.yaml"
    path.write_text(
        textwrap.dedent(
            f"""
            name: one_rule
            about: One rule, always on.
            seed: 1
            provider:
              capacity: {{slots: 100}}
              answer: {{first_token: 10ms, tokens: 40, tokens_per_second: 400}}
            load: {{api: chat, arrivals: constant, rate: 20/s, deadline: 10s}}
            phases:
              - name: faulty
                for: {phase.get("length", "20s")}
                rules: [{rule}]
            clients: [openai-default]
            """
        )
    )
    return str(path)


def test_a_rule_for_first_attempts_ends_for_an_application_that_retries_above_its_sdk(tmp_path: Path) -> None:
    """`first: 2` fails each call twice and no more: neither a new counter nor a new connection makes a new call."""
    above = """
    from openai import OpenAI, APIError
    for number in range(4):
        for attempt in range(6):
            client = OpenAI(max_retries=0)  # a client for each attempt: new connections, and counters that say 0
            prompt = [{"role": "user", "content": f"q{number}"}]
            try:
                client.chat.completions.create(model="gpt-4o-mini", messages=prompt)
                print(attempt + 1)
                break
            except APIError:
                client.close()
                time.sleep(0.05)
    """
    rule = "{fault: server_error, first: 2}"
    code, result = probed(tmp_path / "out", program(above), scenario=scenario(tmp_path, rule))
    assert (tmp_path / "out" / "stdout.txt").read_text().split() == ["3"] * 4
    calls = result["figures"]["calls"]
    assert (code, calls["calls"], calls["attempts_per_call"], calls["certain"]) == (0, 4, 3.0, True)
    jsonschema.validate(result, probe_schema())


def test_promises_that_are_kept_and_that_are_broken(tmp_path: Path) -> None:
    """Retry-After is followed up: kept, ignored, not retried; the earliest are named."""
    code = """
    with httpx.Client() as client:
        for number, wait in enumerate((1.05, 0.1, None)):
            answer = ask(client, f"q{number}")
            assert answer.status_code == 429
            if wait is not None:
                time.sleep(wait)
                assert ask(client, f"q{number}").status_code == 200
    """
    rule = "{fault: rate_limit_requests, with: {retry_after: 1s}, first: 1}"
    _, result = probed(tmp_path / "out", program(code), scenario=scenario(tmp_path, rule))
    assert result["program"]["ending"]["code"] == 0, (tmp_path / "out" / "stderr.txt").read_text()
    waits = result["figures"]["retry_after"]
    found = {key: waits[key] for key in ("promised", "kept", "early", "ignored", "gave_up", "not_known")}
    assert found == {"promised": 3, "kept": 1, "early": 0, "ignored": 1, "gave_up": 1, "not_known": 0}
    assert 0.09 < waits["least_share"] < 0.5
    assert waits["evidence"][0]["of_s"] == 1.0


def test_a_stalled_stream_that_is_borne_and_one_that_is_not(tmp_path: Path) -> None:
    """How long silences were borne is told with its evidence, and what the work behind a hang-up cost."""
    code = """
    with httpx.Client(timeout=httpx.Timeout(10, read=0.7)) as client:
        try:
            ask(client, "short patience", stream=True)
        except httpx.ReadTimeout:
            print("left")
    """
    _, result = probed(tmp_path / "out", program(code), scenario=scenario(tmp_path, "{fault: stall}"))
    assert (tmp_path / "out" / "stdout.txt").read_text() == "left\n"
    figures = result["figures"]
    assert figures["abandonment"]["requests"] == 1
    assert 0.6 < figures["hangs"]["longest_s"] < 5
    assert figures["abandonment"]["tokens_generated"] > 0


def test_what_is_done_twice_is_counted(tmp_path: Path) -> None:
    """A client that hangs up and asks again has two answers generated for one call."""
    code = """
    for number in range(4):
        try:
            httpx.post(URL + "/chat/completions", headers=HEADERS, timeout=0.25, json={
                "model": "gpt-4o-mini", "messages": [{"role": "user", "content": f"q{number}"}]})
        except httpx.TimeoutException:
            httpx.post(URL + "/chat/completions", headers=HEADERS, timeout=30, json={
                "model": "gpt-4o-mini", "messages": [{"role": "user", "content": f"q{number}"}]})
    """
    rule = "{fault: slow_first_token, with: {seconds: 1s}, first: 1}"
    _, result = probed(tmp_path / "out", program(code), scenario=scenario(tmp_path, rule))
    twice = result["figures"]["duplicates"]
    assert (twice["calls"], twice["by_api"]) == (4, {"chat": 4})
    assert twice["evidence"][0]["what"] == "2 × chat"


def test_a_program_that_never_calls_is_told_in_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 3, how it ended, its last words, and what an environment variable cannot redirect."""
    code, result = probed(tmp_path / "out", [sys.executable, "-c", "raise SystemExit('no prompts found')"])
    assert code == 3
    assert not result["valid"]
    said = capsys.readouterr().out
    assert "made no request to the mock" in said
    assert "exit code 1; its last words: no prompts found" in said
    assert "`data_residency`" in said
    assert result["program"]["ending"]["code"] == 1
    assert (tmp_path / "out" / "stderr.txt").read_text() == "no prompts found\n"


def own_address() -> str:
    """An address of this machine that is not loopback; skips the test where there is none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing; reserved for documentation
        except OSError:
            pytest.skip("this machine has loopback alone")
        return str(probe.getsockname()[0])


def test_a_client_with_its_base_url_in_the_code_is_found_out(tmp_path: Path) -> None:
    """What goes elsewhere is seen as connections beyond loopback, and named."""
    address = own_address()
    code = f"""
    import socket
    other = socket.create_connection(("{address}", int(sys.argv[1])))
    time.sleep(3)
    """
    with socket.create_server((address, 0)) as elsewhere:
        port = elsewhere.getsockname()[1]
        exit_code, result = probed(tmp_path / "out", [*program(code), str(port)])
    assert exit_code == 3
    assert any(f"{address}:{port}" in line for line in result["findings"])


def test_a_program_that_becomes_a_daemon_is_watched_to_its_end(tmp_path: Path) -> None:
    """The program is over at once; what it left behind is watched, and its calls are counted."""
    code = """
    if os.fork():
        os._exit(0)
    os.setsid()
    time.sleep(0.5)
    with httpx.Client() as client:
        for number in range(3):
            ask(client, f"q{number}")
    """
    exit_code, result = probed(tmp_path / "out", program(code), scenario=scenario(tmp_path, ""))
    assert (exit_code, result["figures"]["calls"]["calls"]) == (0, 3)
    assert result["program"]["ending"]["left"] == 1
    assert any("with 1 process of it running" in line for line in result["findings"])


def test_a_program_that_does_not_end_is_ended(tmp_path: Path) -> None:
    """`--for` says how long it is watched; that it was ended then is said, and so are the phases that it missed."""
    code = """
    with httpx.Client() as client:
        ask(client, "one")
        print("asked")
        time.sleep(1000)
    """
    exit_code, result = probed(tmp_path / "out", program(code), length_s=6.0)
    assert exit_code == 0
    assert result["program"]["ending"]["asked"]
    assert any("`--for` gives it longer" in line for line in result["findings"])
    assert 5 < result["lasted_s"] < 20


SERVICE = """
import http.server, threading
class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        question = json.loads(self.rfile.read(int(self.headers["content-length"])))["question"]
        status = 200
        with httpx.Client() as client:
            for attempt in range(2):
                if ask(client, question).status_code < 400:
                    break
            else:
                status = 502
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()
    def log_message(self, *_):
        pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


def free_port() -> int:
    """A port that nothing listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def test_a_service_is_driven_over_http(tmp_path: Path) -> None:
    """Locust calls its endpoint at the scenario's rate; its users' waits and its own calls are set side by side."""
    port = free_port()
    attach = ServiceCall(
        url=f"http://127.0.0.1:{port}/ask",
        body='{"question": "What is {{n}}?"}',
        headers={"content-type": "application/json"},
    )
    scene = scenario(tmp_path, "{fault: server_error, first: 1}", length="3s")
    exit_code, result = probed(
        tmp_path / "out", [*program(SERVICE), str(port)], scenario=scene, attach=attach
    )
    assert exit_code == 0
    users, calls = result["users"], result["figures"]["calls"]
    assert users["intended"] == 60
    assert (users["answered"], users["by_status"]) == (60, {"200": 60})
    assert (users["provider_calls_per_user_call"], users["requests_per_user_call"]) == (1.0, 2.0)
    assert (calls["calls"], calls["attempts_per_call"], calls["certain"]) == (60, 2.0, True)
    assert users["p50_s"] > 0.1
    jsonschema.validate(result, probe_schema())


def test_a_service_that_is_not_there_is_a_mistake_of_the_input(tmp_path: Path) -> None:
    """Nothing listens, and the program has ended: said at once, with its last words, and not waited for."""
    attach = ServiceCall(url=f"http://127.0.0.1:{free_port()}/ask")
    options = ProbeOptions(
        scenario=FLAKY,
        command=[sys.executable, "-c", "raise SystemExit('no port')"],
        attach=attach,
        out=tmp_path / "out",
    )
    with pytest.raises(InputError, match=r"nothing that listens on .*exit code 1; its last words: no port"):
        probe_command(options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "expected -- and the command that starts it"),
        ({"attach": ServiceCall("http://127.0.0.1:1/")}, "--port too"),
        ({"attach": ServiceCall("127.0.0.1:1/"), "port": 1}, "expected a URL"),
        ({"attach": ServiceCall("http://x/", method="SING"), "port": 1}, "expected GET, POST"),
        ({"command": ["true"], "min_certainty": 1.5}, "a number from 0 to 1"),
        ({"command": ["true"], "length_s": 0}, "a time above zero"),
        ({"command": ["no-such-program-anywhere"]}, "no such executable"),
        ({"command": ["true"], "scenario": "no_such_scenario"}, "no_such_scenario"),
    ],
)
def test_options_that_make_no_probe_are_refused(
    tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    """Each mistake is one message that says what was expected."""
    with pytest.raises(InputError, match=message):
        probe_command(ProbeOptions(**{"scenario": FLAKY, "out": tmp_path / "out", **options}))


def test_bodies_and_headers_are_read_from_the_command_line(tmp_path: Path) -> None:
    """`@FILE` is a file, a header is a name and a value, and a body is JSON unless a header says otherwise."""
    (tmp_path / "body.txt").write_text("hello {{n}}")
    assert asked_body(f"@{tmp_path / 'body.txt'}") == "hello {{n}}"
    assert asked_body('{"a": 1}') == '{"a": 1}'
    assert asked_headers(["Content-Type: text/plain", "x-a: b:c"], "x") == {
        "content-type": "text/plain",
        "x-a": "b:c",
    }
    assert asked_headers([], "x") == {"content-type": "application/json"}
    with pytest.raises(InputError, match="expected NAME: VALUE"):
        asked_headers(["nothing"], None)
    with pytest.raises(InputError, match="expected @ and a text file"):
        asked_body("@/no/such/file")


def test_a_probe_that_is_interrupted_keeps_what_it_has(tmp_path: Path) -> None:
    """Ctrl-C ends program and mock, and the figures up to then are written."""
    code = 'c = httpx.Client(); ask(c, "one"); print("asked", file=open("asked", "w"), flush=True); time.sleep(1000)'
    command = [sys.executable, "-c", "from windtunnel.harness.cli.main import main; main()", "probe"]
    command += ["--scenario", FLAKY, "--out", "out", "--", *program(code)]
    probe = subprocess.Popen(
        command,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert probe.stdout is not None
    try:
        for _ in range(600):
            try:
                probe.wait(0.1)
            except subprocess.TimeoutExpired:
                if (tmp_path / "asked").exists():
                    break
        os.killpg(probe.pid, signal.SIGINT)
        said, _ = probe.communicate(timeout=60)
    finally:
        probe.kill()
    assert probe.returncode == 0, said
    result = json.loads((tmp_path / "out" / "probe.json").read_text())
    assert result["figures"]["calls"]["calls"] == 1
    assert any("stopped by hand" in line for line in result["findings"])


def test_a_certainty_that_is_not_reached_is_exit_3(tmp_path: Path) -> None:
    """What is demanded and what was reached are said."""
    code, result = probed(tmp_path / "out", python("agent"), min_certainty=0.999)
    assert (code, result["valid"]) == (3, False)
    assert any("--min-certainty demands 0.999" in line for line in result["findings"])
    assert truth(tmp_path / "out")["calls"] == 40
