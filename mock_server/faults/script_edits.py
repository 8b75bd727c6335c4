"""Cut scripts where a fault acts, and find the steps around that place.

Every function here takes and gives steps; none of them knows a fault.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TypeAlias

from windtunnel.mock_server import sse
from windtunnel.mock_server.script import Head, Script, Send, Step

Steps: TypeAlias = tuple[Step, ...]


def sent(step: Step) -> bool:
    """Tell whether a step is a piece of the body that belongs to the answer (no heartbeat)."""
    return isinstance(step, Send) and step.role != "comment"


def is_event_stream(script: Script) -> bool:
    """Tell whether the body consists of server-sent events (and is no document, page or medium in pieces)."""
    return sse.is_event_stream(body_of(script))


def by_event(script: Script) -> Script:
    """Split the script into one send for every event. The tokens and role of a send stay with its last event."""

    def split(step: Step) -> Steps:
        if not isinstance(step, Send) or step.role == "comment":
            return (step,)
        frames = sse.split_events(step.data)
        if len(frames) < 2:
            return (step,)
        return (*[Send(frame) for frame in frames[:-1]], replace(step, data=frames[-1]))

    return script.map_steps(split)


def promised(script: Script) -> Script:
    """Fix the Content-Length to the length that the body has now, whatever is cut from it later."""
    total = sum(len(step.data) for step in script.steps if isinstance(step, Send))

    def promise(step: Step) -> Steps:
        if isinstance(step, Head) and step.framing == "length" and step.content_length is None:
            return (replace(step, content_length=total),)
        return (step,)

    return script.map_steps(promise)


def after_chunks(script: Script, n: int) -> tuple[Steps, Steps]:
    """The steps up to the `n`th content chunk (with it), and the rest.

    With `n` = 0 the cut is before the first content chunk. An answer with fewer chunks is cut after its last
    one, so that a fault acts on short answers as well; one without any is cut before its last send.
    """
    places = [i for i, step in enumerate(script.steps) if isinstance(step, Send) and step.role == "content"]
    if not places:
        at = _last_send(script.steps)
    elif n <= 0:
        at = places[0]
    else:
        at = places[min(n, len(places)) - 1] + 1
    return script.steps[:at], script.steps[at:]


def after_bytes(script: Script, n: int) -> tuple[Steps, Steps]:
    """The steps up to byte `n` of the body, and the rest; a send is cut in two where the place is inside it.

    At least the body's last byte is in the rest, so that an answer cut there is never complete. What the
    pieces of a cut send count for (tokens, being the end of the answer) stays with the second one.
    """
    total = sum(len(step.data) for step in script.steps if isinstance(step, Send))
    # Not `total`: a client that has every byte may take the answer for complete.
    left = min(n, total - 1)
    if left < 0:
        at = len(script.steps) - 1 if script.steps else 0
        return script.steps[:at], script.steps[at:]
    for i, step in enumerate(script.steps):
        if not isinstance(step, Send):
            continue
        if len(step.data) > left:
            head = (replace(step, data=step.data[:left], tokens=0, role="body"),) if left else ()
            tail = (replace(step, data=step.data[left:]),)
            return script.steps[:i] + head, tail + script.steps[i + 1 :]
        left -= len(step.data)
    return script.steps, ()


def body_of(script: Script) -> bytes:
    """Return all the bytes of the body that the script sends."""
    return b"".join(step.data for step in script.steps if isinstance(step, Send))


def _last_send(steps: Steps) -> int:
    for i in range(len(steps) - 1, -1, -1):
        if sent(steps[i]):
            return i
    return max(0, len(steps) - 1)


def first_send(steps: Steps) -> int:
    """The index of the first piece of the body; of the last step where there is none."""
    return next((i for i, step in enumerate(steps) if sent(step)), max(0, len(steps) - 1))
