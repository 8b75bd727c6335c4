# ruff: noqa: E501 -- the table of mistakes has a row for each
"""Client profiles: what may stand in one, and a clear message for everything that may not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from windtunnel.harness.errors import CollectedInputError, InputError
from windtunnel.harness.inputs import installed
from windtunnel.harness.inputs.honoured import ONLY
from windtunnel.harness.inputs.installed import check_installed
from windtunnel.harness.inputs.policies import SDK_RETRIES
from windtunnel.harness.inputs.profile import Pool, Profile, SdkArguments, Timeouts, load_profile_file

MINIMAL: dict[str, Any] = {
    "name": "mine",
    "about": "A client.",
    "driver": "openai",
    "timeouts": {"connect": "5s", "read": "600s", "write": "600s", "pool": "600s"},
    "pool": {"connections": 1000, "keepalive": 100, "expiry": "5s"},
}


def read(tmp_path: Path, **more: Any) -> Profile:
    file = tmp_path / "mine.yaml"
    YAML(typ="safe").dump({**MINIMAL, **more}, file)
    return load_profile_file(file)


def message(tmp_path: Path, **more: Any) -> str:
    with pytest.raises(InputError) as caught:
        read(tmp_path, **more)
    return str(caught.value)


def test_defaults(tmp_path: Path) -> None:
    """A profile that says no more than it must has one try, no budget, no limiter, no deadline, and checks nothing."""
    profile = read(tmp_path)
    assert (profile.retries.kind, profile.retries.tries) == ("none", 1)
    assert (profile.budget, profile.limiter, profile.deadline, profile.checks) == (None, None, None, ())
    assert profile.retries.retry_on == SDK_RETRIES


def test_round_trip(tmp_path: Path) -> None:
    """A profile that is dumped as JSON, with units, reads back as the same."""
    retries = {
        "kind": "exponential",
        "tries": 3,
        "retry_on": [429, "5xx", "timeout"],
        "retry_after_cap": "2m",
    }
    profile = read(tmp_path, retries=retries, budget={"kind": "ratio", "deposit": 0.1, "cap": 10})
    assert Profile.model_validate(profile.model_dump(mode="json")) == profile
    assert Profile.model_validate_json(profile.model_dump_json()) == profile


def test_sdk_timeout_states_the_sockets(tmp_path: Path) -> None:
    """`sdk.timeout` is all four socket timeouts, as the SDK has it."""
    profile = read(tmp_path, sdk={"timeout": "4s"}, timeouts={"read": "4s", "total": "9s"})
    timeouts = profile.timeouts
    assert (timeouts.connect, timeouts.read, timeouts.write, timeouts.pool) == (4.0, 4.0, 4.0, 4.0)
    assert profile.deadline == 9.0


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"braker": {}}, "braker: found the unknown key 'braker', expected a known key (did you mean 'breaker'?)"),
        ({"breaker": {"rate": 50}}, "breaker.rate: found '50', expected a number of at most 1"),
        ({"breaker": {"counts": ["slow"]}}, "breaker.counts[0]: found 'slow', expected a status from 400 to 599 or one of timeout"),
        ({"retrys": {}}, "retrys: found the unknown key 'retrys', expected a known key (did you mean 'retries'?)"),
        ({"sdk": {"max_retry": 2}}, "sdk.max_retry: found the unknown key 'max_retry', expected a known key (did you mean 'max_retries'?)"),
        ({"timeouts": {"raed": "1s"}}, "timeouts.raed: found the unknown key 'raed', expected a known key (did you mean 'read'?)"),
        ({"driver": "opnai"}, "driver: found 'opnai', expected 'openai', 'openai-async', 'openai-aiohttp', 'httpx2', 'httpx2-async', 'aiohttp', 'python' or 'exec'"),
        ({"timeouts": {"read": 4}}, "timeouts.read: found 4 without a unit, expected a duration"),
        ({"timeouts": {"read": "0s"}}, "timeouts.read: found '0s', expected a duration above zero"),
        ({"sdk": {"timeout": 4}}, "sdk.timeout: found 4 without a unit, expected a duration"),
        ({"sdk": {"timeout": "4s"}}, "timeouts.connect: found 5s, expected 4s, as sdk.timeout says"),
        ({"sdk": {"max_retries": -1}}, "sdk.max_retries: found '-1', expected a number of at least 0"),
        ({"driver": "httpx2", "sdk": {"max_retries": 2}}, "sdk.max_retries: found 2, expected none with the driver httpx2; the drivers openai, openai-async and openai-aiohttp can"),
        ({"driver": "aiohttp", "sdk": {"max_retries": 2}}, "sdk.max_retries: found 2, expected none with the driver aiohttp; the drivers openai, openai-async and openai-aiohttp can"),
        ({"driver": "aiohttp"}, "timeouts.write: found 600s, expected null with the driver aiohttp; the drivers openai, openai-async, openai-aiohttp, httpx2, httpx2-async and python can"),
        ({"driver": "openai-aiohttp"}, "pool.keepalive: found 100, expected null with the driver openai-aiohttp; the drivers openai, openai-async, httpx2, httpx2-async and python can"),
        ({"driver": "python"}, "target: found nothing, expected package.module:function with the driver python"),
        ({"target": "mine:ask"}, "target: found 'mine:ask', expected none with the driver openai"),
        ({"driver": "python", "target": "mine.ask"}, "target: found 'mine.ask', expected package.module:function, such as my_client:ask"),
        ({"http": 3}, "http: found '3', expected 1.1 or 2"),
        ({"http": True}, "http: found 'True', expected 1.1 or 2"),
        ({"driver": "python", "target": "mine:ask", "http": 2}, "http: found 2, expected 1.1 with the driver python: a function makes its own client"),
        ({"budget": {"kind": "aws"}}, "budget: found a budget, and no retries around the driver that it could pay for, expected retries of the kind fixed or exponential"),
        ({"retries": {"kind": "none", "retry_on": [429]}}, "retries.retry_on: found [429] beside kind none, expected this key left out"),
        ({"retries": {"kind": "fixed", "respect_retry_after": False, "retry_after_jitter": 0.25}}, "retries.retry_after_jitter: found 0.25 beside respect_retry_after: false, expected this key left out"),
        ({"driver": "exec"}, "command: found nothing, expected the program and its arguments with the driver exec"),
        ({"command": ["me"]}, "command: found [me], expected none with the driver openai; the driver exec can"),
        ({"workers": 2}, "workers: found 2, expected none with the driver openai; the driver exec can"),
        ({"driver": "exec", "command": ["me"]}, "timeouts.connect: found 5s, expected null with the driver exec; the drivers openai, openai-async"),
        ({"driver": "exec", "command": ["me"], "timeouts": {}}, "pool.connections: found 1000, expected null with the driver exec; the drivers openai"),
        ({"driver": "exec", "command": ["me"], "timeouts": {}, "pool": {}, "checks": ["end"]}, "checks: found 'end', expected finish_reason or refusal"),
        ({"driver": "exec", "command": []}, "command: found"),
        ({"pool": {"connections": 0}}, "pool.connections: found '0', expected a number of at least 1"),
        ({"pool": "big"}, "pool: found 'big', expected a mapping"),
        ({"retries": {"tries": 3}}, "retries.tries: found 3 with kind none, expected 1, or kind fixed or exponential"),
        ({"retries": {"kind": "fixed", "retry_on": [200]}}, "retries.retry_on[0]: found 200, expected a status from 400 to 599"),
        ({"retries": {"kind": "fixed", "retry_on": ["sometimes"]}}, "retries.retry_on[0]: found 'sometimes', expected a status"),
        ({"budget": {"kind": "ratio", "deposit": 1, "cap": 2, "start": 3}}, "budget.start: found 3, expected at most the cap, 2"),
        ({"budget": {"kind": "ratio"}}, "budget.deposit: found nothing, expected this key, which is required"),
        ({"limiter": {"rpm": 0}}, "limiter.rpm: found '0', expected a whole number of at least 1, or the word quota"),
        ({"limiter": {"rpm": 60, "tpm": 0}}, "limiter.tpm: found '0', expected a whole number of at least 1, or the word quota"),
        ({"limiter": {"rpm": 60, "adaptive": {"decrease": 1}}}, "limiter.adaptive.decrease: found '1', expected a number below 1"),
        ({"limiter": {"rpm": 60, "priorities": [{"name": "a", "wait": "1s"}, {"name": "a", "wait": "1s"}]}}, "limiter.priorities[1].name: found 'a', expected a name that is not taken"),
        ({"limiter": {"rpm": 60, "priorities": [{"name": "a", "wait": "1s"}, {"name": "b", "wait": "2s"}]}}, "limiter.priorities[1].wait: found 2s, expected at most 1s, that of the more important one before"),
        ({"limiter": {"rpm": 60, "priorities": [{"name": "a", "share": 0.5, "wait": "1s"}]}}, "limiter.priorities: found shares of 0.5 in 1 of 1, expected a share for each, 1 in all"),
        ({"checks": ["done"]}, "checks[0]: found 'done', expected 'finish_reason', 'refusal' or 'end'"),
        ({"name": "a/b"}, "name: found 'a/b', expected text of the form"),
    ],
)  # fmt: skip
def test_mistakes(tmp_path: Path, more: dict[str, Any], expected: str) -> None:
    """Each mistake gives one message with file, line, key path, what was found and what was expected."""
    lines = message(tmp_path, **more).split("\n")
    assert any(line.split(": ", 1)[1].startswith(expected) for line in lines), lines
    assert all(line.startswith(f"{tmp_path}/mine.yaml:") for line in lines)


def test_all_mistakes_at_once(tmp_path: Path) -> None:
    """Several mistakes in one file are all shown, in the order of their lines, as one error with exit code 2."""
    with pytest.raises(CollectedInputError) as caught:
        read(tmp_path, driver="x", sdk={"timeout": 4}, limiter={"rpm": 0}, checks=["done"], braker={})
    paths = [error.path for error in caught.value.errors]
    assert sorted(paths) == ["braker", "checks[0]", "driver", "limiter.rpm", "sdk.timeout"]
    found = [error.line or 0 for error in caught.value.errors]
    assert found == sorted(found)
    assert caught.value.exit_code == 2
    assert str(caught.value).count("\n") == 4


@pytest.mark.parametrize("key", sorted(MINIMAL))
def test_required_keys(tmp_path: Path, key: str) -> None:
    """Name, about, driver, timeouts and pool must be stated."""
    file = tmp_path / "mine.yaml"
    YAML(typ="safe").dump({name: value for name, value in MINIMAL.items() if name != key}, file)
    with pytest.raises(InputError, match=f"{key}: found nothing, expected this key, which is required"):
        load_profile_file(file)


def test_a_driver_that_is_not_installed_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """openai 2 over aiohttp needs a package more: without it the client is refused by name, before a run begins."""
    profile = read(tmp_path, driver="openai-aiohttp", pool={"connections": 10})
    monkeypatch.setattr(installed, "packages", lambda: {"openai": "2.50.0"})
    with pytest.raises(InputError, match=r"the client mine: driver: found openai-aiohttp with openai 2\.50"):
        check_installed([profile])
    monkeypatch.setattr(installed, "packages", lambda: {"openai": "2.50.0", "httpx-aiohttp": "0.1.9"})
    check_installed([profile])
    monkeypatch.setattr(installed, "packages", lambda: {"openai": "3.52.0"})
    check_installed([profile, read(tmp_path)])


def test_every_driver_and_setting_of_the_table_exists() -> None:
    """The table of who honours what names drivers that there are, and settings that a profile has."""
    from windtunnel.harness.clients import DRIVERS  # drivers import their libraries

    for path, drivers in ONLY.items():
        assert set(drivers) < set(DRIVERS)
        first, _, rest = path.partition(".")
        assert first in Profile.model_fields
        part = {
            "sdk": SdkArguments.__annotations__,
            "timeouts": Timeouts.model_fields,
            "pool": Pool.model_fields,
        }
        assert not rest or rest in part[first]
