"""The examples of the manual are played as they stand."""

from __future__ import annotations

import re
from pathlib import Path

from tests.harness.testing.projects import play

MANUAL = Path(__file__).parents[3] / "harness" / "testing" / "README.md"


def test_the_examples_of_the_manual(tmp_path: Path) -> None:
    """Every Python block of the README is a file of tests that pass."""
    blocks = re.findall(r"^```python\n(.*?)^```", MANUAL.read_text(), re.MULTILINE | re.DOTALL)
    assert len(blocks) >= 2
    for number, block in enumerate(blocks):
        (tmp_path / f"test_block_{number}.py").write_text(block)
    code, said = play(tmp_path, "", "-q", "-W", "error")
    assert code == 0, said
