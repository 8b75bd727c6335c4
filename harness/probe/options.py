"""What `windtunnel probe` was asked for, checked."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from windtunnel.harness.errors import InputError
from windtunnel.harness.run.process import require_executable

COMMAND = "windtunnel probe"
MOST_PORT = 65_535
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


@dataclass(frozen=True, slots=True)
class ServiceCall:
    """What a user of the service sends; `{{n}}` in URL and body stands for the number of the call."""

    url: str
    method: str = "POST"
    body: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    timeout_s: float = 60.0

    def check(self, command: str = COMMAND) -> None:
        """Raise `InputError`, as one of `command`, for what cannot be called."""
        if not _can_be_called(self.url):
            raise InputError(
                command,
                path="--attach",
                found=f"'{self.url}'",
                expected="a URL such as http://127.0.0.1:8000/ask",
            )
        if self.method not in METHODS:
            raise InputError(command, path="--method", found=self.method, expected=", ".join(METHODS))


def check_process(command: str, program: Sequence[str], port: int, seed: int | None) -> None:
    """Raise `InputError`, as one of `command`, for a program, a port or a seed that cannot be; nothing is started."""
    if not 0 <= port <= MOST_PORT:
        raise InputError(command, path="--port", found=f"{port}", expected=f"a port from 0 to {MOST_PORT}")
    if seed is not None and seed < 0:
        raise InputError(command, path="--seed", found=f"{seed}", expected="a whole number of at least 0")
    if program:
        require_executable("program", program[0])
    elif not port:
        raise InputError(
            command,
            path="--attach",
            found="a service that runs already, and a mock on any free port",
            expected="--port too: start the service with OPENAI_BASE_URL=http://127.0.0.1:PORT/v1",
        )


def _can_be_called(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # no host, or no port, that there can be
        return False


@dataclass(frozen=True, slots=True)
class ProbeOptions:
    """A probe: a scenario, and a program (`command`), a service (`attach`) or both."""

    scenario: str
    command: Sequence[str] = ()
    attach: ServiceCall | None = None
    min_certainty: float | None = None
    length_s: float | None = None
    out: Path | None = None
    seed: int | None = None
    time_scale: float | None = None
    port: int = 0
    ready_s: float = 60.0

    def check(self) -> None:
        """Raise `InputError` for options that do not fit each other."""
        if not self.command and self.attach is None:
            raise InputError(
                COMMAND,
                found="no program",
                expected="-- and the command that starts it, or --attach with the URL of a service",
            )
        if self.min_certainty is not None and not 0 <= self.min_certainty <= 1:
            raise InputError(
                COMMAND,
                path="--min-certainty",
                found=f"{self.min_certainty:g}",
                expected="a number from 0 to 1",
            )
        if self.length_s is not None and not 0 < self.length_s < math.inf:
            raise InputError(
                COMMAND, path="--for", found=f"{self.length_s:g} s", expected="a time above zero"
            )
        if self.attach is not None:
            self.attach.check()
        check_process(COMMAND, self.command, self.port, self.seed)


def asked_body(text: str | None, command: str = COMMAND) -> str | None:
    """What `--body` of `command` says: the text itself, or that of the file behind `@`. Raises `InputError`."""
    if text is None or not text.startswith("@"):
        return text
    try:
        return Path(text[1:]).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            command, path="--body", found=f"'{text}' ({error})", expected="@ and a text file"
        ) from None


def asked_headers(lines: Sequence[str], body: str | None, command: str = COMMAND) -> dict[str, str]:
    """What `--header` of `command` says; a body is JSON unless a header says otherwise. Raises `InputError`."""
    headers = {"content-type": "application/json"} if body is not None else {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name.strip():
            raise InputError(command, path="--header", found=f"'{line}'", expected="NAME: VALUE")
        headers[name.strip().lower()] = value.strip()
    return headers
