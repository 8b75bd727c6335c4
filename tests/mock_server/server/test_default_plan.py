"""The plan of a server that was given none."""

from __future__ import annotations

import pytest

from windtunnel.mock_server.plan.plan import Plan
from windtunnel.mock_server.server.options import default_plan


@pytest.mark.parametrize("workers", [1, 4])
def test_a_server_without_a_plan_calls_the_tools_it_is_offered(workers: int) -> None:
    """As OpenAI's models do; a plan that does not speak of it calls only those that are forced."""
    assert default_plan(workers).provider.answer.tool_calls == "offered"
    assert Plan().provider.answer.tool_calls == "forced"
