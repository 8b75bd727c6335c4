"""The exceptions of the harness, as one tree.

```
HarnessError                 anything below; `exit_code` says how the command ends
├── InputError               the input is wrong (exit 2): one mistake, with file, line and key path
│   └── CollectedInputError  several mistakes of one input, all shown
└── MeasurementError         the measurement is not valid or was broken off (exit 3)
```
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher, get_close_matches
from itertools import takewhile
from pathlib import Path
from typing import ClassVar


class HarnessError(Exception):
    """The root of everything that the harness raises on purpose."""

    exit_code: ClassVar[int] = 70  # a bug, unless a class below says what it is


class InputError(HarnessError):
    """One mistake in what the user gave: a file, an option, a name.

    The message reads `where:line: path: found X, expected Y (hint)`; parts that are not known are left out.
    """

    exit_code = 2

    def __init__(
        self,
        where: str | Path,
        *,
        line: int | None = None,
        path: str = "",
        found: str = "",
        expected: str = "",
        hint: str = "",
    ) -> None:
        self.where = str(where)
        self.line = line
        self.path = path
        self.found = found
        self.expected = expected
        self.hint = hint
        super().__init__(self._message())

    def _message(self) -> str:
        place = self.where if self.line is None else f"{self.where}:{self.line}"
        found = f"found {self.found}" if self.found else ""
        expected = f"expected {self.expected}" if self.expected else ""
        text = ", ".join(part for part in (found, expected) if part)
        if self.hint:
            text = f"{text} ({self.hint})" if text else self.hint
        return ": ".join(part for part in (place, self.path, text) if part)


class CollectedInputError(InputError):
    """Several mistakes in one input, in the order of their lines; the message has one line for each."""

    def __init__(self, errors: Sequence[InputError]) -> None:
        if not errors:
            raise ValueError("CollectedInputError needs at least one error")
        unique = {str(error): error for error in errors}
        self.errors = tuple(sorted(unique.values(), key=lambda error: (error.where, error.line or 0)))
        first = self.errors[0]
        super().__init__(
            first.where,
            line=first.line,
            path=first.path,
            found=first.found,
            expected=first.expected,
            hint=first.hint,
        )
        self.args = ("\n".join(str(error) for error in self.errors),)


class MeasurementError(HarnessError):
    """A measurement that is not valid: a part of the run died, was overloaded, or was broken off."""

    exit_code = 3


def nearest(word: str, known: Sequence[str]) -> str:
    """`did you mean 'x'?` for the known word closest to `word`, or an empty string when none is close."""
    close = get_close_matches(word, known, n=3, cutoff=0.6)

    def likeness(one: str) -> tuple[float, int]:
        # Of words that are equally close, the one that begins alike: 'retrys' is 'retries' rather than 'returns'.
        alike = takewhile(lambda pair: pair[0] == pair[1], zip(word, one, strict=False))
        return SequenceMatcher(None, word, one).ratio(), len(list(alike))

    return f"did you mean '{max(close, key=likeness)}'?" if close else ""


def listing(words: Sequence[str], *, last: str = "or") -> str:
    """`'a', 'b' or 'c'`, for an error that says what was expected; with `last="and"` for what was found."""
    quoted = [f"'{word}'" for word in words]
    if len(quoted) < 2:
        return "".join(quoted)
    return f"{', '.join(quoted[:-1])} {last} {quoted[-1]}"
