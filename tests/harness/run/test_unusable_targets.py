"""A target that no call can be made with ends the run before its load begins: one message, exit 2."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.harness.run.test_clock_choice import SMALL
from windtunnel.harness.cli.main import app
from windtunnel.harness.errors import InputError

pytestmark = pytest.mark.slow
CODE = """\
import asyncio

import requests


def yields_numbers():
    yield 7


def a_coroutine():
    return asked()


async def asked():
    return "Hello"


def runs_a_loop():
    return asyncio.run(asked())


def needs_it(base_url):
    requests.get(base_url + "/models").raise_for_status()


def fine(state):
    return "Hello"


def a_number():
    return 7
"""
OWN = """\
name: own
about: Code of one's own.
driver: python
target: own_code:{target}
{more}
timeouts: {{total: 2s}}
pool: {{}}
"""


@pytest.mark.parametrize("clock", ["virtual", "real"])
@pytest.mark.parametrize(
    ("target", "more", "said"),
    [
        ("yields_numbers", "", "target: found that the target yielded 7, of type int, expected text, or an event"),
        ("a_coroutine", "", "target: found that the target returned coroutine, expected `async def`"),
        ("runs_a_loop", "", "target: found that the target is a plain function and calls asyncio.run, expected `async"),
        ("a_number", "returns: text", "target: found that the target returned int, expected text, as its profile"),
        ("fine", "setup: own_code:needs_it", "setup: found 'needs_it', which fails: HTTPError: 401"),
    ],
)  # fmt: skip
def test_a_target_that_gives_what_nobody_can_read_is_a_mistake(
    tmp_path: Path, target: str, more: str, said: str, clock: str
) -> None:
    """It is found by the first call, which meets no fault."""
    if clock == "real" and target in ("a_coroutine", "a_number", "runs_a_loop"):
        pytest.skip("one that yields and one that fails to be set up are enough")
    (tmp_path / "own_code.py").write_text(CODE)
    (tmp_path / "own.yaml").write_text(OWN.format(target=target, more=more))
    (tmp_path / "small.yaml").write_text(SMALL.replace("openai-default, ", ""))
    command = ["run", str(tmp_path / "small.yaml"), "--clock", clock, "--out", str(tmp_path / "run")]
    shown = CliRunner().invoke(app, command)
    assert isinstance(shown.exception, InputError), (shown.output, shown.exception)
    assert str(shown.exception).startswith(f"client own: {said}"), shown.exception
    assert shown.exception.exit_code == 2
