"""HTTP/2 in the drivers that can speak it, on the virtual clock: one connection, the same fates, again the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.harness.clients.conftest import profile_of
from tests.harness.virtual.shards import play
from tests.harness.virtual.test_drivers import SCENARIO, prepare, rows
from windtunnel.harness.errors import InputError
from windtunnel.harness.inputs.honoured import HTTP2_DRIVERS
from windtunnel.harness.inputs.profile import Profile
from windtunnel.harness.inputs.scenario import Scenario
from windtunnel.harness.plan import resolve


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two folders with a cell for each driver over HTTP/2, played in two processes with different hash seeds, and a
    folder with one cell over HTTP/1.1."""
    folders = [tmp_path_factory.mktemp(name) for name in ("one", "two")]
    for hash_seed, folder in enumerate(folders, 1):
        cells = [prepare(folder, driver, http=2) for driver in HTTP2_DRIVERS]
        assert play(cells, hash_seed) == [0] * len(cells)
    plain = tmp_path_factory.mktemp("plain")
    assert play([prepare(plain, "openai-async")], 1) == [0]
    return [*folders, plain]


@pytest.mark.parametrize("driver", HTTP2_DRIVERS)
def test_calls_fare_as_over_http1(played: list[Path], driver: str) -> None:
    """Every call has the outcome, the answer and the number of attempts that it has over HTTP/1.1."""

    def fates(cell: Path) -> dict[str, tuple[Any, ...]]:
        return {
            row["call_id"]: (row["outcome"], row["attempts_seen"], row["digest"])
            for row in rows(cell, "calls")
            if row["phase"] != "stalled"  # whose read timeout is the connection's: see the scenario h2_stall
        }

    assert fates(played[0] / driver) == fates(played[2] / "openai-async")


@pytest.mark.parametrize("driver", HTTP2_DRIVERS)
def test_all_attempts_share_one_connection(played: list[Path], driver: str) -> None:
    """Both sides say that it was HTTP/2, and that there was one connection."""
    attempts = rows(played[0] / driver, "attempts")
    served = rows(played[0] / driver, "served")
    assert {row["http_version"] for row in attempts} == {"2"}
    assert {row["http_version"] for row in served} == {"2"}
    assert len({row["connection_id"] for row in attempts}) == 1
    assert len({row["connection_id"] for row in served}) == 1


@pytest.mark.parametrize("driver", HTTP2_DRIVERS)
def test_two_processes_have_one_digest(played: list[Path], driver: str) -> None:
    """Records and wire are the same in another process with another order of hashes."""
    one, two = (json.loads((folder / driver / "digest.json").read_text()) for folder in played[:2])
    assert one == two


def test_a_fault_of_http2_needs_a_client_that_speaks_it() -> None:
    """A scenario whose fault no client could ever meet is refused, with the client that could."""
    rules = {"phases": [{"name": "away", "for": "1s", "rules": [{"fault": "goaway"}]}]}
    scenario = Scenario.model_validate({**SCENARIO, **rules})
    plain, http2 = (Profile.model_validate(profile_of("httpx2", http=version)) for version in (1.1, 2))
    with pytest.raises(InputError) as caught:
        resolve(scenario, [plain], clock="virtual")
    assert str(caught.value).startswith(
        "scenario small: phases[0].rules[0].fault: found goaway, which only HTTP/2 can say, and clients that speak "
        "HTTP/1.1, expected a client with http: 2, such as h2-single"
    )
    resolve(scenario, [http2], clock="virtual")
