"""`python -m windtunnel.mock_server.manual`: renew the generated parts of the manuals, between their markers."""

from __future__ import annotations

from windtunnel.mock_server.manual.sections import SECTIONS, renewed

if __name__ == "__main__":
    for manual in SECTIONS:
        manual.write_text(renewed(manual), encoding="utf-8")
        print(manual)
