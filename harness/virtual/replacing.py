"""Putting something in the place of a library's function, also where it has been imported by name already."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any


class Replacements:
    """Functions that get others in their place: at once in their module, everywhere else by `spread`."""

    def __init__(self) -> None:
        self._by_id: dict[int, tuple[Any, Any]] = {}

    def put(self, module: ModuleType, name: str, new: Any) -> None:
        """Let `module.name` be `new`."""
        old = getattr(module, name, None)
        if callable(old):
            self._by_id[id(old)] = old, new
        setattr(module, name, new)

    def spread(self) -> None:
        """Also in every module that was loaded before and has done `from module import name`."""
        for module in list(sys.modules.values()):
            names: Any = getattr(module, "__dict__", None)
            for name, value in list(names.items()) if type(names) is dict else ():
                old, new = self._by_id.get(id(value), (None, None))
                if old is value and old is not None:
                    names[name] = new
