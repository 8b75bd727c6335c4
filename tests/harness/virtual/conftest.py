"""What the tests on the virtual clock leave behind is ended."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.harness.virtual import shards


@pytest.fixture(scope="session", autouse=True)
def no_shard_is_left() -> Iterator[None]:
    """Shards that were started live until the last test is over."""
    yield
    shards.stop()
