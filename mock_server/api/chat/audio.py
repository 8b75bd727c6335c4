"""Spoken answers of chat completions: a transcript, and sound that is small and valid.

Ten milliseconds of silence stand for every token, 24,000 samples a second, 16 bits, one channel.
"""

from __future__ import annotations

from base64 import b64encode
from typing import Any, Final, NamedTuple

from windtunnel.mock_server.api.choices import GeneratedChoice
from windtunnel.mock_server.api.media.sounds import sound
from windtunnel.mock_server.api.text import tokens_in

KEPT_S: Final = 3600
"""How long the API keeps a sound for later turns of the conversation."""
SECONDS_PER_TOKEN: Final = 0.01

_SAMPLES: Final = bytes(480)
"""One token's sound in a stream; a multiple of 6 bytes, so pieces of it in base64 can be put together as text."""


class SpokenAudio(NamedTuple):
    """The sound of an answer: its format, and the Unix time of the answer."""

    format: str
    created: int

    @property
    def expires_at(self) -> int:
        """When the sound can no longer be referred to, in Unix time."""
        return self.created + KEPT_S

    def whole(self, generated: GeneratedChoice) -> dict[str, Any]:
        """`message.audio` of an answer in one piece."""
        kind = "pcm" if self.format == "pcm16" else self.format
        data = b64encode(sound(kind, generated.tokens * SECONDS_PER_TOKEN, _ident(generated))).decode()
        return {
            "id": _ident(generated),
            "data": data,
            "expires_at": self.expires_at,
            "transcript": generated.content,
        }

    def opening(self, generated: GeneratedChoice) -> dict[str, Any]:
        """`delta.audio` of a stream's first chunk."""
        return {"id": _ident(generated), "transcript": ""}

    def deltas(self, piece: str) -> list[dict[str, Any]]:
        """The deltas for a piece of the transcript: the words, and how they sound (streams are always PCM)."""
        data = b64encode(_SAMPLES * tokens_in(piece)).decode()
        return [{"audio": {"transcript": piece}}, {"audio": {"data": data}}]


def _ident(generated: GeneratedChoice) -> str:
    return f"audio_{generated.ident[:32]}"
