"""Silence in every audio format of the API: valid files of 24,000 samples a second and one channel, below 100 kB.

Built from the formats' own descriptions: RIFF; MPEG-2 layer III (ISO 13818-3); ADTS AAC-LC (ISO 13818-7); FLAC
(RFC 9639); Ogg Opus (RFC 7845, RFC 3533). Where a format has a place for comments, a mark goes there that tells one
answer from another.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from hashlib import md5
from typing import Final

RATE: Final = 24_000
LONGEST_S: Final = 2.0
"""However long the text is, the sound is no longer."""

VENDOR: Final = b"windtunnel"


def sound(kind: str, seconds: float, mark: str) -> bytes:
    """At least `seconds` of silence (at most 2 s and what is left of a frame) in one of `FORMATS`."""
    return FORMATS[kind](max(1, round(min(seconds, LONGEST_S) * RATE)), mark.encode())


def _frames(samples: int, size: int) -> int:
    return -(-samples // size)


def _pcm(samples: int, mark: bytes) -> bytes:
    """16 bits, little-endian. The mark is in the lowest bit of the first samples, where it is not audible."""
    bits = [byte >> at & 1 for byte in mark for at in range(8)][:samples]
    return struct.pack(f"<{len(bits)}h", *bits) + bytes(2 * (samples - len(bits)))


def _wav(samples: int, mark: bytes) -> bytes:
    data = _pcm(samples, mark)
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, RATE, 2 * RATE, 2, 16)
    rest = b"WAVE" + form + struct.pack("<4sI", b"data", len(data)) + data
    return struct.pack("<4sI", b"RIFF", len(rest)) + rest


def _mp3(samples: int, mark: bytes) -> bytes:
    """An ID3 comment, then frames of 64 kbit/s whose side information says that there is nothing to decode."""
    text = b"\0eng\0" + mark
    frame = b"COMM" + struct.pack(">IH", len(text), 0) + text
    tag = b"ID3\x03\0\0" + bytes([0, 0, len(frame) >> 7 & 127, len(frame) & 127]) + frame
    silent = b"\xff\xf3\x84\xc4" + bytes(72 * 64_000 // RATE - 4)
    return tag + silent * _frames(samples, 576)


def _aac(samples: int, mark: bytes) -> bytes:
    """ADTS frames: one channel element without a single band, and the end element."""
    block = (0b111).to_bytes(4, "big")
    length = 7 + len(block)
    fields = (
        (0xFFF, 12),
        (0b0001, 4),
        (1, 2),
        (6, 4),
        (0, 1),
        (1, 3),
        (0, 4),
        (length, 13),
        (0x7FF, 11),
        (0, 2),
    )
    head = 0
    for value, width in fields:
        head = head << width | value
    return (head.to_bytes(7, "big") + block) * _frames(samples, 1024)


def _flac(samples: int, mark: bytes) -> bytes:
    """Frames of 4,096 samples, each a constant."""
    size = 4096
    count = _frames(samples, size)
    info = struct.pack(">HH", size, size) + bytes(6)
    info += (RATE << 44 | 0 << 41 | 15 << 36 | count * size).to_bytes(8, "big")
    info += md5(bytes(2 * count * size), usedforsecurity=False).digest()
    comment = _vorbis_comment(mark)
    parts = [b"fLaC", bytes([0]) + len(info).to_bytes(3, "big") + info]
    parts.append(bytes([0x84]) + len(comment).to_bytes(3, "big") + comment)
    for number in range(count):
        head = b"\xff\xf8\xc7\x08" + bytes([number])
        frame = head + bytes([_crc(head, 8, 0x07)]) + b"\0\0\0"
        parts.append(frame + _crc(frame, 16, 0x8005).to_bytes(2, "big"))
    return b"".join(parts)


def _opus(samples: int, mark: bytes) -> bytes:
    """Three Ogg pages: head, tags, and packets of 20 ms of silence."""
    count = _frames(samples, RATE // 50)
    head = b"OpusHead" + struct.pack("<BBHIhB", 1, 1, 0, RATE, 0, 0)
    tags = b"OpusTags" + _vorbis_comment(mark)
    serial = zlib.crc32(mark)
    return b"".join(
        (
            _page([head], 2, 0, serial, 0),
            _page([tags], 0, 0, serial, 1),
            _page([b"\xf8\xff\xfe"] * count, 4, 960 * count, serial, 2),
        )
    )


def _vorbis_comment(mark: bytes) -> bytes:
    entry = b"COMMENT=" + mark
    return struct.pack("<I", len(VENDOR)) + VENDOR + struct.pack("<II", 1, len(entry)) + entry


def _page(packets: list[bytes], kind: int, position: int, serial: int, number: int) -> bytes:
    """An Ogg page of packets below 255 bytes each, at most 255 of them."""
    head = struct.pack("<4sBBqII", b"OggS", 0, kind, position, serial, number)
    rest = bytes([len(packets), *map(len, packets)]) + b"".join(packets)
    return head + struct.pack("<I", _crc(head + bytes(4) + rest, 32, 0x04C11DB7)) + rest


def _crc(data: bytes, width: int, polynomial: int) -> int:
    """A checksum with the highest bit first, from zero, as FLAC and Ogg have it."""
    top, mask, value = 1 << (width - 1), (1 << width) - 1, 0
    for byte in data:
        value ^= byte << (width - 8)
        for _ in range(8):
            value = (value << 1 ^ polynomial if value & top else value << 1) & mask
    return value


FORMATS: Final[dict[str, Callable[[int, bytes], bytes]]] = {
    "mp3": _mp3,
    "opus": _opus,
    "aac": _aac,
    "flac": _flac,
    "wav": _wav,
    "pcm": _pcm,
}

CONTENT_TYPES: Final = {
    "mp3": "audio/mpeg",
    "opus": "audio/opus",
    "aac": "audio/aac",
    "flac": "audio/flac",
    "wav": "audio/wav",
    "pcm": "audio/pcm",
}
