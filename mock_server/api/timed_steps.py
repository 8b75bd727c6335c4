"""Put pieces of content, each after its own work, into a script: for chat, legacy completions and transcripts."""

from __future__ import annotations

from collections.abc import Generator
from typing import Final, TypeAlias

from windtunnel.mock_server.api.endpoint import run
from windtunnel.mock_server.script import Send, Step, Tokens

Timed: TypeAlias = tuple[int, bytes]
"""Bytes, and how many tokens of work come before them."""


CHUNKS_PER_STEP: Final = 5_000
"""Chunks that are put into a script at once, in some milliseconds."""


def timed_steps(track: list[Timed]) -> list[Step]:
    """Content as steps. The first chunk comes with the first token, each other one after its own work."""
    return run(timed_steps_in_turns(track))


def timed_steps_in_turns(track: list[Timed]) -> Generator[None, None, list[Step]]:
    """The same in steps."""
    # Steps are frozen, so chunks of equal length share one: an object less for each chunk.
    work: dict[int, Tokens] = {}
    tokens, data = track[0]
    steps: list[Step] = [] if tokens <= 1 else [Tokens(tokens - 1)]
    steps.append(Send(data, tokens, "content"))
    for number, (tokens, data) in enumerate(track):
        if number % CHUNKS_PER_STEP == CHUNKS_PER_STEP - 1:
            yield
        if not number:
            continue
        if tokens:
            steps.append(work.get(tokens) or work.setdefault(tokens, Tokens(tokens)))
        steps.append(Send(data, tokens, "content"))
    return steps
