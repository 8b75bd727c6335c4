"""What a cell of a varied run is called: the client, and in what it differs: `openai-default~region=us-east,pool=5`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

AT: Final = "~"
"""Between a client's name and where its cell stands; no client has it in its name."""
_CELL: Final = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._-]*{AT}[^/=]+=[^/]+")


def cell_name(client: str, coordinates: Mapping[str, str]) -> str:
    """The name of the cell of `client` at these coordinates."""
    return f"{client}{AT}{','.join(f'{key}={value}' for key, value in coordinates.items())}"


def is_cell(name: str) -> bool:
    """Whether a name is that of a cell, with coordinates; a file's, such as `~/a=b.yaml`, is not."""
    return _CELL.fullmatch(name) is not None


def base_of(client: str) -> str:
    """The client that a cell is one of; of a name without coordinates that name itself."""
    return client.partition(AT)[0] if is_cell(client) else client


def is_among(client: str, names: Iterable[str]) -> bool:
    """Whether a cell is meant by one of `names`: its own name, or that of its client, which means all its cells."""
    return client in names or base_of(client) in names


def names_of(text: str) -> list[str]:
    """The names in a list with commas between; the commas inside the name of a cell do not end it.

    `a,b~pool=5,http=2,c` is `a`, `b~pool=5,http=2` and `c`: a part with `=` and without `~` goes on with the cell
    before it.
    """
    names: list[str] = []
    for part in text.split(","):
        word = part.strip()
        if names and is_cell(names[-1]) and "=" in word and AT not in word and "/" not in word:
            names[-1] += f",{word}"
        elif word:
            names.append(word)
    return names
