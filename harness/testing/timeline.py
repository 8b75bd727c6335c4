"""What was served in a test, as text: who reads a failed test sees what the client did."""

from __future__ import annotations

from collections.abc import Sequence

from windtunnel.harness.testing.served import ServedCall, ServedRequest

MOST_LINES = 60


def timeline(calls: Sequence[ServedCall]) -> str:
    """Every request, a line each, under the call that it belongs to."""
    if not calls:
        return "no request has reached the mock"
    requests = sum(call.attempts for call in calls)
    lines = [f"{_count(requests, 'request')} in {_count(len(calls), 'call')}; seconds since the test began"]
    for call in calls:
        lines += _of_call(call)
    if len(lines) > MOST_LINES:
        left_out = len(lines) - MOST_LINES
        lines = [*lines[:MOST_LINES], f"… and {left_out} lines more"]
    return "\n".join(lines)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _of_call(call: ServedCall) -> list[str]:
    first = call.requests[0]
    about = " ".join(filter(None, (first.api, first.model, "streamed" if first.stream else "")))
    return [f"call {call.number}: {about}", *(_of_request(one) for one in call.requests)]


def _of_request(one: ServedRequest) -> str:
    status = "no status" if one.status is None else str(one.status)
    told = [status, *one.faults]
    line = f"  {one.arrived_s:9.3f}  attempt {one.attempt}  {' '.join(told):<28} {_end(one)}"
    if one.retry_after_promised_s is not None:
        line += f"; said: come back in {one.retry_after_promised_s:g} s"
    if one.came_back_early:
        line += "; CAME BACK EARLY"
    return line.rstrip()


def _end(one: ServedRequest) -> str:
    row = one.row
    sent, planned = row["tokens_sent"], row["tokens_planned"]
    tokens = f", {sent} of {planned} tokens" if planned else ""
    if one.waiting:
        return f"still under way{tokens}"
    over = one.client_over_s
    at = "" if over is None else f" at {over:.3f}"
    if one.abandoned:
        return f"the client left{at}{tokens}"
    how = {"abort": "reset", "close": "connection closed", "cut": "cut off"}.get(row["ending"], "answered")
    return f"{how}{at}{tokens}"
