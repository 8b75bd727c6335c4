"""The server as a process of its own, as people start it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any

import psutil

PATIENCE = 30.0


class ServerProcess:
    """`python -m windtunnel.mock_server`, with its records and its log in `folder`; `descriptors` is its hard limit,
    if given."""

    def __init__(self, folder: Path, *arguments: str, descriptors: int | None = None) -> None:
        command = [
            sys.executable,
            "-m",
            "windtunnel.mock_server",
            "--journal",
            str(folder / "records"),
            *arguments,
        ]
        if descriptors is not None:
            command = ["sh", "-c", f'ulimit -n {descriptors} && exec "$@"', "sh", *command]
        self.log = folder / "log"
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=log, env=os.environ | {"PYTHONUNBUFFERED": "1"}
            )
        assert self._process.stdout is not None
        said: dict[str, Any] = json.loads(self._process.stdout.readline())
        self.address = ("127.0.0.1", int(said["base_url"].split(":")[2].split("/")[0]))
        self.admin = ("127.0.0.1", int(said["admin_url"].split(":")[2].split("/")[0]))
        self.seen = psutil.Process(self._process.pid)

    def __enter__(self) -> ServerProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> int:
        """End it; gives its exit status."""
        self._process.terminate()
        status = self._process.wait(PATIENCE)
        assert self._process.stdout is not None
        self._process.stdout.close()
        return status
