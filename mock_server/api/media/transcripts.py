"""Make transcripts without listening: prose, spread over the length of the sound.

prose ──► words with their times ──► segments ──► json, text, srt, vtt, verbose_json, diarized_json
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import shake_128
from typing import Any, Final, NamedTuple

from windtunnel.mock_server.api.logprobs import ranked, tokens_of
from windtunnel.mock_server.api.text import prose, stream_of, tokens_in

WORDS_PER_SEGMENT: Final = 8
BYTES_PER_S: Final = 16_000
"""A sound that does not say how long it is, is taken to be 128 kbit/s."""

_DIGITS: Final = 3


class Word(NamedTuple):
    """One word, and when it is said: seconds from the start."""

    text: str
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Transcript:
    """A transcript: its text, the length of the sound in seconds, its words. `tokens` is what it was made of."""

    ident: str
    text: str
    seconds: float
    words: tuple[Word, ...]
    tokens: int

    @property
    def segments(self) -> list[tuple[Word, ...]]:
        """Words in groups, at least one."""
        size = WORDS_PER_SEGMENT
        return [self.words[at : at + size] for at in range(0, len(self.words), size)]


def make_transcript(seed: int, call_key: str, tokens: int, data: bytes) -> Transcript:
    """The transcript of a sound, of `tokens` tokens: a hash of the call, whatever the sound holds."""
    seconds = length_of(data)
    text = prose(stream_of(seed, call_key, 0, tokens)).strip()
    pieces = text.split() or [text]
    letters = sum(map(len, pieces)) or 1
    words, at = [], 0
    for piece in pieces:
        start = round(seconds * at / letters, _DIGITS)
        at += len(piece)
        words.append(Word(piece, start, round(seconds * at / letters, _DIGITS)))
    return Transcript(f"{seed}/transcript/{call_key}", " ".join(pieces), seconds, tuple(words), tokens)


def length_of(data: bytes) -> float:
    """How long a sound is, in seconds: by the header of a WAV, else by its size."""
    if data[:4] == b"RIFF" and data[8:12] == b"WAVE" and len(data) >= 44:
        rate: int = struct.unpack_from("<I", data, 28)[0]
        if rate:
            return max(0.01, round((len(data) - 44) / rate, 2))
    return max(0.01, round(len(data) / BYTES_PER_S, 2))


def joined(words: Sequence[Word]) -> str:
    """The text of some words."""
    return " ".join([word.text for word in words])


def subtitles(transcript: Transcript, kind: str) -> str:
    """The transcript as `srt` or `vtt`."""
    comma = "," if kind == "srt" else "."
    blocks = [] if kind == "srt" else ["WEBVTT"]
    for number, words in enumerate(transcript.segments, 1):
        times = f"{_clock(words[0].start, comma)} --> {_clock(words[-1].end, comma)}"
        number_line = f"{number}\n" if kind == "srt" else ""
        blocks.append(f"{number_line}{times}\n{joined(words)}")
    return "\n\n".join(blocks) + "\n\n"


def _clock(seconds: float, comma: str) -> str:
    milliseconds = round(seconds * 1000)
    minutes, rest = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{rest // 1000:02}{comma}{rest % 1000:03}"


def segment_objects(transcript: Transcript, temperature: float) -> list[dict[str, Any]]:
    """`segments` of `verbose_json`."""
    objects = []
    for number, words in enumerate(transcript.segments):
        text = f" {joined(words)}"
        raw = shake_128(f"{transcript.ident}/{number}".encode()).digest(2 * tokens_in(text) + 3)
        objects.append(
            {
                "id": number,
                "seek": 0,
                "start": words[0].start,
                "end": words[-1].end,
                "text": text,
                "tokens": [
                    50_364 + int.from_bytes(raw[at : at + 2], "big") % 1_500
                    for at in range(0, len(raw) - 3, 2)
                ],
                "temperature": temperature,
                "avg_logprob": -0.1 - raw[-1] / 1_000,
                "compression_ratio": 1.1 + raw[-2] / 500,
                "no_speech_prob": raw[-3] / 5_000,
            }
        )
    return objects


def speaker_objects(transcript: Transcript, names: Sequence[str]) -> list[dict[str, Any]]:
    """`segments` of `diarized_json`: two speakers in turns, or those whose names are known."""
    speakers = list(names) or ["A", "B"]
    return [
        {
            "type": "transcript.text.segment",
            "id": f"seg_{number:03}",
            "start": words[0].start,
            "end": words[-1].end,
            "text": joined(words),
            "speaker": speakers[number % len(speakers)],
        }
        for number, words in enumerate(transcript.segments)
    ]


def log_probabilities(ident: str, text: str, at: int = 0) -> list[dict[str, Any]]:
    """An entry for each token of a text whose first token is number `at` of the transcript."""
    return [
        {
            "token": token,
            "logprob": ranked(ident, token, number, 1)[0],
            "bytes": list(token.encode("utf-8", "replace")),
        }
        for number, token in enumerate(tokens_of(text), at)
    ]
