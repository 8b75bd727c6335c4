"""`python -m windtunnel.harness.manual`: renew the generated parts of all manuals, between their markers."""

from __future__ import annotations

from windtunnel.harness.manual.sections import SECTIONS
from windtunnel.mock_server.manual.renderer import renewed

if __name__ == "__main__":
    for manual, sections in SECTIONS.items():
        manual.write_text(renewed(manual, sections), encoding="utf-8")
        print(manual)
