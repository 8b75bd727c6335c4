"""The colours of charts and page, each with a name, a light and a dark value.

The hues are those of Okabe and Ito ("Color Universal Design", 2008), which readers with any of the common kinds of
colour blindness tell apart; the dark values are lighter relatives. Charts are drawn in the light values, which are all
distinct, and `svg.py` turns each into a CSS variable, so that one SVG serves both schemes.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Colour:
    """A named colour: hex values, lower case, for a light and for a dark surface."""

    name: str
    light: str
    dark: str

    @property
    def variable(self) -> str:
        """The CSS variable that stands for this colour."""
        return f"--wt-{self.name}"


INK = Colour("ink", "#1a1f26", "#e9ecf0")
MUTED = Colour("muted", "#57606b", "#a4adb8")
GRID = Colour("grid", "#e1e4e9", "#2f3640")
AXIS = Colour("axis", "#aab1bb", "#56606c")
SURFACE = Colour("surface", "#ffffff", "#15191f")
PAGE = Colour("page", "#f5f6f8", "#0d1014")
FAULT = Colour("fault", "#fdeee3", "#33241a")
FAULT_INK = Colour("fault-ink", "#a34400", "#f7a873")
OK_INK = Colour("ok-ink", "#00704f", "#45d1a7")

GOOD = Colour("good", "#0072b2", "#4fa8e0")
BAD = Colour("bad", "#d55e00", "#f58442")
LOST = Colour("lost", "#f3c4a2", "#6b3d20")
GREEN = Colour("green", "#009e73", "#2fc49a")
PURPLE = Colour("purple", "#cc79a7", "#b8759d")
ORANGE = Colour("orange", "#e69f00", "#f3b93c")
SKY = Colour("sky", "#56b4e9", "#a5d8f5")
YELLOW = Colour("yellow", "#f0e442", "#f4ec7a")
GREY = Colour("grey", "#8b939e", "#8d96a2")
PALE = Colour("pale", "#c9ced5", "#4a535e")

COLOURS = (
    INK, MUTED, GRID, AXIS, SURFACE, PAGE, FAULT, FAULT_INK, OK_INK, GOOD, BAD, LOST, GREEN, PURPLE, ORANGE,
    SKY, YELLOW, GREY, PALE,
)  # fmt: skip

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Liberation Sans', Arial, sans-serif"


def css(selector: str) -> str:
    """The variables of all colours for `selector`: light, and dark where the reader prefers it (never in print)."""
    light = "".join(f"{c.variable}:{c.light};" for c in COLOURS)
    dark = "".join(f"{c.variable}:{c.dark};" for c in COLOURS)
    return f"{selector}{{{light}}}@media screen and (prefers-color-scheme:dark){{{selector}{{{dark}}}}}"
