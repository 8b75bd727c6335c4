"""Servers in a thread, as the tests of the transports have them, and long bodies to send."""

from __future__ import annotations

from tests.mock_server.transports.conftest import ask, loop_factory, serve

__all__ = ["ask", "loop_factory", "serve"]
