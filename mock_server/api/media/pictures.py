"""Pictures of one colour, of any size, in a handful of bytes: PNG, JPEG, WebP, GIF and SVG.

Written by hand because a picture of a million equal pixels needs no encoder: in every format the pixels after the first
are a long run of the same few bits, so even a large picture costs well under a millisecond and a few kilobytes.
"""

from __future__ import annotations

import struct
import zlib
from functools import lru_cache
from typing import Final, NamedTuple

FORMATS: Final = ("png", "jpeg", "webp", "gif", "svg")


class Rgba(NamedTuple):
    """Red, green, blue and opacity, 0 to 255 each."""

    red: int
    green: int
    blue: int
    alpha: int = 255


@lru_cache(maxsize=64)
def picture(
    kind: str, width: int, height: int, colours: tuple[Rgba, ...], frame_ms: int = 200, quality: int = 100
) -> bytes:
    """A picture in one of `FORMATS`; several colours are the frames of a GIF, else the first one counts.

    `quality` is that of a JPEG, 0 to 100: the lower, the coarser its colour.
    """
    colour = colours[0]
    if kind == "png":
        return _png(width, height, colour)
    if kind == "jpeg":
        return _jpeg(width, height, colour, quality)
    if kind == "webp":
        return _webp(width, height, colour)
    if kind == "gif":
        return _gif(width, height, colours, frame_ms)
    return _svg(width, height, colour)


def _png(width: int, height: int, colour: Rgba) -> bytes:
    """One bit a pixel, all zero, and a palette of one colour."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    row = 1 + (width + 7) // 8
    parts = [
        b"\x89PNG\r\n\x1a\n",
        chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 3, 0, 0, 0)),
        chunk(b"PLTE", bytes(colour[:3])),
    ]
    if colour.alpha < 255:
        parts.append(chunk(b"tRNS", bytes([colour.alpha])))
    parts += (chunk(b"IDAT", zlib.compress(bytes(row * height), 1)), chunk(b"IEND", b""))
    return b"".join(parts)


class _Bits:
    """Bits put together; `first` says which end of a byte is filled first."""

    def __init__(self, first: str) -> None:
        self._low_first = first == "low"
        self._value = 0
        self._length = 0

    def add(self, value: int, length: int) -> None:
        """`length` bits of `value`: its lowest first, or its highest first, as bytes are filled."""
        if self._low_first:
            self._value |= value << self._length
        else:
            self._value = self._value << length | value
        self._length += length

    def bytes(self, fill: int = 0) -> bytes:
        """All bits; the rest of the last byte is `fill` (0 or 1)."""
        rest = -self._length % 8
        if rest:
            self.add((1 << rest) - 1 if fill else 0, rest)
        return self._value.to_bytes(self._length // 8, "little" if self._low_first else "big")


def _jpeg(width: int, height: int, colour: Rgba, quality: int) -> bytes:
    """Baseline, 8 × 8 blocks of one colour each; after the first ones, a block is two zero bits.

    The code for "no difference" and the one for "end of block" are both a single 0, so all other blocks of a
    picture are zero bytes. The other eleven sizes of a difference have codes of five bits, 10000 onwards.
    """
    red, green, blue, _ = colour
    step = 8 + (100 - quality) // 2
    levels = (
        0.299 * red + 0.587 * green + 0.114 * blue - 128,
        -0.168736 * red - 0.331264 * green + 0.5 * blue,
        0.5 * red - 0.418688 * green - 0.081312 * blue,
    )

    def segment(kind: int, data: bytes) -> bytes:
        return struct.pack(">BBH", 0xFF, kind, len(data) + 2) + data

    bits = _Bits("high")
    for level in levels:
        value = round(level * 8 / step)
        size = abs(value).bit_length()
        if size:
            bits.add(0b10000 + size - 1, 5)
            bits.add(value if value > 0 else value + (1 << size) - 1, size)
        else:
            bits.add(0, 1)
        bits.add(0, 1)
    others = -(-width // 8) * -(-height // 8) - 1
    bits.add(0, 6 * others)
    scan = bits.bytes(fill=1).replace(b"\xff", b"\xff\x00")
    direct = bytes(
        [0x00, 1, 0, 0, 0, 11, *[0] * 11, *range(12)]
    )  # how many codes of 1, 2, 3 … bits, and what they mean
    indirect = bytes([0x10, 1, *[0] * 15, 0])
    frame = struct.pack(">BHHB", 8, height, width, 3) + bytes([1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0])
    return b"".join(
        (
            b"\xff\xd8",
            segment(0xE0, b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0"),
            segment(0xDB, bytes([0, *[step] * 64])),
            segment(0xC0, frame),
            segment(0xC4, direct),
            segment(0xC4, indirect),
            segment(0xDA, bytes([3, 1, 0, 2, 0, 3, 0, 0, 63, 0])),
            scan,
            b"\xff\xd9",
        )
    )


def _webp(width: int, height: int, colour: Rgba) -> bytes:
    """Lossless, with five prefix codes of one symbol each: a pixel is no bits at all."""
    bits = _Bits("low")
    bits.add(width - 1, 14)
    bits.add(height - 1, 14)
    bits.add(1 if colour.alpha < 255 else 0, 1)
    bits.add(0, 3 + 1 + 1 + 1)  # version; no transform, no colour cache, one set of prefix codes
    for symbol in (colour.green, colour.red, colour.blue, colour.alpha, 0):
        bits.add(0b101, 3)  # a simple code, of one symbol, of eight bits
        bits.add(symbol, 8)
    data = b"\x2f" + bits.bytes()
    padded = data + b"\0" * (len(data) % 2)
    return struct.pack("<4sI4s4sI", b"RIFF", 12 + len(padded), b"WEBP", b"VP8L", len(data)) + padded


_FIRST_FREE: Final = 6
"""GIF: four colours, then the codes for "begin anew" and "end"; what comes after stands for ever longer runs."""


def _gif(width: int, height: int, colours: tuple[Rgba, ...], frame_ms: int) -> bytes:
    """An endless animation of one frame for each colour."""
    pixels = _runs(width * height)
    parts = [b"GIF89a", struct.pack("<HHBBB", width, height, 0x70, 0, 0)]
    parts.append(b"\x21\xff\x0bNETSCAPE2.0\x03\x01\0\0\0")
    for colour in colours:
        parts.append(struct.pack("<BBBBHBB", 0x21, 0xF9, 4, 0, min(65_535, round(frame_ms / 10)), 0, 0))
        parts.append(struct.pack("<BHHHHB", 0x2C, 0, 0, width, height, 0x81))
        parts.append(bytes(colour[:3]) * 4 + b"\x02")
        parts += [
            bytes([len(pixels[at : at + 255])]) + pixels[at : at + 255] for at in range(0, len(pixels), 255)
        ]
        parts.append(b"\0")
    return b"".join(parts) + b"\x3b"


def _runs(pixels: int) -> bytes:
    """LZW of so many pixels of colour 0: runs of 1, 2, 3 … pixels, each the code that the one before has made."""
    bits = _Bits("low")
    bits.add(4, 3)
    code, left, run, width = 0, pixels, 1, 3
    made = _FIRST_FREE - 1
    while left > 0:
        if run > left:  # what is left is a run that there is a code for already
            code, run = (0, 1) if left == 1 else (_FIRST_FREE + left - 2, left)
        bits.add(code, width)
        left -= run
        made += 1
        if made == 1 << width and width < 12:
            width += 1
        if made == 4_095:
            bits.add(4, width)
            code, run, width, made = 0, 1, 3, _FIRST_FREE - 1
            continue
        code, run = made, run + 1
    bits.add(5, width)
    return bits.bytes()


def _svg(width: int, height: int, colour: Rgba) -> bytes:
    fill = f"#{colour.red:02x}{colour.green:02x}{colour.blue:02x}"
    opacity = "" if colour.alpha == 255 else f' fill-opacity="{colour.alpha / 255:.3g}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}"><rect width="100%" height="100%" fill="{fill}"{opacity}/></svg>'
    ).encode()
