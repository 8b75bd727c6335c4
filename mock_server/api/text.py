"""Generate prose from bytes, 4 characters to the token.

Text is read off a SHAKE-128 stream of (seed, call, choice), one byte a token, by table. So the first n
tokens of an answer do not depend on how long it is (`max_tokens` cuts, and changes nothing), and a megabyte
costs milliseconds. Some tokens hold two-, three- and four-byte characters, so a byte is not a character;
none needs an escape in JSON.
"""

from __future__ import annotations

from hashlib import shake_128
from typing import Final

CHARS_PER_TOKEN: Final = 4

_WORDS_OF_THREE: Final = """
the and for but not all one two our out day far new old way sea air fog sun ice sky oak elm ash bay bow cup
dew dry ear egg end eye fin fir fly fox gap gem hay hen hut ink ivy jar joy keg key lap leg lid lip log low
map mat mid mud net nut oar oat owl own pan paw pea pen pie pin pot raw red rib rim rod row rye sap saw she
shy sip six sly son sow spy tan tar tea ten tug tie tin tip toe ton toy tub use van vat wax web wet who why
wig yak yam yes yet zip arc ale awe axe bed bee bit box bud bun cab can cap car cod cog cot cow cub dam den
did dim dip dot dug dye eel elk ewe fan fed fig fit fur gas got gum had ham has hat her him his hop hot how
hub hum its jam jet jog jug kin kit lay let lit lot may men met mix mob nap near nod now odd off oil pad pat
"""
_WORDS_OF_TWO: Final = "so we it on in at by to up of no as he if or be go do is us my an me am"
_RARE: Final = (
    "été",
    "où ",
    "bœuf",
    "ñu, ",
    "ça, ",
    "für ",
    "øre ",
    "łąk ",
    "čaj ",
    "½ m ",
    "7°C ",
    "3 € ",
    "λ=2 ",
    "π≈3 ",
    "東京は ",
    "風洞、 ",
    "oh… ",
    "a—b ",
    "o 🌊 ",
    "🍃 a ",
)


def _table() -> tuple[str, ...]:
    """256 tokens of exactly four characters; words are followed by a space, some by a comma and a space."""
    tokens = [f"{word} " for word in _WORDS_OF_THREE.split()]
    tokens += [f"{word}, " for word in _WORDS_OF_TWO.split()]
    tokens += _RARE
    tokens = [token.ljust(CHARS_PER_TOKEN) for token in dict.fromkeys(tokens)]
    tokens = [token for token in tokens if len(token) == CHARS_PER_TOKEN]
    return tuple(tokens[at % len(tokens)] for at in range(256))


TOKENS: Final = _table()
_say: Final = TOKENS.__getitem__


def stream_of(seed: int, call_key: str, choice: int, size: int) -> bytes:
    """The first `size` bytes of the stream of one choice of one call."""
    return shake_128(f"{seed}/answer/{call_key}/{choice}".encode()).digest(size)


def prose(stream: bytes) -> str:
    """One token for each byte of `stream`."""
    return "".join(map(_say, stream))


def tokens_in(text: str) -> int:
    """How many tokens a text counts as: its characters by four, rounded up."""
    return (len(text) + CHARS_PER_TOKEN - 1) // CHARS_PER_TOKEN
