"""Renews what is made from the table of faults.

python -m windtunnel.mock_server.manual             the generated parts of the manuals, between their markers
python -m windtunnel.mock_server.manual --observe   before that, `observed.json`: what clients make of each fault, measured now
"""

from __future__ import annotations

import argparse
import sys

from windtunnel.mock_server.manual import faults
from windtunnel.mock_server.manual.sections import SECTIONS, renewed


def main() -> int:
    """Rewrite the files in place and say where they are; gives the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m windtunnel.mock_server.manual", description="Renews the manuals."
    )
    parser.add_argument(
        "--observe",
        action="store_true",
        help="measure what openai, httpx2 and aiohttp make of each fault, over real sockets (10 to 20 s)",
    )
    if parser.parse_args().observe and not observe():
        return 1
    for manual in SECTIONS:
        manual.write_text(renewed(manual), encoding="utf-8")
        print(manual)
    return 0


def observe() -> bool:
    """Measure, save, and say where; False, with the reason on stderr, where the measurement is not valid."""
    from windtunnel.mock_server.observe import measure  # the clients: nobody else here needs them
    from windtunnel.mock_server.observe.server import ObserveError

    try:
        measure.save(measure.observe(faults.observed()["faults"]))
    except ObserveError as error:
        print(f"python -m windtunnel.mock_server.manual --observe: {error}", file=sys.stderr)
        return False
    faults.observed.cache_clear()
    print(measure.FILE)
    return True


if __name__ == "__main__":
    sys.exit(main())
