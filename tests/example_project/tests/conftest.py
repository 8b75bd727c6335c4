"""What the tests share: OpenAI behind respx, for the code that goes over httpx."""

import pytest

import windtunnel.testing


@pytest.fixture
def openai_route():
    """A router of respx, with a mock behind OpenAI's address."""
    with windtunnel.testing.router() as router:
        yield router
