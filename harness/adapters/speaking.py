"""What all Python adapters share: reads calls on stdin, runs each as a task, writes what became of it on stdout.

`run(ask)` calls `await ask(call)` for each line; `ask` returns the text, or a dict with keys of the message `ended`.
Standard library only. What libraries print goes to stderr: stdout belongs to the messages.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import Any

CONCURRENCY = 1000
SHOWN = ("retry-after", "retry-after-ms", "x-should-retry")
MAX_LINE = 64 * 1024 * 1024


class GivenCall:
    """One call. Its attributes are the keys of the line: `base_url`, `api_key`, `model`, `messages`, `headers`, …"""

    def __init__(self, line: dict[str, Any], say: Callable[..., None]) -> None:
        self.__dict__.update(line)
        self._say = say
        self._told = False

    def __getattr__(self, name: str) -> Any:  # for the type checker: the line has them all
        raise AttributeError(name)

    def content(self, text: str) -> None:
        """Tell that a piece of content has come."""
        if text:
            self._say(event="content" if self._told else "first_content", call_id=self.call_id)
            self._told = True


Ask = Callable[[GivenCall], Awaitable[Any]]


def run(ask: Ask, *packages: str) -> None:
    """Make calls until stdin is closed. `packages`: those whose versions are told."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    asyncio.run(_serve(ask, packages, out))


async def _serve(ask: Ask, packages: tuple[str, ...], out: Any) -> None:
    def say(**message: Any) -> None:
        out.write(json.dumps(message) + "\n")
        out.flush()

    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=MAX_LINE)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    tasks: dict[str, asyncio.Task[None]] = {}
    say(event="ready", concurrency=CONCURRENCY, cancel=True, versions=_versions(packages))
    while line := await reader.readline():
        message = json.loads(line)
        call_id = message["call_id"]
        if message["event"] == "cancel":
            if call_id in tasks:
                tasks[call_id].cancel()
            continue
        task = asyncio.create_task(_make(ask, GivenCall(message, say), say))
        tasks[call_id] = task
        task.add_done_callback(partial(_forget, tasks, call_id))
    os._exit(0)  # nobody listens any more


def _forget(tasks: dict[str, asyncio.Task[None]], call_id: str, task: asyncio.Task[None]) -> None:
    if tasks.get(call_id) is task:
        del tasks[call_id]


async def _make(ask: Ask, call: GivenCall, say: Callable[..., None]) -> None:
    say(event="started", call_id=call.call_id)
    try:
        got = await ask(call)
    except asyncio.CancelledError:
        say(event="ended", call_id=call.call_id, outcome="cancelled")
    except Exception as error:  # noqa: BLE001  # whatever a client raises is its failure
        say(event="ended", call_id=call.call_id, **failure(error))
    else:
        ended = got if isinstance(got, dict) else {"text": got}
        say(event="ended", call_id=call.call_id, **{"outcome": "ok", **ended})


def failure(error: BaseException) -> dict[str, Any]:
    """What the message `ended` says of an exception."""
    name = type(error).__name__
    cause = error.__cause__ or error.__context__
    # litellm gives a status to whatever it raises, also where nothing was answered.
    answered = not any(word in name for word in ("Connection", "Timeout"))
    status = getattr(error, "status_code", None) if answered else None
    response = getattr(error, "response", None)
    headers = getattr(response, "headers", None) or {}
    return {
        "outcome": "timeout" if "Timeout" in name else "error",
        "error_type": name,
        "error_cause": None if cause is None else type(cause).__name__,
        "error_message": str(error)[:300],
        "status": status if isinstance(status, int) and 100 <= status <= 599 else None,
        "headers": {name: headers[name] for name in SHOWN if name in headers},
    }


def _versions(packages: tuple[str, ...]) -> dict[str, str]:
    found = {"python": sys.version.split()[0]}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
