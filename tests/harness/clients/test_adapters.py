"""The adapters: what each client really does, in its environment if there is one, against a server that fails.

`windtunnel env create` makes the environments (the profiles say how); a test whose environment is missing is skipped.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.harness.clients.conftest import Play
from tests.harness.clients.fault_server import Exchange, completion, delta, stream_of
from tests.lacking import lacks
from windtunnel.harness.inputs.gallery import load_profile
from windtunnel.harness.inputs.installed import missing_program
from windtunnel.harness.inputs.profile import Profile
from windtunnel.mock_server.api.truth import digest

WHOLE = digest([(0, "Hello there", None, [], "stop")])
COMMANDS: dict[str, tuple[str | None, list[str]]] = {
    "openai_python": (None, ["python", "{adapters}/openai_python.py"]),
    "litellm-router": ("litellm", ["python", "{adapters}/litellm_router.py"]),
    "two deployments": ("litellm", ["python", "{adapters}/litellm_router.py", "--deployments", "2"]),
    "langchain-default": ("langchain", ["python", "{adapters}/langchain_chat.py"]),
    "with_retry": ("langchain", ["python", "{adapters}/langchain_chat.py", "--with-retry", "3"]),
    "pydantic-ai": ("pydantic-ai", ["python", "{adapters}/pydantic_agent.py"]),
    "node-default": ("node-openai", ["node", "{adapters}/openai_node.mjs"]),
    "ai-sdk": ("ai-sdk", ["node", "{adapters}/ai_sdk.mjs"]),
}


def parts_of(name: str) -> dict[str, Any]:
    """The profile's parts of an adapter; the test is skipped, with the reason, if it cannot be played here."""
    env, command = COMMANDS[name]
    parts: dict[str, Any] = {"command": command, **({} if env is None else {"env": env})}
    whole = {"name": "tested", "about": "A test.", "driver": "exec", "timeouts": {}, "pool": {}, **parts}
    missing = missing_program(Profile.model_validate(whole))
    if missing is not None:
        lacks(f"an environment: {missing}")
    return parts


def healthy(exchange: Exchange) -> None:
    if exchange.body.get("stream"):
        stream_of(exchange, [delta("Hello"), delta(" there"), delta(finish="stop")])
    else:
        exchange.json(completion())


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("name", COMMANDS)
def test_a_healthy_answer_is_the_truth(play: Play, name: str, stream: bool) -> None:
    """Whole and unchanged, with the call's id in the header, and one request."""
    played = play("exec", healthy, stream=stream, **parts_of(name))
    call = played.call
    assert (call["outcome"], call["digest"], call["error_message"]) == ("ok", WHOLE, None)
    assert [headers.get("x-windtunnel-call") for _, headers, _ in played.server.requests] == ["c0"]


REQUESTS = {
    "openai_python": 3,
    "litellm-router": 3,
    "langchain-default": 3,
    "with_retry": 9,  # three tries of the SDK's three
    "pydantic-ai": 3,
    "node-default": 3,
    "ai-sdk": 3,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", REQUESTS)
def test_how_many_requests_a_failing_call_makes(play: Play, name: str) -> None:
    """A changed number says that an upgrade has changed what the client does."""
    if COMMANDS[name][0] is None:
        pytest.skip("the SDK itself is tested in test_sdk_versions.py")
    played = play(
        "exec", lambda exchange: exchange.json({"error": {"message": "no"}}, status=500), **parts_of(name)
    )
    assert (played.call["outcome"], played.call["status"]) == ("error", 500)
    assert len(played.server.requests) == REQUESTS[name]


@pytest.mark.parametrize("name", ["litellm-router", "langchain-default", "node-default"])
def test_the_profiles_of_the_gallery_say_how_to_make_what_they_need(
    name: str, tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Loading one needs no environment; playing it without one gives the command that makes it."""
    monkeypatch.setenv("WINDTUNNEL_HOME", str(tmp_path))
    profile = load_profile(name)
    missing = missing_program(profile)
    assert missing is not None
    assert profile.env is not None
    wanted = "".join(f" --with {one}" for one in profile.env.with_) + "".join(
        f" --npm {one}" for one in profile.env.npm
    )
    assert missing.hint == f"windtunnel env create {profile.env.name}{wanted}"
