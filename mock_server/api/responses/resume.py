"""Stream a stored response again, from any event on: the same bytes, each when it is due.

Events that are due are sent at once. The others come when their tokens are due at the present speed, which may still
change. While the response waits for its slot no due time is known: its stream ends and can be resumed later.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import orjson

from windtunnel.mock_server.api.headers import RequestStamp
from windtunnel.mock_server.api.responses.events import streamed_script
from windtunnel.mock_server.api.responses.items import View
from windtunnel.mock_server.api.responses.state import StoredResponse
from windtunnel.mock_server.api.responses.wire import response_object
from windtunnel.mock_server.script import End, FirstToken, Script, Send, Step, Tokens, Wait
from windtunnel.mock_server.sse import split_events, write_event

WAITING_EVENTS = 2
"""Events of a response that waits for its slot: that it was created, and that it waits."""


def resumed_script(stored: StoredResponse, now: float, stamp: RequestStamp, after: int, view: View) -> Script:
    """Return the events with numbers above `after` (-1: all), from `now` on, in the original's `view` or another."""
    state = stored.state(now)
    whole = streamed_script(stored.source, stamp, view)
    steps: list[Step] = [whole.steps[0]]
    number, at = 0, now
    for work, send in _sends(whole):
        if state == "cancelled" and work > stored.handle.tokens(now):
            break
        if state == "in_progress" and work:
            due = stored.handle.due(work - 1)
            if math.isinf(due):
                break
            if due > at:
                steps.append(Wait(due - at))
                at = due
        frames = split_events(send.data)
        # The first send also holds events that come with the start of the work.
        if state == "queued":
            frames = frames[:WAITING_EVENTS]
        left = [frame for at_number, frame in enumerate(frames, number) if at_number > after]
        number += len(frames)
        if left:
            # Tokens are counted where the content is: a send of which the client has a part counted them before.
            tokens = send.tokens if len(left) == len(frames) else 0
            steps.append(Send(b"".join(left), tokens, send.role))
        if state == "queued":
            break
    if state == "cancelled" and number > after:
        steps.append(Send(_cancelled(stored, number), 0, "terminal"))
    return Script((*steps, End()))


def _sends(script: Script) -> Iterator[tuple[int, Send]]:
    """Yield each send of a script with the tokens of work that come before it."""
    work = 0
    for step in script.steps:
        if isinstance(step, FirstToken):
            work += 1
        elif isinstance(step, Tokens):
            work += step.n
        elif isinstance(step, Send):
            yield work, step


def _cancelled(stored: StoredResponse, number: int) -> bytes:
    """Return the last event of a response that was cancelled."""
    response = response_object(stored.source, "cancelled")
    event = {"type": "response.failed", "sequence_number": number, "response": response}
    return write_event(orjson.dumps(event), b"response.failed")
