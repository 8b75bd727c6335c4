"""What calibrate concludes from figures, and what it sends."""

from __future__ import annotations

import asyncio

import jsonschema
import numpy as np
import pytest

from windtunnel.harness.calibrate.closed_loop import BODY, exchange, request_bytes
from windtunnel.harness.calibrate.finding import Finding, as_json, json_schema
from windtunnel.harness.calibrate.memory import growth_finding
from windtunnel.harness.calibrate.server_cost import EVERYTHING_ON, cost_finding
from windtunnel.harness.calibrate.token_timing import FIRST_TOKEN_S, TOKENS, TOKENS_PER_SECOND, reader_errors
from windtunnel.mock_server.plan.plan import Plan


@pytest.mark.parametrize(
    ("value", "yardstick", "aim", "ratio", "met"),
    [
        (60.0, 30.0, 2.0, 2.0, True),
        (61.0, 30.0, 2.0, 61 / 30, False),
        (4.0, None, 5.0, None, True),
        (6.0, None, 5.0, None, False),
        (6.0, 3.0, None, 2.0, None),
    ],
)
def test_an_aim_is_for_the_ratio_where_there_is_a_yardstick(
    value: float, yardstick: float | None, aim: float | None, ratio: float | None, met: bool | None
) -> None:
    """With a yardstick the ratio is judged, without one the value, and without an aim nothing."""
    finding = Finding("x", "ms", value, yardstick, aim, "how")
    assert finding.ratio == ratio
    assert finding.met is met


def test_the_json_form_keeps_its_schema() -> None:
    """`calibrate --json` validates against the schema that is part of the product."""
    findings = [Finding("a", "ms", 1.0, 2.0, 1.5, "n"), Finding("b", "ms", 1.0, None, None, "n")]
    jsonschema.validate(as_json(findings, {"cores": 2}), json_schema())


def test_the_median_pair_is_reported() -> None:
    """Of several pairs, the one whose ratio is the median is shown, so value, yardstick and ratio belong together."""
    finding = cost_finding([(3e-5, 1e-5), (4e-5, 2e-5), (5e-5, 2e-5)])
    assert (finding.value, finding.yardstick, finding.ratio) == pytest.approx((50.0, 20.0, 2.5))


def test_timing_errors_are_against_what_the_provider_had_ready() -> None:
    """A stream that is 3 ms late throughout has errors of 3 ms; one with a token missing is refused."""
    due = 7.0 + FIRST_TOKEN_S + np.arange(TOKENS) / TOKENS_PER_SECOND
    errors = reader_errors({"s0": list(due + 0.003)}, {"s0": 7.0})
    assert errors == pytest.approx(np.full(TOKENS, 0.003))
    with pytest.raises(ValueError, match="479 of 480"):
        reader_errors({"s0": list(due[1:])}, {"s0": 7.0})


def test_growth_is_per_hundred_thousand_calls() -> None:
    """Two MiB over 200,000 calls are one per 100,000."""
    assert growth_finding("mock", [50.0, 51.0, 52.0], 100_000).value == pytest.approx(1.0)


def test_everything_that_is_switched_on_is_a_plan() -> None:
    """The plan that the mock is measured with is a valid one, with rules and limits in it."""
    plan = Plan.model_validate(EVERYTHING_ON)
    assert len(plan.rules) == 4
    assert plan.provider.limits.rpm is not None


async def test_an_answer_that_is_not_a_200_stops_the_measurement() -> None:
    """A refused request is no measurement: the closed loop raises and names the answer."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(len(request_bytes("k1")))
        writer.write(b"HTTP/1.1 429 Too Many Requests\r\ncontent-length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        with pytest.raises(ValueError, match="429"):
            await exchange(reader, writer, "k1")
        writer.close()
        await writer.wait_closed()
    assert request_bytes("k1").endswith(BODY)
