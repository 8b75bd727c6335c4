"""Putting something in the place of a library's function, also where it has been imported by name already; and back."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any


class Replacements:
    """Functions that get others in their place: at once in their module, everywhere else by `spread`."""

    def __init__(self) -> None:
        self._by_id: dict[int, tuple[Any, Any]] = {}
        self._undo: list[Callable[[], object]] = []

    def put(self, module: Any, name: str, new: Any) -> None:
        """Let `module.name` be `new`."""
        old = getattr(module, name, None)
        if callable(old):
            self._by_id[id(old)] = old, new
        self.put_there(module, name, new)

    def put_there(self, owner: Any, name: str, new: Any) -> None:
        """Let `owner.name` be `new`, and nothing else anywhere."""
        own = vars(owner)
        if name in own:
            old = own[name]
            self._undo.append(lambda: setattr(owner, name, old))
        else:
            self._undo.append(lambda: delattr(owner, name))
        setattr(owner, name, new)

    def when_restored(self, callback: Callable[[], object]) -> None:
        """Have something else undone by `restore`, before what was put earlier."""
        self._undo.append(callback)

    def spread(self) -> None:
        """Also in every module that was loaded before and has done `from module import name`."""
        _exchange(self._by_id)

    def restore(self) -> None:
        """Put everything back, the latest first; also in modules that were loaded meanwhile."""
        while self._undo:
            self._undo.pop()()
        _exchange({id(new): (new, old) for old, new in self._by_id.values()})
        self._by_id.clear()


def _exchange(by_id: dict[int, tuple[Any, Any]]) -> None:
    for module in list(sys.modules.values()):
        names: Any = getattr(module, "__dict__", None)
        for name, value in list(names.items()) if type(names) is dict else ():
            old, new = by_id.get(id(value), (None, None))
            if old is value and old is not None:
                names[name] = new
