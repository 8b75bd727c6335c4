"""A script as a line of text: `Head 200 · first token · 12×content · stall 5 s · End`. Never what its bytes say."""

from __future__ import annotations

import math
from collections.abc import Iterator

from windtunnel.mock_server.script import (
    Abort,
    Close,
    End,
    FirstToken,
    Head,
    Raw,
    Script,
    Send,
    Step,
    Tokens,
    Wait,
)

LONGEST = 1_000
"""Characters of a text; a script that alternates without a pattern is cut."""


def script_text(script: Script) -> str:
    """The steps in order, repetitions counted; work that content waits for goes without saying."""
    text = " · ".join(_counted(list(_words(script.steps))))
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def _counted(words: list[str]) -> Iterator[str]:
    """The words, where one or two of them that repeat are said once, with how often."""
    at = 0
    while at < len(words):
        times, size = max((_repetitions(words, at, size), size) for size in (2, 1))
        what = " · ".join(words[at : at + size])
        if times > 1:
            yield f"{times}×{what}" if size == 1 else f"{times}×({what})"
        else:
            times, size = 1, 1
            yield words[at]
        at += times * size


def _repetitions(words: list[str], at: int, size: int) -> int:
    """How often the `size` words at `at` stand there one after the other."""
    unit = words[at : at + size]
    times = 1
    while words[at + times * size : at + (times + 1) * size] == unit:
        times += 1
    return times


def _words(steps: tuple[Step, ...]) -> Iterator[str]:
    for index, step in enumerate(steps):
        following = steps[index + 1] if index + 1 < len(steps) else None
        if isinstance(step, Tokens) and isinstance(following, Send) and following.role == "content":
            continue
        yield _word(step)


def _word(step: Step) -> str:
    match step:
        case Head():
            return f"Head {step.status}"
        case FirstToken():
            return "first token"
        case Tokens():
            return f"{step.n} tokens"
        case Send(role="body") | Send(role="terminal"):
            return f"{step.role} {_size(len(step.data))}"
        case Send():
            return step.role
        case Raw():
            return f"raw {_size(len(step.data))}"
        case Wait():
            return "stall forever" if math.isinf(step.seconds) else f"stall {step.seconds:.6g} s"
        case Close():
            return "Close (FIN)"
        case Abort():
            return "Abort (RST)"
        case End():
            return "End"
        case _:
            return type(step).__name__.lower()


def _size(count: int) -> str:
    return f"{count} B" if count < 1000 else f"{count / 1000:.3g} kB"
