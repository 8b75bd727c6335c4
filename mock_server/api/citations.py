"""Citations of an answer that searched the web: a link in the text, and its `annotations`."""

from __future__ import annotations

import re
from typing import Any, Final

from windtunnel.mock_server.api.draws import Draws
from windtunnel.mock_server.api.json_schema.formats import FORMATS

_CITATION: Final = re.compile(r"\(\[([^\]]+)\]\((https://[^)\s]+)\)\)")


def cited(text: str, draws: Draws) -> str:
    """The text with a source after it, as a link in Markdown."""
    url = FORMATS["uri"](draws)
    host = url.split("/")[2]
    return f"{text.rstrip(' ,')} ([{host}]({url}?utm_source=openai))"


def citations(text: str) -> list[dict[str, Any]]:
    """The sources that stand in a text: title, address, and the indices of their first and last character."""
    return [
        {"start_index": found.start(), "end_index": found.end(), "title": found[1], "url": found[2]}
        for found in _CITATION.finditer(text)
    ]
