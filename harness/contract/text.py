"""Text that came from outside (a file, a client's header, an exception), before a terminal sees it."""

from __future__ import annotations

import unicodedata

_KEPT = frozenset("\n\t")
_NEUTRAL = ("Cc", "Cf", "Cs", "Zl", "Zp")
"""Controls, invisible formats (such as those that turn the direction of writing), lone surrogates, line separators."""


def printable(text: str) -> str:
    """`text` with what could command a terminal written out, such as `\\x1b`; new lines and tabs stay."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_written_out(sign) for sign in text)


def _written_out(sign: str) -> str:
    if sign in _KEPT or unicodedata.category(sign) not in _NEUTRAL:
        return sign
    return sign.encode("unicode_escape").decode("ascii")
