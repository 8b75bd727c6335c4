"""From a matplotlib figure to an SVG that fits a light or dark page, a file on disk, and a screen reader.

    Figure ──savefig──► matplotlib's SVG ──tidy──► inline (colours are CSS variables of the page)
                                              └──► file   (the same, with the variables and a background inside)

The bytes depend on the figure alone: no dates, no random ids.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape

import matplotlib
from matplotlib.figure import Figure

from windtunnel.reports.charts import palette

_NOISE = re.compile(r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->", re.DOTALL)
_ROOT = re.compile(r"<svg[^>]*viewBox=\"([^\"]+)\"[^>]*>")
_FONT = re.compile(r"font-family:[^;\"]*;? ?")
_FONT_SHORTHAND = re.compile(r"font: ([^\"]*?)(\d+(?:\.\d+)?)px [^;\"]*")
_LONG_NUMBER = re.compile(r"(\d+\.\d\d)\d+")
_TAG = re.compile(r"<[^>]*>")
_NO_ROTATION = re.compile(r' transform="rotate\(-?0(?:\.0+)? [^"]*\)"')
_ID = re.compile(r' id="([^"]+)"')
_REFERENCE = re.compile(r'(?:xlink:href="#|url\(#)([^")]+)')
_COLOUR = re.compile("|".join(c.light + r"\b" for c in palette.COLOURS))
_VARIABLE = {c.light: f"var({c.variable},{c.light})" for c in palette.COLOURS}


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart in both forms. `name` is its file name without `.svg`; `alt` says in words what it shows."""

    name: str
    title: str
    alt: str
    inline: str
    file: str


@contextmanager
def settings() -> Iterator[None]:
    """Draw and render inside this: matplotlib's own defaults, whatever a matplotlibrc says, and text as it is."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams["svg.fonttype"] = "none"
        matplotlib.rcParams["path.simplify_threshold"] = 0.2
        matplotlib.rcParams["text.parse_math"] = False
        matplotlib.rcParams["hatch.linewidth"] = 0.8
        yield


def slug(name: str) -> str:
    """`name` as a part of a file name, an XML id and a link."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name)


def chart(figure: Figure, *, name: str, title: str, alt: str) -> Chart:
    """Render `figure`; its size in inches times 72 is the size of the drawing in CSS pixels."""
    name = slug(name)
    buffer = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": name}):
        figure.savefig(buffer, format="svg", facecolor="none", metadata={"Date": None, "Creator": None})
    raw = buffer.getvalue().decode()
    box = _ROOT.search(raw)
    if box is None:
        raise ValueError(f"matplotlib's SVG of {name!r} has no viewBox")
    body = _tidy(raw[box.end() :], name)
    return Chart(
        name, title, alt, _inline(name, title, alt, box[1], body), _file(name, title, alt, box[1], body)
    )


def _tidy(text: str, name: str) -> str:
    """Shorten matplotlib's markup, turn colours into variables and make ids unique on a page with many charts."""
    text = _NOISE.sub("", text)
    text = _FONT_SHORTHAND.sub(_font, text)
    text = _FONT.sub("", text)
    text = _TAG.sub(lambda m: _LONG_NUMBER.sub(r"\1", m[0]), text)  # never in what people read
    text = _NO_ROTATION.sub("", text)
    used = set(_REFERENCE.findall(text))
    text = _ID.sub(lambda m: f' id="{name}-{m[1]}"' if m[1] in used else "", text)
    text = _REFERENCE.sub(lambda m: m[0].replace("xlink:", "").replace("#" + m[1], f"#{name}-{m[1]}"), text)
    text = _COLOUR.sub(lambda m: _VARIABLE[m[0]], text)
    text = re.sub(r"\s*\n\s*", " ", text)
    return re.sub(r"> <", "><", text).strip()


def _font(match: re.Match[str]) -> str:
    """`font: 700 12px X` as longhands, so that the family is inherited from the root."""
    weight = "font-weight: bold; " if re.search(r"\b(700|bold)\b", match[1]) else ""
    style = "font-style: italic; " if "italic" in match[1] else ""
    return f"{weight}{style}font-size: {match[2]}px"


def _labelled(name: str, title: str, alt: str) -> str:
    return f'<title id="{name}-title">{escape(title)}</title><desc id="{name}-desc">{escape(alt)}</desc>'


def _root(name: str, box: str, size: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="wt-chart" viewBox="{box}" {size}role="img" '
        f'aria-labelledby="{name}-title {name}-desc" stroke-linejoin="round" font-family="{palette.FONT}">'
    )


def _inline(name: str, title: str, alt: str, box: str, body: str) -> str:
    return _root(name, box, "") + _labelled(name, title, alt) + body


def _file(name: str, title: str, alt: str, box: str, body: str) -> str:
    width, height = box.split()[2:]
    ground = f'<rect width="{width}" height="{height}" style="fill: {_VARIABLE[palette.SURFACE.light]}"/>'
    style = f"<style>{palette.css('.wt-chart')}</style>"
    root = _root(name, box, f'width="{width}" height="{height}" ')
    return root + _labelled(name, title, alt) + style + ground + body + "\n"
