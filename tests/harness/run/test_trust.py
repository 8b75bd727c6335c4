"""TLS in a run: who is made to trust the mock, and what cannot have TLS."""

from __future__ import annotations

import pytest

from windtunnel.harness.errors import InputError
from windtunnel.harness.inputs.gallery import load_profile, load_scenario
from windtunnel.harness.inputs.gateway import Gateway
from windtunnel.harness.inputs.scenario import Scenario
from windtunnel.harness.plan import resolve
from windtunnel.harness.run.trust import trusting

CLIENT = load_profile("openai-default")


def _secured(**link: object) -> Scenario:
    storm = load_scenario("retry_storm").model_dump(mode="json", by_alias=True, exclude_unset=True)
    regions = {"local": {"tls": True, "link": {"rtt": "50ms", **link}}}
    return Scenario.model_validate({**storm, "provider": {**storm["provider"], "regions": regions}})


def test_programs_trust_a_mock_with_tls_and_nothing_changes_without() -> None:
    """OpenSSL, requests and Node find the authority by their own variables, if there is one."""
    assert trusting({"base_url": "http://127.0.0.1:1/v1"}) == {}
    assert trusting({"ca_file": "/there/ca.pem"}) == {
        "SSL_CERT_FILE": "/there/ca.pem",
        "REQUESTS_CA_BUNDLE": "/there/ca.pem",
        "NODE_EXTRA_CA_CERTS": "/there/ca.pem",
    }


def test_tls_is_played_in_virtual_time_where_plays_are_alike() -> None:
    """Sizes of handshakes differ: where delays depend on sizes real time is chosen, and virtual time refused."""
    assert resolve(_secured(), [CLIENT]).clock == "virtual"
    plan = resolve(_secured(bandwidth="10Mbit/s"), [CLIENT])
    assert plan.clock == "real"
    assert plan.clock_reason == "the region local has TLS over a link whose delays depend on sizes"
    with pytest.raises(InputError, match=r"provider.regions.local.tls: found virtual time, .*--clock real"):
        resolve(_secured(loss=0.1), [CLIENT], clock="virtual")


def test_tls_behind_a_gateway_is_refused() -> None:
    """A gateway is a program of its own, and nobody has told it whom to trust."""
    with pytest.raises(InputError, match=r"found TLS, behind a gateway, .*expected no TLS, or no gateway"):
        resolve(_secured(), [CLIENT], gateway=Gateway.model_construct(name="litellm"))
