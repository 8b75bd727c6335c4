"""How fast batches go: the provider's `batches` settings."""

from __future__ import annotations

from pydantic import Field

from windtunnel.mock_server.plan.model import Strict
from windtunnel.mock_server.plan.units import Seconds


class BatchPace(Strict):
    """How long the stages of a batch take, on the adjustable clock. A batch keeps the pace that it was made under."""

    validating: Seconds = Field(default=2.0, description="Reading the input file, before the first line.")
    line: Seconds = Field(default=0.05, description="One line of the input file; they go one after another.")
    finalizing: Seconds = Field(
        default=1.0, description="Writing the output files; how long cancelling takes, too."
    )


EVERYDAY_PACE = BatchPace()
"""The pace where a plan says nothing else."""
