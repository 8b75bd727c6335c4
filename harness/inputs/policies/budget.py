"""The budget that retries are paid from, and the numbers of published ones."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field, model_validator

from windtunnel.harness.inputs.validation import InputPart, complaint, show
from windtunnel.mock_server.plan.units import PositiveSeconds

BudgetKind: TypeAlias = Literal["ratio", "bucket", "aws", "grpc", "finagle"]
BUDGET_DEFAULTS: dict[str, dict[str, float | str]] = {
    "aws": {"deposit": 1, "cap": 500, "start": 500, "cost": 14, "throttle_cost": 5},
    "grpc": {"deposit": 0.1, "cap": 10, "start": 10, "cost": 1},
    "finagle": {"deposit": 0.2, "per_second": 10, "window": "10s", "cost": 1},
}
"""The numbers of the published budgets; a profile may replace each."""

_WITHOUT: dict[str, tuple[str, ...]] = {
    "ratio": ("per_second", "window"),
    "bucket": ("per_second", "window"),
    "aws": ("per_second", "window"),
    "grpc": ("per_second", "window", "throttle_cost"),
    "finagle": ("cap", "start", "throttle_cost"),
}
"""Keys that mean nothing to a kind of budget."""


class Budget(InputPart):
    """Retries are paid for: one that the budget cannot pay is not made. One budget an instance."""

    kind: BudgetKind = Field(
        description="ratio: every call deposits; bucket: every call that succeeds at its first try does. "
        "aws: a bucket with the numbers of AWS's SDKs, which also gives a retry's price back if that retry succeeds; "
        "grpc: every failed try takes `cost`, every success adds `deposit`, and no retry is made at half of `cap` or "
        "below; finagle: within `window`, retries are at most `deposit` of the calls plus `per_second`.",
    )
    deposit: float = Field(
        default=0.0,
        ge=0,
        le=1_000_000_000,
        description="What a deposit adds. ratio and bucket must say it; aws 1, grpc 0.1, finagle 0.2."
        " At most 1,000,000,000: as good as no budget.",
    )
    cap: float = Field(
        default=0.0,
        gt=0,
        le=1_000_000_000,
        description="What the budget holds at most. ratio and bucket must say it; aws 500, grpc 10."
        " At most 1,000,000,000: as good as no budget.",
    )
    start: float = Field(
        default=0.0,
        ge=0,
        le=1_000_000_000,
        description="What it holds at the start; aws and grpc: their cap."
        " At most 1,000,000,000: as good as no budget.",
    )
    cost: float = Field(
        default=1.0,
        gt=0,
        le=1_000_000_000,
        description="What a retry takes; aws 14. grpc: what a failed try takes."
        " At most 1,000,000,000: no budget holds more.",
    )
    throttle_cost: Annotated[float, Field(gt=0)] | None = Field(
        default=None,
        le=1_000_000_000,
        description="What a retry after a 429 takes; null: the same; aws 5."
        " At most 1,000,000,000: no budget holds more.",
    )
    per_second: Annotated[float, Field(ge=0)] | None = Field(
        default=None,
        le=1_000_000_000,
        description="finagle alone: retries a second that are free, however few the calls are; 10."
        " At most 1,000,000,000: as good as no budget.",
    )
    window: PositiveSeconds | None = Field(
        default=None, description="finagle alone: how long calls and retries count; 10 s."
    )

    @model_validator(mode="before")
    @classmethod
    def _numbers_of_its_kind(cls, data: Any) -> Any:
        """A published budget has its published numbers, but for those that the profile replaces."""
        kind = data.get("kind") if isinstance(data, dict) else None
        if kind not in _WITHOUT:
            return data  # its own field says what is wrong with it
        written = {key: value for key, value in data.items() if value is not None}
        for key in _WITHOUT[kind]:
            if written.get(key):
                raise complaint(key, show(written[key]), f"none with the kind {kind}")
            written.pop(key, None)
        published = dict(BUDGET_DEFAULTS.get(kind, {}))
        if kind in ("aws", "grpc") and "cap" in written:
            published["start"] = written["cap"]
        for key in ("deposit", "cap") if not published else ():
            if key not in written:
                raise complaint(key, "nothing", "this key, which is required")
        return {**published, **written}

    @model_validator(mode="after")
    def _starts_below_its_cap(self) -> Budget:
        if self.start > self.cap:
            raise complaint("start", f"{self.start:g}", f"at most the cap, {self.cap:g}")
        return self
