"""Whether the packages of its interpreter can play a profile: asked before a run begins, without importing an SDK."""

from __future__ import annotations

from collections.abc import Sequence

from windtunnel.harness.environments.interpreter import InterpreterError, ask
from windtunnel.harness.environments.probe import packages
from windtunnel.harness.errors import InputError
from windtunnel.harness.inputs.profile import Profile
from windtunnel.harness.inputs.program import program_of

AIOHTTP_TRANSPORT = "httpx_aiohttp"
"""The package that openai 2 takes its transport over aiohttp from; openai 3 brings its own."""


def missing_program(profile: Profile) -> InputError | None:
    """What a client that is a program lacks on this machine, with the command that cures it; None if it can be played.

    A choice of all clients leaves out those that lack something.
    """
    if profile.driver != "exec":
        return None
    try:
        program_of(profile)
    except InterpreterError as error:
        known = profile.env is not None and error.found.startswith(f"'{profile.env.name}',")
        return error.told(f"the client {profile.name}", "env" if known else "command")
    return None


def check_installed(profiles: Sequence[Profile]) -> None:
    """Raise InputError for the first profile that the packages of its interpreter cannot play."""
    for profile in profiles:
        try:
            installed = packages() if profile.python is None else ask(profile.python).packages
        except InterpreterError as error:
            raise error.told(f"the client {profile.name}", "python") from error
        missing = missing_program(profile)
        if missing is not None:
            raise missing
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
