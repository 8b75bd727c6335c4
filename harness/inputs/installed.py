"""Whether the packages of its interpreter can play a profile: asked before a run begins, without importing an SDK."""

from __future__ import annotations

from collections.abc import Sequence

from windtunnel.harness.environments.interpreter import InterpreterError, ask
from windtunnel.harness.environments.probe import packages
from windtunnel.harness.errors import InputError
from windtunnel.harness.inputs.profile import Profile

AIOHTTP_TRANSPORT = "httpx_aiohttp"
"""The package that openai 2 takes its transport over aiohttp from; openai 3 brings its own."""


def check_installed(profiles: Sequence[Profile]) -> None:
    """Raise InputError for the first profile that the packages of its interpreter cannot play."""
    for profile in profiles:
        try:
            installed = packages() if profile.python is None else ask(profile.python).packages
        except InterpreterError as error:
            raise error.told(f"the client {profile.name}", "python") from error
        openai = installed.get("openai", "absent")
        if (
            profile.driver == "openai-aiohttp"
            and openai.startswith("2.")
            and AIOHTTP_TRANSPORT.replace("_", "-") not in installed
        ):
            raise InputError(
                f"the client {profile.name}",
                path="driver",
                found=f"openai-aiohttp with openai {openai} and without the package {AIOHTTP_TRANSPORT}",
                expected="that package: pip install 'openai[aiohttp]'",
            )
