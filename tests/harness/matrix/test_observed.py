"""What clients make of the faults: measured again, and what is kept of it is complete."""

from __future__ import annotations

import pytest

from windtunnel.harness.errors import MeasurementError
from windtunnel.harness.matrix import measure
from windtunnel.harness.matrix.cases import CONNECT, FORMS, VARIANTS, Case, all_cases
from windtunnel.harness.matrix.measure import CLIENTS, IDLE, Matrix, differences, observe, versions
from windtunnel.mock_server.faults import FAULTS
from windtunnel.mock_server.manual.faults import observed

RENEW = "python -m windtunnel.harness.matrix"


def kept() -> Matrix:
    faults: Matrix = observed()["faults"]
    return faults


def test_every_fault_is_seen_by_the_three_clients_as_the_reference_says() -> None:
    """Over real sockets each client makes of each fault, in each form, what stands in the reference."""
    lines = differences(kept(), observe(kept()))
    assert not lines, "\n".join([*lines, f"`{RENEW}` measures all of it anew"])


def test_the_measured_clients_are_those_that_are_installed() -> None:
    """The versions in the reference's tables are the ones that the measurement above uses."""
    assert observed()["versions"] == versions(), f"`{RENEW}` measures all of it anew"
    assert list(observed()["versions"]) == list(CLIENTS)


@pytest.mark.parametrize("name", [name for name, kind in FAULTS.items() if not kind.http2])
def test_no_fault_is_left_out(name: str) -> None:
    """Each fault was seen by each client in each form of chat and Responses that it can act on.

    Those of HTTP/2 are left to tests/mock_server/transports/http2: the clients of the table speak HTTP/1.1.
    """
    kind = FAULTS[name]
    forms = {form for form, (api, stream) in FORMS.items() if kind.acts_on(api, stream)} or {CONNECT}
    seen = kept().get(name, {})
    assert {form.partition(", ")[0] for form in seen} == forms, f"{name}: `{RENEW}` measures it"
    assert all(list(row) == list(CLIENTS) and all(row.values()) for row in seen.values())


def test_nothing_is_kept_that_is_not_measured() -> None:
    """The file has the rows of the cases, in their order, and no others."""
    rows = [(name, form) for name, forms in kept().items() for form in forms]
    assert rows == [(case.fault, case.form) for case in all_cases()]


def test_the_table_of_parameters_is_about_faults_that_exist() -> None:
    """A fault that was renamed takes its parameters with it."""
    assert VARIANTS.keys() <= FAULTS.keys()


def test_a_difference_is_named_with_its_fault_form_and_client() -> None:
    """Who reads the failure knows what to look at, and what was there before."""
    row = dict.fromkeys(CLIENTS, "an error")
    expected, found = {"cut": {"chat": row}}, {"cut": {"chat": row | {"httpx2": "success"}}}
    assert differences(expected, expected) == []
    assert differences(expected, found) == ["cut / chat / httpx2: expected 'an error', found 'success'"]
    assert "expected 'nothing yet', found 'an error'" in differences({}, expected)[0]


CASE = Case("cut", (), "chat streamed")


@pytest.mark.parametrize(
    ("measurements", "rounds", "held"),
    [
        (["before"], 1, "before"),
        (["noise", "before"], 2, "before"),
        (["new", "new"], 2, "new"),
        (["noise", "new", "new"], 3, "new"),
        (["a", "b", "c", "d"], 4, None),
        ([IDLE, IDLE, IDLE, IDLE], 4, None),
        ([IDLE, None, "before"], 3, "before"),
    ],
)
def test_a_measurement_holds_if_it_is_as_before_or_the_same_twice(
    monkeypatch: pytest.MonkeyPatch, measurements: list[str | None], rounds: int, held: str | None
) -> None:
    """A slow machine changes nothing, a changed client does, and what is never the same is no measurement."""
    left = list(measurements)

    def measured(cases: list[Case]) -> dict[Case, dict[str, str]]:
        text = left.pop(0)
        if text is None:
            raise MeasurementError("the server was killed")
        return {case: dict.fromkeys(CLIENTS, text) for case in cases}

    monkeypatch.setattr(measure, "_measured", measured)
    before = {"cut": {CASE.form: dict.fromkeys(CLIENTS, "before")}}
    if held is None:
        with pytest.raises(MeasurementError, match="1 of 1 cases are not measured: cut / chat streamed"):
            observe(before, [CASE])
    else:
        assert observe(before, [CASE]) == {"cut": {CASE.form: dict.fromkeys(CLIENTS, held)}}
    assert len(measurements) - len(left) == rounds
