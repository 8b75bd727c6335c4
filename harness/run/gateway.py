"""A gateway of a cell: its files are written from the mock's addresses, it is started, and watched while it is used.

mock's regions ──► values, files, command ──► Program ──► ready, when its health path answers 2xx
                                                 └── how it ended, if it did so by itself: clients lived with that
"""

from __future__ import annotations

import asyncio
import json
import re
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp

from windtunnel.harness.contract.files import write_json
from windtunnel.harness.errors import MeasurementError
from windtunnel.harness.inputs.gateway import Gateway, fill, filled, gateways_folder
from windtunnel.harness.plan import API_KEY
from windtunnel.harness.run.children import environment
from windtunnel.harness.run.process import Ending, Program

HOST = "127.0.0.1"
FOLDER = "gateway"
RECORD = "gateway.json"
OUTPUT = "gateway.log"
POLL_S = 0.2
ASK_TIMEOUT_S = 5.0
TRIES = 3
"""Free ports that are tried: another process may take one before the gateway listens."""

_TAKEN = re.compile(r"EADDRINUSE|[Aa]ddress (is )?already in use")


class RunningGateway:
    """A gateway of one cell. Raises `MeasurementError` from `start` if it never gets ready."""

    def __init__(self, gateway: Gateway, folder: Path) -> None:
        """Its files are in a folder of its own in the cell's `folder`."""
        self.gateway = gateway
        self.base_url = ""
        self._cell = folder
        self._folder = (folder / FOLDER).absolute()
        self._program: Program | None = None
        self._died: Ending | None = None
        self._ready_after_s: float | None = None

    async def start(self, regions: Mapping[str, str], *, called: str, model: str) -> None:
        """Start it with the mock's `regions` (name to base URL), that which is `called` first, and wait until ready."""
        ordered = {called: regions[called], **regions}
        for attempt in range(1, TRIES + 1):
            port = free_port()
            await self._spawn(port, ordered, model)
            if await self._until_ready(port, last=attempt == TRIES):
                self.base_url = f"http://{HOST}:{port}{self.gateway.base_path}"
                return

    async def _spawn(self, port: int, regions: Mapping[str, str], model: str) -> None:
        where = self.gateway.environment
        urls = list(regions.values())
        own = [
            {"region": name, "url": url, "number": str(number)}
            for number, (name, url) in enumerate(regions.items(), 1)
        ]
        values = {
            "port": str(port),
            "folder": str(self._folder),
            "env": "" if where is None else str(where.folder),
            "gateways": str(gateways_folder()),
            "model": model,
            "key": API_KEY,
            "urls": ",".join(urls),
            **own[0],
        }
        self._folder.mkdir(exist_ok=True)
        for name, content in self.gateway.files.items():
            made = filled(content, values, own)
            text = made if isinstance(made, str) else json.dumps(made, indent=1) + "\n"
            (self._folder / name).write_text(text, encoding="utf-8")
        self._program = await Program.start(
            f"gateway {self.gateway.name}",
            [fill(word, values) for word in self.gateway.command],
            cwd=self._folder,
            env=environment({name: fill(text, values) for name, text in self.gateway.env.items()}),
        )

    async def _until_ready(self, port: int, *, last: bool) -> bool:
        """Wait for its health path; False if its port was taken and another may be tried."""
        program = self._program
        assert program is not None
        began = time.monotonic()
        url = f"http://{HOST}:{port}{self.gateway.health}"
        timeout = aiohttp.ClientTimeout(total=ASK_TIMEOUT_S)
        said = "nothing"
        async with aiohttp.ClientSession(timeout=timeout, trust_env=False) as session:
            while True:
                if not program.running:
                    if not last and _TAKEN.search(program.stderr_kept.text() + program.stdout_kept.text()):
                        await self._end()
                        return False
                    await program.close()  # its last words are there then
                    raise MeasurementError(
                        f"the {program.name} died before it was ready ({program.how_it_ended()})"
                    )
                try:
                    async with session.get(url) as answer:
                        if answer.ok:
                            self._ready_after_s = time.monotonic() - began
                            return True
                        said = f"status {answer.status}"
                except (aiohttp.ClientError, TimeoutError) as error:
                    said = type(error).__name__
                if time.monotonic() - began > self.gateway.ready_within:
                    words = program.last_words()
                    raise MeasurementError(
                        f"the {program.name} was not ready within {self.gateway.ready_within:g} s: "
                        f"{self.gateway.health} gave {said}" + (f"; its last words: {words}" if words else "")
                    )
                await asyncio.sleep(POLL_S)

    def look(self) -> None:
        """Note if it has ended by itself. The run goes on: what clients make of that is measured."""
        if self._died is None and self._program is not None and not self._program.running:
            self._died = self._program.ending

    async def close(self, t0: float | None) -> None:
        """End it with all of its processes, and write down what is known of it (`t0` of the cell, monotonic)."""
        if self._program is None:
            return
        self.look()
        await self._end()
        died = self._died is not None
        record: dict[str, Any] = {
            "name": self.gateway.name,
            "base_url": self.base_url,
            "ready_after_s": self._ready_after_s,
            "died": self._program.how_it_ended() if died else None,
            "died_at_s": self._died_at(t0) if died else None,
            "program": self._program.record(),
        }
        write_json(self._cell / RECORD, record, indent=1)
        kept = self._program.stdout_kept.text() + self._program.stderr_kept.text()
        (self._cell / OUTPUT).write_text(kept, encoding="utf-8")

    def _died_at(self, t0: float | None) -> float | None:
        if t0 is None or self._died is None or self._program is None:
            return None
        return time.monotonic() - self._program.age_s + self._died.at_s - t0

    async def _end(self) -> None:
        if self._program is not None:
            await self._program.end()


def free_port() -> int:
    """A port of loopback that is free now."""
    with socket.create_server((HOST, 0)) as free:
        number: int = free.getsockname()[1]
        return number
