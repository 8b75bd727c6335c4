"""Behaviour numbers: the package and the changelog tell the same."""

from __future__ import annotations

from pathlib import Path

from windtunnel.harness.contract.behaviour import BEHAVIOUR, BEHAVIOURS

CHANGELOG = Path(__file__).parents[3] / ".github" / "CHANGELOG.md"


def test_every_behaviour_is_in_the_changelog() -> None:
    """A number that is raised says in both places what it changed, and no number is left out."""
    text = CHANGELOG.read_text(encoding="utf-8")
    assert list(BEHAVIOURS) == list(range(1, BEHAVIOUR + 1))
    assert [n for n, sentence in BEHAVIOURS.items() if f"| {n} | {sentence} |" not in text] == []
