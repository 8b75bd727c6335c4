"""The references in the manuals are made from the tables, and are up to date."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from ruamel.yaml import YAML

from windtunnel.mock_server.faults import FAULTS
from windtunnel.mock_server.faults.base import BEFORE_REQUESTS, LAYERS
from windtunnel.mock_server.faults.retry import RetryParams
from windtunnel.mock_server.manual import faults as reference
from windtunnel.mock_server.manual.faults import parameters
from windtunnel.mock_server.manual.sections import KINDS, build_plan_reference
from windtunnel.mock_server.plan.plan import Plan

NAMES = [
    "rate_limit_requests",
    "rate_limit_tokens",
    "request_too_large",
    "insufficient_quota",
    "slow_down",
    "overloaded",
    "overloaded_legacy",
    "server_error",
    "bad_gateway",
    "gateway_timeout",
    "cloudflare",
    "invalid_api_key",
    "ip_not_authorized",
    "country_unsupported",
    "model_not_found",
    "conflict",
    "request_timeout",
    "payload_too_large",
    "unprocessable",
    "context_length_exceeded",
    "azure_rate_limit",
    "status",
    "refuse",
    "blackhole",
    "tls_expired",
    "tls_wrong_host",
    "tls_untrusted",
    "tls_incomplete_chain",
    "tls_old_protocol",
    "tls_handshake_stall",
    "hang",
    "slow_headers",
    "reset",
    "close",
    "short_body",
    "incomplete_chunked",
    "bad_status_line",
    "huge_headers",
    "drip",
    "bad_gzip",
    "stream_reset",
    "refused_stream",
    "goaway",
    "calm_down",
    "one_stream",
    "window_stall",
    "slow_first_token",
    "stall",
    "stall_with_heartbeats",
    "cut",
    "eof_without_done",
    "open_after_done",
    "error_event",
    "response_failed",
    "response_incomplete",
    "bad_json_event",
    "bad_utf8_event",
    "dataless_event",
    "duplicate_events",
    "swapped_events",
    "crlf_events",
    "missing_usage",
    "fragment",
    "buffered",
    "malformed_json",
    "truncated_json",
    "empty_body",
    "html_200",
    "wrong_content_type",
    "wrong_shape",
    "extra_fields",
    "unknown_enum",
    "refusal",
    "content_filter",
    "length_cutoff",
    "non_json_content",
    "schema_violation",
    "bad_tool_arguments",
    "unknown_tool",
]


def test_the_vocabulary_is_complete() -> None:
    """Every fault of the vocabulary is there under its name, and no other."""
    assert sorted(FAULTS) == sorted(NAMES)
    assert all(name == kind.name for name, kind in FAULTS.items())


def test_every_fault_and_parameter_is_explained() -> None:
    """The reference has a section for each fault: what it is, each of its parameters in a sentence, an example."""
    sections = dict(
        zip(
            *[iter(re.split(r"^#### (\w+)$", reference.build_reference(KINDS), flags=re.M)[1:])] * 2,
            strict=True,
        )
    )
    assert list(sections) == [fault["name"] for fault in reference.describe(KINDS)]
    common = {name for name, _, _ in parameters(RetryParams)}
    for fault in reference.describe(KINDS):
        section = sections[fault["name"]]
        assert fault["about"] in section
        assert fault["about"].endswith(".")
        assert f"- {fault['example']}\n" in section
        for parameter in fault["parameters"]:
            assert parameter["about"].endswith((".", "…"))
            if parameter["name"] not in common:
                assert f"- `{parameter['name']}`" in section


@pytest.mark.parametrize("name", FAULTS)
def test_every_example_is_a_rule_of_a_plan(name: str) -> None:
    """What stands in the reference can be copied into a plan, and is about the fault that it stands beside."""
    rule = YAML(typ="safe").load(FAULTS[name].example)
    assert rule["fault"] == name
    provider = {"regions": {"local": {"tls": FAULTS[name].stage == "handshake"}}}
    assert Plan.model_validate({"provider": provider, "rules": [rule]}).rules[0].uses[0] is not None


def test_the_overviews_link_to_every_section() -> None:
    """Each fault stands once in the overview, with a link that works from where the overview is."""
    for link in ("", "faults/README.md"):
        overview = reference.build_overview(KINDS, link)
        assert [overview.count(f"[`{name}`]({link}#{name})") for name in FAULTS] == [1] * len(FAULTS)


def test_the_order_names_every_fault_where_it_acts() -> None:
    """Each answer fault stands in its layer, layers in the order in which they act; what may also come alone, twice."""
    rows = reference.build_order(KINDS).splitlines()[2:]
    assert [row.split(" | ")[0].split(". ")[1] for row in rows] == [
        "listener",
        "handshake",
        "edge",
        *LAYERS,
    ]
    for name, kind in FAULTS.items():
        places = [row.split(". ")[1].split(" | ")[0] for row in rows if f"`{name}`" in row]
        edge = [kind.stage] if kind.stage == "edge" and kind.family != "status" else []
        layer = [kind.layer] if kind.stage == "answer" or kind.stage_of else []
        timed = ["gateway"] if kind.layer_of else []
        before = [kind.stage] if kind.stage in BEFORE_REQUESTS else []
        assert places == [*before, *edge, *layer, *timed]


MEASURED: dict[str, Any] = {
    "versions": {"openai": "3.52.0", "aiohttp": "3.14.5"},
    "faults": {"cut": {"chat streamed": {"openai": "`APIError` | no retry", "aiohttp": "half a body"}}},
}


def test_what_clients_make_of_a_fault_stands_in_its_section(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a fault was measured its section has a table with the clients' versions, and `describe` the same."""
    monkeypatch.setattr(reference, "observed", lambda: MEASURED)
    text = reference.build_reference([FAULTS["cut"], FAULTS["hang"]])
    assert "| what clients make of it | openai 3.52.0 | aiohttp 3.14.5 |\n| --- | --- | --- |\n" in text
    assert "| chat streamed | `APIError` \\| no retry | half a body |\n" in text
    cut, hang = reference.describe([FAULTS["cut"], FAULTS["hang"]])
    assert cut["clients"] == MEASURED["faults"]["cut"]
    assert hang["clients"] == {}


def test_a_client_that_was_not_measured_is_said_to_be_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """A gap in the table is words, not an empty cell."""
    gap = {"versions": MEASURED["versions"], "faults": {"cut": {"chat streamed": {"openai": "raises"}}}}
    monkeypatch.setattr(reference, "observed", lambda: gap)
    assert "| chat streamed | raises | not measured |" in reference.build_reference([FAULTS["cut"]])


def test_measurements_belong_to_faults_that_exist() -> None:
    """The file of observations has versions and faults, and names no fault that there is not."""
    assert set(reference.observed()) >= {"versions", "faults"}
    assert reference.observed()["faults"].keys() <= FAULTS.keys()


def test_the_description_is_plain_data() -> None:
    """What `list faults --json` prints can be printed, and says where each fault can act."""
    described = {fault["name"]: fault for fault in json.loads(json.dumps(reference.describe(KINDS)))}
    assert described["stall"]["parameters"] == [
        {
            "name": "after_chunks",
            "default": 1,
            "required": False,
            "about": "After this many chunks of content; 0 is before the first. At most 1,000,000: no answer has more.",
        },
        {
            "name": "seconds",
            "default": "forever",
            "required": False,
            "about": "How long; `forever` until the client leaves.",
        },
    ]
    assert described["cut"]["forms"] == ["streamed"]
    assert described["response_failed"]["apis"] == ["responses", "stored"]
    assert described["stall"]["layer"] == "pace"
    assert described["overloaded"]["layer"] is None
    assert described["reset"]["layer"] == "ending"


def test_every_key_of_a_plan_is_explained() -> None:
    """The reference of plans has a line for each key, with its unit where it has a default."""
    reference = build_plan_reference()
    for line in (
        "- `slots` = 64: ",
        "- `for`, required: ",
        "- `baseline` = 60s: ",
        "- `holds_slot` = false: ",
    ):
        assert line in reference
