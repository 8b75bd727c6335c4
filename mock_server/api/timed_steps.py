"""Put pieces of content, each after its own work, into a script: for chat, legacy completions and transcripts."""

from __future__ import annotations

from typing import TypeAlias

from windtunnel.mock_server.script import Send, Step, Tokens

Timed: TypeAlias = tuple[int, bytes]
"""Bytes, and how many tokens of work come before them."""


def timed_steps(track: list[Timed]) -> list[Step]:
    """Content as steps. The first chunk comes with the first token, each other one after its own work."""
    # Steps are frozen, so chunks of equal length share one: an object less for each chunk.
    work: dict[int, Tokens] = {}
    tokens, data = track[0]
    steps: list[Step] = [] if tokens <= 1 else [Tokens(tokens - 1)]
    steps.append(Send(data, tokens, "content"))
    for tokens, data in track[1:]:
        if tokens:
            steps.append(work.get(tokens) or work.setdefault(tokens, Tokens(tokens)))
        steps.append(Send(data, tokens, "content"))
    return steps
