"""Coverage-guided fuzzing of one parser with atheris, by hand or for a bounded number of runs.

    python tests/mock_server/hardening/fuzz_parsers.py forms -max_total_time=60

The first argument is a name of `fuzzing.TARGETS`, the others are libFuzzer's. What fails is written to `crash-…`, and
a file given as an argument is tried again.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["windtunnel", "python_multipart"]):
    import fuzzing


def main() -> None:
    """Fuzz until libFuzzer's limits are reached; it then ends the process."""
    if len(sys.argv) < 2 or sys.argv[1] not in fuzzing.TARGETS:
        sys.exit(f"usage: {sys.argv[0]} {{{','.join(fuzzing.TARGETS)}}} [libFuzzer's options]")
    name = sys.argv[1]
    with tempfile.TemporaryDirectory() as corpus:
        for number, seed in enumerate(fuzzing.SEEDS[name]):
            Path(corpus, str(number)).write_bytes(seed)
        atheris.Setup([sys.argv[0], *sys.argv[2:], corpus], fuzzing.TARGETS[name])
        atheris.Fuzz()


if __name__ == "__main__":
    main()
