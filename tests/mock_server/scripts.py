"""What a script sends: its head, its pieces, its body and its tokens."""

from __future__ import annotations

from windtunnel.mock_server.script import Head, Script, Send


def sends(script: Script) -> list[Send]:
    """The pieces of the body, heartbeats included."""
    return [step for step in script.steps if isinstance(step, Send)]


def body_of(script: Script) -> bytes:
    """Everything that a script sends of its body."""
    return b"".join([step.data for step in sends(script)])


def body_without_comments(script: Script) -> bytes:
    """Everything that a script sends of its body, without heartbeats."""
    return b"".join([step.data for step in sends(script) if step.role != "comment"])


def contents(script: Script) -> int:
    """How many pieces carry content."""
    return sum(step.role == "content" for step in sends(script))


def tokens_of(script: Script) -> int:
    """The tokens that a script's pieces count for."""
    return sum(step.tokens for step in sends(script))


def head_of(script: Script) -> Head:
    """The first head of a script."""
    return next(step for step in script.steps if isinstance(step, Head))


def headers_of(script: Script) -> dict[str, str]:
    """The headers of an answer; none of them twice."""
    head = head_of(script)
    found = dict(head.headers)
    assert len(found) == len(head.headers)
    return found
