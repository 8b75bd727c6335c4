"""The processes of one instance whose client is a program, and which of them makes a call.

A process takes as many calls at once as it said when it was ready. One that dies is started again; the calls that it
had in hand fail, with its last words. One that only ever dies ends the play, as nothing would be measured.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

import gevent
from gevent.event import AsyncResult, Event

from windtunnel.harness.clients.drivers.exec_process import ClientProcess
from windtunnel.harness.clients.drivers.exec_protocol import (
    CallEnded,
    Lines,
    Message,
    Progress,
    ProtocolError,
    Ready,
    cancel_line,
    parse,
    shown,
)
from windtunnel.harness.clients.outcome import ToldError
from windtunnel.harness.errors import MeasurementError
from windtunnel.harness.inputs.program import ClientProgram

READY_TIMEOUT_S: Final = 75.0
MOST_DEATHS: Final = 5
"""So many deaths in a row, without one call that was ended in between, end the play."""

MOST_NONSENSE: Final = 100
"""So many lines in a row that are no messages, and a program is taken for one that does not speak."""

NONSENSE_SHOWN: Final = 3
LONGEST_PAUSE_S: Final = 5.0


class InHand:
    """A call that a process has: whom progress is told to, and how it ended."""

    def __init__(self, progress: Callable[[Progress], None]) -> None:
        self.progress = progress
        self.ended: AsyncResult[CallEnded] = AsyncResult()


class PooledProgram:
    """One place in the pool: a process of the program, and another after it has died."""

    def __init__(self, pool: Programs, number: int) -> None:
        self._pool = pool
        self._name = f"client {pool.name}, process {number}"
        self._process: ClientProcess | None = None
        self._lines = Lines()
        self._nonsense = 0
        self._first_nonsense = ""
        self._wrong = ""
        self._starting: gevent.Greenlet | None = None
        self.ready: Ready | None = None
        self.calls: dict[str, InHand] = {}
        self.left: set[str] = set()

    @property
    def free(self) -> int:
        """How many calls more it can take now."""
        return 0 if self.ready is None else self.ready.concurrency - len(self.calls) - len(self.left)

    def start(self) -> None:
        """Start the process. Raises MeasurementError if there is none to start."""
        program = self._pool.program
        self._lines, self._nonsense, self._first_nonsense, self._wrong = Lines(), 0, "", ""
        try:
            self._process = ClientProcess(
                program.argv,
                folder=program.folder,
                variables=program.variables,
                name=self._name,
                heard=self._heard,
                over=self._over,
            )
        except OSError as error:
            raise MeasurementError(
                f"{self._name}: {program.argv[0]} cannot be started: {error.strerror}"
            ) from error
        self._starting = gevent.spawn_later(READY_TIMEOUT_S, self._never_ready)

    def take(self, call_id: str, line: bytes, in_hand: InHand) -> None:
        """Hand it a call."""
        assert self._process is not None  # who is free has one
        self.calls[call_id] = in_hand
        self._process.send(line)

    def leave(self, call_id: str, *, over: bool) -> None:
        """Nobody waits for a call any more: it is told to stop it, or ended if it cannot and has nothing else.

        `over`: so is the load, and all processes will be ended.
        """
        if self.calls.pop(call_id, None) is None or self.ready is None or self._process is None:
            return
        if self.ready.cancel:
            if not over:
                self._process.send(cancel_line(call_id))
        elif self.ready.concurrency == 1 and not over:
            self._restart()
            return
        self.left.add(call_id)

    def _restart(self) -> None:
        """End the process on purpose, and start another."""
        process, self._process, self.ready = self._process, None, None
        assert process is not None  # it had a call
        process.ending = True
        gevent.spawn(process.kill)
        self.start()

    def _heard(self, data: bytes) -> None:
        if self._wrong:
            return  # it is being ended
        try:
            lines = self._lines.feed(data)
        except ProtocolError as error:
            self._give_up(str(error))
            return
        for line in lines:
            if self._wrong:
                return
            if not line.strip():
                continue
            try:
                message = parse(line)
                self._take_message(message)
            except ProtocolError as error:
                self._note_nonsense(error)
            else:
                self._nonsense = 0

    def _take_message(self, message: Message) -> None:
        if isinstance(message, Ready):
            self._is_ready(message)
            return
        call_id = message.call_id
        if call_id in self.left:
            if isinstance(message, CallEnded):
                self.left.discard(call_id)
                self._pool.hand_out()
            return
        in_hand = self.calls.get(call_id)
        if in_hand is None:
            raise ProtocolError(f"a message on the call {shown(call_id.encode())}, which it does not have")
        if isinstance(message, Progress):
            in_hand.progress(message)
            return
        del self.calls[call_id]
        self._pool.deaths = 0
        in_hand.ended.set(message)
        self._pool.hand_out()

    def _is_ready(self, message: Ready) -> None:
        if self._starting is not None:
            self._starting.kill()
            self._starting = None
        self.ready = message
        self._pool.ready.set()
        self._pool.hand_out()

    def _note_nonsense(self, error: ProtocolError) -> None:
        assert self._process is not None  # it has just spoken
        self._nonsense += 1
        self._first_nonsense = self._first_nonsense or str(error)
        if self._nonsense <= NONSENSE_SHOWN:
            self._process.say(f"no message: {error}")
        if error.call_id is not None and (in_hand := self.calls.pop(error.call_id, None)) is not None:
            in_hand.ended.set_exception(ToldError("error", "ProtocolError", str(error)))
            self._pool.hand_out()
        if self._nonsense >= MOST_NONSENSE:
            self._give_up(f"{self._nonsense} lines that are no messages, the first: {self._first_nonsense}")

    def _never_ready(self) -> None:
        self._starting = None
        said = f", but {self._first_nonsense}" if self._first_nonsense else ""
        self._pool.fail(
            f"{self._name} was not ready after {READY_TIMEOUT_S:.0f} s: its first message must be "
            f'{{"event": "ready", "concurrency": 1}} on stdout; it wrote no such line{said}'
        )

    def _give_up(self, what: str) -> None:
        """End a process that does not speak; what it wrote is the reason that is told."""
        self._wrong = f"it wrote {what}"
        if self._process is not None:
            gevent.spawn(self._process.kill)

    def _over(self) -> None:
        """The process has ended by itself, or was ended for what it wrote."""
        process = self._process
        if process is None or process.ending:
            return
        was_ready, self.ready, self._process = self.ready, None, None
        if self._starting is not None:
            self._starting.kill()
            self._starting = None
        why = self._wrong or process.how_it_ended()
        calls, self.calls = self.calls, {}
        self.left.clear()
        kind = "ProtocolError" if self._wrong else "ClientDied"
        process.say(f"ended with {len(calls)} call{'' if len(calls) == 1 else 's'} in hand: {why}")
        for in_hand in calls.values():
            in_hand.ended.set_exception(ToldError("error", kind, why))
        self._pool.deaths += 1
        deaths = self._pool.deaths
        if deaths >= MOST_DEATHS or (was_ready is None and not self._pool.ready.is_set()):
            times = f"{deaths} times in a row without ending a call" if deaths > 1 else "before it was ready"
            self._pool.fail(f"{self._name} ended {times} ({why})")
            return
        pause_s = 0.0 if deaths == 1 else min(LONGEST_PAUSE_S, 0.1 * 2**deaths)
        self._starting = gevent.spawn_later(pause_s, self._start_again)

    def _start_again(self) -> None:
        try:
            self.start()
        except MeasurementError as error:
            self._pool.fail(str(error))

    def close(self) -> None:
        """End the process."""
        if self._starting is not None:
            self._starting.kill()
        process, self._process, self.ready = self._process, None, None
        if process is not None:
            process.end()


class Programs:
    """All processes of an instance. `failed` is told, once, why nothing can be measured any more."""

    def __init__(
        self, program: ClientProgram, *, name: str, workers: int, failed: Callable[[MeasurementError], None]
    ) -> None:
        """Start them all. Raises MeasurementError if one cannot be started."""
        self.program = program
        self.name = name
        self.deaths = 0
        self.ready = Event()
        self._failed = failed
        self._failure: MeasurementError | None = None
        self._waiting: deque[AsyncResult[PooledProgram]] = deque()
        self._workers = [PooledProgram(self, number) for number in range(workers)]
        self._promised: dict[PooledProgram, int] = dict.fromkeys(self._workers, 0)
        for worker in self._workers:
            worker.start()

    def wait_until_ready(self) -> None:
        """Return when one of them takes calls. Raises MeasurementError if none ever does."""
        self.ready.wait()
        if self._failure is not None:
            raise self._failure

    def worker(self) -> PooledProgram:
        """Return one that has a place free, of several the one with the most; waits for its turn."""
        turn: AsyncResult[PooledProgram] = AsyncResult()
        self._waiting.append(turn)
        self.hand_out()
        try:
            worker: PooledProgram = turn.get()
        except BaseException:
            if turn.successful():
                self._promised[turn.value] -= 1
                self.hand_out()
            elif turn in self._waiting:
                self._waiting.remove(turn)
            raise
        self._promised[worker] -= 1
        return worker

    def unused(self, call_id: str) -> str:
        """Return a name for another try of a call: one under which no process has it in hand."""
        name, number = call_id, 0
        while any(name in worker.calls or name in worker.left for worker in self._workers):
            number += 1
            name = f"{call_id}.{number}"
        return name

    def hand_out(self) -> None:
        """Give free places to those who wait, in their order."""
        while self._waiting:
            best = max(self._workers, key=self._left_of)
            if self._left_of(best) < 1:
                return
            self._promised[best] += 1
            self._waiting.popleft().set(best)

    def _left_of(self, worker: PooledProgram) -> int:
        return worker.free - self._promised[worker]

    def fail(self, why: str) -> None:
        """Nothing can be measured any more."""
        if self._failure is None:
            self._failure = MeasurementError(why)
            first = not self.ready.is_set()
            self.ready.set()
            if not first:
                self._failed(self._failure)

    def close(self) -> None:
        """End all processes."""
        gevent.joinall([gevent.spawn(worker.close) for worker in self._workers])
