"""The manual of scenarios and profiles says what the code does, and its examples work."""

from __future__ import annotations

import re
from pathlib import Path

from windtunnel.harness.inputs.gallery import (
    client_names,
    gallery_folder,
    load_profile,
    load_scenario,
    scenario_names,
)
from windtunnel.harness.manual.sections import MANUAL

EXAMPLES = re.findall(r"```yaml\n(.*?)```", MANUAL.read_text(encoding="utf-8"), flags=re.DOTALL)


def test_the_examples_work(tmp_path: Path) -> None:
    """The scenario and the client profile of the manual are read as they are printed."""
    (scenario,) = (text for text in EXAMPLES if "\nphases:" in text)
    (profile,) = (text for text in EXAMPLES if text.startswith("name: my-client"))
    (tmp_path / "mine.yaml").write_text(scenario)
    (tmp_path / "my-client.yaml").write_text(profile)
    found = load_scenario(tmp_path / "mine.yaml")
    assert [load_profile(client).name for client in found.clients] == [
        "openai-default",
        "polite",
        "my-client",
    ]


def test_the_shapes_of_arrivals_work(tmp_path: Path) -> None:
    """Every shape of arrivals in the manual is read as it is printed."""
    (shapes,) = (text for text in EXAMPLES if text.startswith("load: {arrivals: {ramp"))
    (tmp_path / "times.txt").write_text("0\n1\n")
    rest = "name: m\nabout: a\nphases: [{name: p, for: 1s}]\nclients: [polite]\n"
    for line in shapes.strip().split("\n"):
        (tmp_path / "mine.yaml").write_text(rest + line.partition("#")[0].replace("…", "deadline: 1s") + "\n")
        arrivals = load_scenario(tmp_path / "mine.yaml").load.arrivals
        assert arrivals.has_own_rate or arrivals.daily is not None


def test_the_gallery_is_explained() -> None:
    """The gallery's manual has a row for every scenario and client, and for none that is not there."""
    text = (gallery_folder() / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([^`]+)` \|", text, flags=re.MULTILINE)
    assert sorted(set(rows)) == sorted([*scenario_names(), *client_names()])
