"""Two public mocks of the OpenAI API beside which ours is measured: where they are, and how they are started.

Nothing is downloaded: they are looked for in a folder (`--peers DIR`), each in a place of its own.

| peer | place in DIR | how it gets there |
| --- | --- | --- |
| aimock | `node_modules/@copilotkit/aimock` | npm, 1.43.0 |
| llmock | `llmock-venv/bin/llmock` | pip, 0.2.2, in a virtual environment |

What to type is in `Peer.install`; other versions are measured as well, and named in the finding.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import psutil
from openai.types.chat import ChatCompletion

from windtunnel.harness.calibrate.closed_loop import BODY
from windtunnel.harness.calibrate.pinned import pinned
from windtunnel.harness.calibrate.processes import START_TIMEOUT_S, MeasuredServer
from windtunnel.harness.errors import MeasurementError
from windtunnel.harness.run.children import Child

AIMOCK_PACKAGE = Path("node_modules/@copilotkit/aimock")
LLMOCK_VENV = Path("llmock-venv")
POLL_S = 0.05
CHARACTERS_PER_CHUNK = 4


@dataclass(frozen=True, slots=True)
class Fixture:
    """What a mock is to answer: this text, streamed with so much time before each chunk of four characters."""

    text: str
    spacing_s: float = 0.0

    @property
    def spacing_ms(self) -> str:
        return f"{self.spacing_s * 1e3:.0f}"


@dataclass(frozen=True, slots=True)
class Peer:
    """A public mock as found in the folder.

    `version` is None where it is not installed; `install` says how it gets there. `aim` is how many times its figures
    ours should be. `command` makes the command line for a fixture and a folder for its files; `prepare` tells the
    running server what to answer where the command line cannot.
    """

    name: str
    version: str | None
    install: str
    aim: float
    command: Callable[[Fixture, Path], list[str]]
    prepare: Callable[[str, Fixture], Any] | None = None

    @property
    def title(self) -> str:
        return f"{self.name} {self.version}" if self.version else self.name

    @property
    def missing(self) -> str:
        """Why nothing can be measured."""
        return f"not installed; to install it: {self.install}"


def find_peers(folder: Path) -> tuple[Peer, ...]:
    """Both peers, installed in `folder` or not."""
    folder = folder.absolute()
    return (
        Peer(
            "aimock",
            aimock_version(folder),
            f"npm install --prefix {folder} @copilotkit/aimock@1.43.0 (and node, 20.15 or later)",
            2.0,
            lambda fixture, place: aimock_command(folder, fixture, place),
        ),
        Peer(
            "llmock",
            llmock_version(folder),
            f"python3 -m venv {folder / LLMOCK_VENV} && {folder / LLMOCK_VENV}/bin/pip install llmock==0.2.2",
            12.0,
            lambda fixture, place: llmock_command(folder, fixture),
            llmock_reply,
        ),
    )


def aimock_version(folder: Path) -> str | None:
    """As its package says; None if it, or node, is not installed."""
    try:
        package = json.loads((folder / AIMOCK_PACKAGE / "package.json").read_text())
    except (OSError, ValueError):
        return None
    return str(package["version"]) if shutil.which("node") else None


def aimock_command(folder: Path, fixture: Fixture, place: Path) -> list[str]:
    """Its server for language models alone, silent, with one fixture that matches every chat completion."""
    file = place / "aimock-fixtures.json"
    answer = {"match": {"endpoint": "chat"}, "response": {"content": fixture.text}}
    file.write_text(json.dumps({"fixtures": [answer]}))
    return [
        *("node", str(folder / AIMOCK_PACKAGE / "dist" / "cli.js"), "--port", "0", "--log-level", "silent"),
        *(
            "--fixtures",
            str(file),
            "--latency",
            fixture.spacing_ms,
            "--chunk-size",
            str(CHARACTERS_PER_CHUNK),
        ),
    ]


def llmock_version(folder: Path) -> str | None:
    """As the metadata in its virtual environment says."""
    if not (folder / LLMOCK_VENV / "bin" / "llmock").is_file():
        return None
    found = sorted(folder.glob(f"{LLMOCK_VENV}/lib/python*/site-packages/llmock-*.dist-info"))
    return found[-1].name.removeprefix("llmock-").removesuffix(".dist-info") if found else None


def llmock_command(folder: Path, fixture: Fixture) -> list[str]:
    """Its server without a log line per request. It streams a word a chunk: the text has words of four characters."""
    return [
        *(str(folder / LLMOCK_VENV / "bin" / "llmock"), "serve", "--port", "0", "--log-level", "warning"),
        *("--stream-chunk-delay-ms", fixture.spacing_ms),
    ]


async def llmock_reply(root: str, fixture: Fixture) -> None:
    """Its answers are scripted over its control API, here for all requests to come."""
    reply = {"type": "reply", "text": fixture.text, "times": None}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{root}/_llmock/scenario", json={"behaviors": [reply]}) as answer,
    ):
        answer.raise_for_status()


@asynccontextmanager
async def running(
    peer: Peer, fixture: Fixture, folder: Path, cores: Sequence[int]
) -> AsyncIterator[MeasuredServer]:
    """The peer, serving the fixture on `cores`; ended on leaving. Raises `MeasurementError` if it does not start."""
    command = pinned(cores, peer.command(fixture, folder))
    child = await Child.spawn(peer.name, command, log=folder / f"{peer.name}.log", cwd=folder)
    try:
        process = psutil.Process(child.process.pid)
        root = f"http://127.0.0.1:{await listening_port(child, process)}"
        if peer.prepare is not None:
            await peer.prepare(root, fixture)
        yield MeasuredServer(f"{root}/v1", {}, process)
    finally:
        await child.end()


async def listening_port(child: Child, process: psutil.Process) -> int:
    """The port that the child has opened: it picks a free one, and does not always say which."""
    until = time.monotonic() + START_TIMEOUT_S
    while child.running and time.monotonic() < until:
        ports = [
            address.laddr.port
            for address in process.net_connections("tcp")
            if address.status == psutil.CONN_LISTEN
        ]
        if ports:
            return int(ports[0])
        await asyncio.sleep(POLL_S)
    raise MeasurementError(f"calibrate: {child.name} did not start ({child.how_it_ended()})")


async def check_answer(name: str, server: MeasuredServer, text: str) -> None:
    """Ask once. Raises `MeasurementError` unless the answer is a whole chat.completion that says `text`."""
    headers = {"Content-Type": "application/json", "Authorization": "Bearer sk-windtunnel"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.post(f"{server.base_url}/chat/completions", data=BODY) as answer,
    ):
        body = await answer.read()
    try:
        completion = ChatCompletion.model_validate_json(body)
        content = completion.choices[0].message.content
    except (ValueError, IndexError) as error:
        raise MeasurementError(f"calibrate: {name} answered {body[:200]!r}: no chat completion") from error
    if answer.status != 200 or completion.object != "chat.completion" or content != text:
        raise MeasurementError(
            f"calibrate: {name} answered {answer.status} {body[:200]!r}, not what it was told"
        )
