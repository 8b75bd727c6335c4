"""Which behaviour of windtunnel made a run: two runs with other numbers may differ, though nothing of theirs does."""

from __future__ import annotations

from typing import Final

BEHAVIOUR: Final = 4
"""Raised by one whenever the digests of the gallery's virtual runs change. A run's plan.json records it."""
