"""Every generated part of every manual: the mock server's, those of the harness, and the reports' metrics."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from windtunnel.harness.manual.input_files import build_profile_reference, build_scenario_reference
from windtunnel.harness.manual.metrics import build_metric_reference
from windtunnel.mock_server.manual.renderer import Sections
from windtunnel.mock_server.manual.sections import SECTIONS as MOCK_SECTIONS

MANUAL = Path(str(files("windtunnel.harness") / "README.md"))
REPORTS_MANUAL = Path(str(files("windtunnel") / "reports" / "README.md"))
"""By its path: nothing of the reports is imported here."""

SECTIONS: dict[Path, Sections] = {
    **MOCK_SECTIONS,
    MANUAL: {"scenario": build_scenario_reference, "profile": build_profile_reference},
    REPORTS_MANUAL: {"metrics": build_metric_reference},
}
"""By manual: what stands between the markers of each name."""
