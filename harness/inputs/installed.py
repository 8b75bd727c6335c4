"""Whether the installed packages can play a driver: asked before a run begins, and without importing an SDK."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from importlib.util import find_spec

from windtunnel.harness.errors import InputError
from windtunnel.harness.inputs.profile import Profile

AIOHTTP_TRANSPORT = "httpx_aiohttp"
"""The package that openai 2 takes its transport over aiohttp from; openai 3 brings its own."""


def check_installed(profiles: Sequence[Profile]) -> None:
    """Raise InputError for the first profile whose driver the installed packages cannot play."""
    openai = version("openai")
    for profile in profiles:
        if (
            profile.driver == "openai-aiohttp"
            and openai.startswith("2.")
            and find_spec(AIOHTTP_TRANSPORT) is None
        ):
            raise InputError(
                f"the client {profile.name}",
                path="driver",
                found=f"openai-aiohttp with openai {openai} and without the package {AIOHTTP_TRANSPORT}",
                expected="that package: pip install 'openai[aiohttp]'",
            )
