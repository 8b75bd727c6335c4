"""`python -m mock_server.faults`: writes the generated references into the manual, between their markers."""

from __future__ import annotations

from mock_server.manual import MANUAL, renewed


def main() -> None:
    """Rewrite the manual in place and say where it is."""
    MANUAL.write_text(renewed(MANUAL.read_text(encoding="utf-8")), encoding="utf-8")
    print(MANUAL)


if __name__ == "__main__":
    main()
