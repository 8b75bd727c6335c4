"""Assertions about a client, whose messages say what it did, why that is bad, and what to change.

Each of them fails when it has nothing to look at: an assertion about no request would be a pass that means nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from windtunnel.harness.testing.open_streams import active_connections
from windtunnel.harness.testing.received import received
from windtunnel.harness.testing.served import ServedCall
from windtunnel.harness.testing.timeline import timeline

EARLY_S = 0.001
"""Timers tick in milliseconds: who comes back this much early is on time."""


class Assertions:
    """The assertions of a test's view of the mock."""

    base_url: str
    shown_by_report = False
    """Whether a report shows the timeline anyway, so that messages need not."""
    served: Any  # properties of the view
    calls: Any
    late: Any
    _now_s: Callable[[], float]

    def assert_attempts(
        self, *, at_most: int | None = None, at_least: int | None = None, exactly: int | None = None
    ) -> None:
        """Assert how many requests a client makes for one call, for every call of the test."""
        __tracebackhide__ = True
        if at_most is None and at_least is None and exactly is None:
            raise TypeError("assert_attempts: expected at_most, at_least or exactly")
        for call in self._calls_or_fail():
            number = call.attempts
            if exactly is not None and number != exactly:
                self._fail(f"{_name(call)} took {_requests(number)}, expected exactly {exactly}", [call])
            if at_most is not None and number > at_most:
                self._fail(
                    f"{_name(call)} took {_requests(number)}, expected at most {at_most}.\n"
                    "Each further request falls on a provider that has just failed. The openai SDK makes 3 by itself "
                    "(max_retries=2); a retry decorator or a gateway around it multiplies: 4 tries around it are 12.",
                    [call],
                )
            if at_least is not None and number < at_least:
                self._fail(
                    f"{_name(call)} took {_requests(number)}, expected at least {at_least}.\n"
                    "The client gave up earlier. The openai SDK retries 408, 409, 429, 5xx, timeouts and lost "
                    "connections, and nothing once a stream has begun.",
                    [call],
                )

    def assert_honours_retry_after(self) -> None:
        """Assert that no request came before the time that a refusal of the same call had named."""
        __tracebackhide__ = True
        promised = False
        for call in self._calls_or_fail():
            for before, after in zip(call.requests, [*call.requests[1:], None], strict=True):
                wait = before.retry_after_promised_s
                if wait is None:
                    continue
                promised = True
                said_s = before.client_over_s if before.client_over_s is not None else before.arrived_s
                if after is not None and after.arrived_s < said_s + wait - EARLY_S:
                    self._fail(
                        f"{_name(call)}: the answer to attempt {before.attempt} said 'come back in {wait:g} s', and "
                        f"the next request came after {after.arrived_s - said_s:.3f} s.\n"
                        "Read retry-after-ms, then Retry-After (seconds or a date), and wait at least so long, plus a "
                        "little at random; refused requests count against the limit as well.",
                        [call],
                    )
        if not promised:
            self._fail(
                "no answer has named a time to come back, so nothing was tested.\n"
                'Ask for one: mock_openai.fault("rate_limit_requests", retry_after=2, first=1), or limits(rpm=3).',
                self.calls,
            )

    def assert_no_silent_corruption(self, *answers: Any) -> None:
        """Assert that each answer in the application's hands is whole and is what the mock meant.

        An answer is a text, an object of the SDK, or the list of a stream's events. None stands for no answer: a call
        that raised is not silent. An answer that says itself that it is not all (`finish_reason="length"`) passes.
        """
        __tracebackhide__ = True
        if not answers:
            raise TypeError("assert_no_silent_corruption: expected the answers that the application has")
        calls = self._calls_or_fail()
        meant = {one.row["truth_digest"] for one in self.served} - {None}
        for answer in answers:
            if answer is None:
                continue
            have = received(answer)
            if have.declared or have.digests & meant:
                continue
            faults = sorted({fault for one in self.served for fault in one.faults})
            acted = f"The faults were: {', '.join(faults)}." if faults else "No fault has acted."
            self._fail(
                f"the application has {have.about} and no exception, and the mock meant another answer.\n"
                f"{acted} A stream is whole only with a finish_reason (chat) or response.completed (Responses); "
                "a 200 need not hold JSON; check both before the answer is used.",
                calls,
            )

    def assert_all_streams_closed(self) -> None:
        """Assert that the client has read every answer to its end, or closed it, and no connection is lost.

        Looks at the mock's connections, and at the pools of httpx and httpx2 clients in this process.
        """
        __tracebackhide__ = True
        calls = self._calls_or_fail()
        waiting = [one for one in self.served if one.waiting]
        leaked = active_connections(self.base_url)
        if waiting or leaked:
            what = [f"{_requests(len(waiting))} still under way"] if waiting else []
            what += [f"{leaked} connection{'s' * (leaked != 1)} lost to the client's pool"] if leaked else []
            open_calls = {one.call_id for one in waiting}
            self._fail(
                f"not every answer was read to its end or closed: {' and '.join(what)}.\n"
                "Leaving the loop over a stream does not close it: use `with client.chat.completions.create(stream="
                "True, …) as stream:` or stream.close() in a finally. Each one holds a connection of the pool.",
                [call for call in calls if call.call_id in open_calls] or calls,
            )

    def assert_gave_up_within(self, seconds: float) -> None:
        """Assert that every call was over, with an answer or without, so many seconds after its first request."""
        __tracebackhide__ = True
        for call in self._calls_or_fail():
            over = call.over_s
            took = (self._now_s() if over is None else over) - call.arrived_s
            if took > seconds:
                still = "is still under way" if over is None else "was over"
                self._fail(
                    f"{_name(call)} {still} {took:.3f} s after its first request, expected within {seconds:g} s.\n"
                    "The SDK's timeout is for each read, so a slow stream never meets it, and retries begin anew: "
                    "limit the whole call, with asyncio.timeout() or a deadline that retries respect.",
                    [call],
                )

    # ---- helpers

    def _calls_or_fail(self) -> list[ServedCall]:
        __tracebackhide__ = True
        calls: list[ServedCall] = self.calls
        if not calls:
            if late := len(self.late):
                self._fail(
                    f"all requests ({late}) came with the key of an earlier test, which is over: make the client in "
                    "the test, or give a client that tests share a key of its own, such as api_key='shared'",
                    [],
                )
            self._fail(
                f"no request has reached the mock. Does the client use base_url={self.base_url!r} "
                "(OPENAI_BASE_URL holds it during the test, and is read when a client is made)?",
                [],
            )
        return calls

    def _fail(self, message: str, calls: Sequence[ServedCall]) -> None:
        __tracebackhide__ = True
        raise AssertionError(
            f"{message}\n\n{timeline(calls)}" if calls and not self.shown_by_report else message
        )


def _requests(number: int) -> str:
    return f"{number} request{'' if number == 1 else 's'}"


def _name(call: ServedCall) -> str:
    return f"call {call.number}"
