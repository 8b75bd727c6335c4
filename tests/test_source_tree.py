"""The readers behind `test_structure.py`, on small made-up trees: each rule there is able to fail."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.source_tree import (
    Source,
    circles,
    exported,
    ignores_without_reason,
    imports_of,
    libraries_of,
    our_imports,
    private_uses,
    public_classes,
    read_sources,
    room_of,
    upward,
)


def tree(root: Path, files: Mapping[str, str]) -> list[Source]:
    """Write files below `root` and read them back; every folder is a package."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
    return read_sources(root, sorted({name.split("/")[0] for name in files}))


def test_an_import_is_found_wherever_it_stands(tmp_path: Path) -> None:
    """Imports at the top, in a function, in a branch and for the type checker are found, each with its moment."""
    (source,) = tree(
        tmp_path,
        {
            "a/b.py": """
                from typing import TYPE_CHECKING
                import os.path
                if TYPE_CHECKING:
                    from windtunnel.a import typed
                else:
                    from windtunnel.a import branch
                class C:
                    from windtunnel.a import inside
                    def method(self):
                        try:
                            from windtunnel.a import lazy
                        finally:
                            pass
                from . import sibling
                from ..c import cousin
            """
        },
    )
    found = {one.full: one.when for one in imports_of(source)}
    assert found == {
        "typing.TYPE_CHECKING": "import",
        "os.path": "import",
        "windtunnel.a.typed": "typing",
        "windtunnel.a.branch": "import",
        "windtunnel.a.inside": "import",
        "windtunnel.a.lazy": "call",
        "windtunnel.a.sibling": "import",
        "windtunnel.c.cousin": "import",
    }


def test_an_import_reaches_a_module_or_the_package_that_has_the_name(tmp_path: Path) -> None:
    """`from package import x` is an arrow to the module x if there is one, and to the package if x is a name in it."""
    sources = tree(
        tmp_path,
        {
            "a/__init__.py": "NAME = 1",
            "a/x.py": "",
            "b/y.py": "from windtunnel.a import NAME, x\nimport windtunnel.a.x\nimport json",
        },
    )
    assert sorted(target for _, target in our_imports(sources)) == ["a", "a.x", "a.x"]


def test_a_circle_is_the_set_of_those_that_reach_each_other() -> None:
    """Two circles that touch are one; an arrow into a circle or out of it belongs to none."""
    arrows = [("a", "b"), ("b", "a"), ("b", "c"), ("c", "b"), ("x", "a"), ("c", "y"), ("p", "q"), ("q", "p")]
    assert circles(arrows) == {("a", "b", "c"), ("p", "q")}
    assert circles([("a", "b"), ("b", "c"), ("a", "c")]) == set()


def test_an_import_of_a_later_room_goes_up(tmp_path: Path) -> None:
    """The layers of a package are read in order: a room may import those before it, and no room after it."""
    layers = {"a": ["low", "low.inner", "high"], "b": ["low"]}
    sources = tree(
        tmp_path,
        {
            "a/low/one.py": "from windtunnel.a.high import two",
            "a/high/two.py": "import windtunnel.a.low.one\nfrom windtunnel.b import low",
            "a/low/inner/three.py": "def f():\n    from windtunnel.a.high import two",
            "b/low.py": "",
        },
    )
    expected = {("a.low.one", "a.high.two"), ("a.low.inner.three", "a.high.two")}
    assert upward(our_imports(sources), layers) == expected
    assert room_of("a.low.inner.three", layers) == "low.inner"


def test_a_room_that_no_layer_names_is_an_error() -> None:
    """A new folder has no place until the layers give it one."""
    with pytest.raises(LookupError, match=r"no room for a\.lower\.x"):
        room_of("a.lower.x", {"a": ["low"]})


def test_what_is_private_of_a_library_is_found(tmp_path: Path) -> None:
    """An undocumented module, an attribute inherited from it and one of its objects are found; our own and those of
    other libraries are not, and a file that does not import the library is left alone."""
    sources = tree(
        tmp_path,
        {
            "a/uses.py": """
                import os
                import lib
                from lib import good
                from lib.inner import thing
                class C(lib.Base):
                    def f(self, pool):
                        self._mine = self._inherited
                        self._of_another_file()
                        os._exit(1)
                        return pool._connections, self.__dict__
            """,
            "a/other.py": "class D:\n    def _of_another_file(self): return self._whatever",
        },
    )
    assert private_uses(sources, "lib", {"lib"}) == {
        ("a/uses.py", "lib.inner.thing"),
        ("a/uses.py", "_inherited"),
        ("a/uses.py", "_connections"),
    }


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("x = 1  # type: ignore[misc]", True),
        ("x = 1  # type: ignore", True),
        ("x = 1  # noqa: E501", True),
        ("x = 1  # noqa: E501, ASYNC110", True),
        ("x = 1  # noqa", True),
        ("x = 1  # type: ignore[misc]  # noqa: E501", True),
        ("x = 1  # type: ignore[misc]  # ok", True),
        ("# ruff: noqa: E501", True),
        ("x = 1  # type: ignore[misc]  # the stubs lack it", False),
        ("x = 1  # noqa: BLE001 - whatever is raised is the answer", False),
        ("x = 1  # type: ignore[a, b]  # noqa: E501 - one line as it is sent", False),
        ("x = '# type: ignore'", False),
        ("x = 1  # an ordinary comment", False),
    ],
)
def test_an_ignore_needs_a_reason(tmp_path: Path, line: str, wrong: bool) -> None:
    """A `type: ignore` or `noqa` is found unless at least two words stand behind it; text in a string is none."""
    (source,) = tree(tmp_path, {"a/b.py": f"first = 0\n{line}\n"})
    assert ignores_without_reason(source) == ([2] if wrong else [])


def test_public_classes_are_listed_by_name(tmp_path: Path) -> None:
    """Classes at the top of a file count; private ones and those inside others do not."""
    sources = tree(
        tmp_path,
        {
            "a/b.py": "class Same:\n    class Inner: pass\nclass _Same: pass",
            "a/c.py": "class Same: pass\nclass Inner: pass",
        },
    )
    assert public_classes(sources) == {"Same": ["a/b.py", "a/c.py"], "Inner": ["a/c.py"]}


def test_the_front_door_is_read_in_its_order(tmp_path: Path) -> None:
    """`__all__` is read as it is written, annotated or not; a file without one has none."""
    sources = tree(
        tmp_path,
        {
            "a/b.py": "__all__ = ['z', 'a']",
            "a/c.py": "__all__: tuple[str, ...] = ('a', 'z')",
            "a/d.py": "x = 1",
        },
    )
    assert [exported(source) for source in sources] == [["z", "a"], ["a", "z"], None]


def test_libraries_are_told_from_what_is_ours(tmp_path: Path) -> None:
    """A library counts by the first part of its name, wherever it is imported."""
    (source,) = tree(
        tmp_path, {"a/b.py": "import os.path\nfrom windtunnel.a import b\ndef f():\n    import lib.x"}
    )
    assert libraries_of(source) == {("os", 1), ("lib", 4)}
