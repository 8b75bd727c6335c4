"""Bytes that mean nothing, or nearly something: every parser answers or refuses them."""

from __future__ import annotations

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.mock_server.hardening.fuzzing import SEEDS, TARGETS

EXAMPLES = int(os.environ.get("WINDTUNNEL_FUZZ", "1")) * 60
"""Inputs a parser; `WINDTUNNEL_FUZZ=100` for a long look."""


@st.composite
def nearly(draw: st.DrawFn, seeds: tuple[bytes, ...]) -> bytes:
    """A seed with some bytes replaced by others, or by pieces of seeds."""
    data = draw(st.sampled_from(seeds))
    pieces = st.binary(max_size=4) | st.sampled_from(
        [
            b'"',
            b"[",
            b"]",
            b"{",
            b"}",
            b"\\",
            b"null",
            b"-1",
            b"1e999",
            b"\xff",
            b"\0",
            b"\r\n",
            b";",
            b"=",
            *seeds,
        ]
    )
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(data)))
        data = data[:at] + draw(pieces) + data[at + draw(st.integers(0, 6)) :]
    return data


@pytest.mark.parametrize("name", TARGETS)
def test_any_bytes(name: str) -> None:
    """No bytes at all, and no change to good ones, make a parser fail."""

    @settings(max_examples=EXAMPLES, deadline=None)
    @given(st.binary(max_size=60) | nearly(SEEDS[name]))
    def attack(data: bytes) -> None:
        TARGETS[name](data)

    for seed in SEEDS[name]:
        TARGETS[name](seed)
    attack()
