"""Every generated part of every manual: the mock server's, and those of the harness."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from windtunnel.harness.manual.input_files import build_profile_reference, build_scenario_reference
from windtunnel.mock_server.manual.renderer import Sections
from windtunnel.mock_server.manual.sections import SECTIONS as MOCK_SECTIONS

MANUAL = Path(str(files("windtunnel.harness") / "README.md"))

SECTIONS: dict[Path, Sections] = {
    **MOCK_SECTIONS,
    MANUAL: {"scenario": build_scenario_reference, "profile": build_profile_reference},
}
"""By manual: what stands between the markers of each name."""
