"""`--clients all`: everybody who can play here, and why the others cannot."""

from __future__ import annotations

from dataclasses import replace

import pytest

from windtunnel.harness.errors import InputError
from windtunnel.harness.inputs.gallery import client_names, load_profile
from windtunnel.harness.inputs.profile import Profile
from windtunnel.harness.run import everybody
from windtunnel.harness.run.everybody import expand, those_that_go
from windtunnel.harness.run.run import RunOptions


def test_all_stands_for_the_gallery() -> None:
    """`all` becomes every client of the gallery that can be played; others may stand beside it; each comes once."""
    names, left_out = expand(["all", "./mine.yaml", "polite"])
    assert names is not None
    assert names[-1] == "./mine.yaml"
    assert [*names[:-1], *(one.client for one in left_out)] == sorted(
        client_names(), key=lambda name: name in [one.client for one in left_out]
    )
    assert expand(["polite"]) == (["polite"], [])
    assert expand(None) == (None, [])


def test_who_cannot_play_here_is_left_out_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client whose environment is missing is left out, and its message kept."""

    def load(name: str) -> Profile:
        if name == "polite":
            raise InputError(
                "polite.yaml", path="python", found="no environment", expected="windtunnel env create old"
            )
        return load_profile(name)

    monkeypatch.setattr(everybody, "load_profile", load)
    names, left_out = expand(["all"])
    assert names is not None
    assert "polite" not in names
    assert (
        "left out: polite: polite.yaml: python: found no environment, expected windtunnel env create old"
        in map(str, left_out)
    )


def test_who_does_not_go_with_a_scenario_is_left_out_of_it() -> None:
    """With `all`, a client that a scenario cannot have is left out; one that was named is a mistake."""
    options = RunOptions("healthy", clients=["aiohttp-default", "nobody"])
    going, left_out = those_that_go(options, ["all"])
    assert going.clients == ["aiohttp-default"]
    assert [one.client for one in left_out] == ["nobody"]
    assert left_out[0].scenario == "healthy"
    with pytest.raises(InputError, match="nobody"):
        those_that_go(options, ["all", "nobody"])
    with pytest.raises(InputError, match="nobody"):
        those_that_go(replace(options, clients=["nobody"]), ["all"])
