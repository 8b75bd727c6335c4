"""How clients come to trust the authority of a mock whose regions have TLS."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")
"""Who reads them: OpenSSL, and so httpx and aiohttp; requests; Node."""


def trusting(announced: Mapping[str, Any]) -> dict[str, str]:
    """Return the variables that make a program trust a mock, by what it has announced; none if it has no TLS."""
    ca_file = announced.get("ca_file")
    return {} if ca_file is None else dict.fromkeys(VARIABLES, str(ca_file))
