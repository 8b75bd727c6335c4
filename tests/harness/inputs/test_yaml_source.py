"""Reading YAML: plain data, the line of every key, and one clear message for what is no YAML mapping."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from windtunnel.harness.errors import InputError
from windtunnel.harness.inputs.yaml_source import YamlSource, key_path, parse_yaml, read_yaml

TEXT = """\
name: x           # line 1
phases:
  - {name: a, for: 1s}
  - name: b
    for: 2s
"""


def parse(text: str) -> YamlSource:
    return parse_yaml(text, name="f.yaml", base=Path())


@pytest.mark.parametrize(
    ("loc", "line"),
    [
        (("name",), 1),
        (("phases",), 2),
        (("phases", 0), 3),
        (("phases", 0, "for"), 3),
        (("phases", 1, "name"), 4),
        (("phases", 1, "for"), 5),
        (("phases", 1, "rules", 0, "fault"), 4),
        (("nowhere",), 1),
    ],
)
def test_lines(loc: tuple[str | int, ...], line: int) -> None:
    """Every key path has its line, and one that is not in the file has that of its nearest parent."""
    assert parse(TEXT).line(loc) == line


def test_key_path() -> None:
    """Key paths read as people write them."""
    assert key_path(("phases", 1, "rules", 0, "match")) == "phases[1].rules[0].match"


def test_duplicate_key() -> None:
    """A key that stands twice in a mapping is an error at its second line that names the first one."""
    (error,) = parse("a: 1\nb: {c: 1}\na: 2\n").duplicates
    assert (
        str(error) == "f.yaml:3: a: found the key a second time, expected it once (it is on line 1 already)"
    )


def test_all_duplicates_are_found() -> None:
    """Duplicate keys are found at any depth, and all of them."""
    found = parse("a: {x: 1, x: 2}\nb:\n  - y: 1\n    y: 2\n").duplicates
    assert [error.path for error in found] == ["a.x", "b[0].y"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "a: [1,\nb: 2\n",
            "f.yaml:3: found text that is not YAML, expected a YAML mapping "
            "(while parsing a flow sequence begun on line 1: ",
        ),
        ("a: 1\n  b: 2\n", "f.yaml:2: found text that is not YAML, expected a YAML mapping"),
        ("- a\n", "f.yaml:1: found a list, expected a YAML mapping"),
        ("hello", "f.yaml:1: found a text, expected a YAML mapping"),
        ("", "f.yaml:1: found an empty file, expected a YAML mapping"),
        ("a: !!python/name:os.system x", "f.yaml:1: found text that is not YAML"),
        ("a: 1\n---\nb: 2\n", "f.yaml:2: found text that is not YAML"),
    ],
)
def test_what_is_no_mapping(text: str, message: str) -> None:
    """Text that is not YAML, or not a mapping, gives one message with its line and what was expected."""
    with pytest.raises(InputError) as caught:
        parse(text)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_anchors_and_merges(tmp_path: Path) -> None:
    """Anchors, aliases and merge keys are read as YAML means them."""
    file = tmp_path / "a.yaml"
    file.write_text("base: &b {x: 1}\nmore: {<<: *b, y: 2}\nsame: *b\n")
    source = read_yaml(file)
    assert source.data == {"base": {"x": 1}, "more": {"x": 1, "y": 2}, "same": {"x": 1}}
    assert source.duplicates == ()


@pytest.mark.parametrize("name", ["absent.yaml", "."])
def test_unreadable(tmp_path: Path, name: str) -> None:
    """A file that is absent, or a directory, is an input error that names it."""
    with pytest.raises(InputError) as caught:
        read_yaml(tmp_path / name)
    assert str(caught.value).startswith(str(tmp_path / name))
    assert caught.value.exit_code == 2


def test_binary_file(tmp_path: Path) -> None:
    """A file that is not text is an input error."""
    (tmp_path / "b.yaml").write_bytes(b"\xff\xfe\x00a")
    with pytest.raises(InputError, match="an unreadable file"):
        read_yaml(tmp_path / "b.yaml")


@given(st.text(max_size=80))
def test_never_anything_else(text: str) -> None:
    """Whatever the text, it is read as a mapping or refused with an InputError."""
    with suppress(InputError):
        assert isinstance(parse(text).data, dict)
