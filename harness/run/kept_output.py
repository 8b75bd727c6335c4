"""What a program printed, bounded: its first and its last bytes, and how many there were between."""

from __future__ import annotations

from collections import deque

FIRST_BYTES = 64 * 1024
LAST_BYTES = 192 * 1024


class KeptOutput:
    """Bytes of one stream, of which a start and an end are kept."""

    __slots__ = ("_first", "_first_bytes", "_last", "_last_bytes", "_last_size", "total")

    def __init__(self, first_bytes: int = FIRST_BYTES, last_bytes: int = LAST_BYTES) -> None:
        self.total = 0
        self._first = bytearray()
        self._last: deque[bytes] = deque()
        self._last_size = 0
        self._first_bytes = first_bytes
        self._last_bytes = last_bytes

    def add(self, data: bytes) -> None:
        """Take what has just been printed."""
        self.total += len(data)
        room = self._first_bytes - len(self._first)
        if room > 0:
            self._first += data[:room]
            data = data[room:]
        if not data:
            return
        self._last.append(data[-self._last_bytes :])
        self._last_size += len(self._last[-1])
        while self._last_size - len(self._last[0]) >= self._last_bytes:
            self._last_size -= len(self._last.popleft())

    @property
    def left_out(self) -> int:
        """Bytes that are not kept."""
        return max(0, self.total - self._first_bytes - self._last_bytes)

    def text(self) -> str:
        """The kept output; where something is left out, a line says how much."""
        end = b"".join(self._last)[-self._last_bytes :]
        if not self.left_out:
            return (bytes(self._first) + end).decode(errors="replace")
        gap = f"\n… {self.left_out} bytes left out …\n"
        return bytes(self._first).decode(errors="replace") + gap + end.decode(errors="replace")

    def last_line(self) -> str:
        """The last line that is not blank, or ''."""
        lines = (b"".join(self._last) or bytes(self._first)).decode(errors="replace").splitlines()
        return next((line.strip() for line in reversed(lines) if line.strip()), "")
