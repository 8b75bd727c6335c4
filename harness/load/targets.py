"""Where the calls of a cell may go besides their first target: regions, models and local models of its profile."""

from __future__ import annotations

from collections.abc import Mapping

from windtunnel.harness.clients.base import CallTarget
from windtunnel.harness.inputs.profile import Profile
from windtunnel.harness.inputs.region_choice import chosen_among, fallback_of, hedge_of
from windtunnel.harness.policies.policy import HEDGE, LOCAL


def targets_of(profile: Profile, region: str, model: str, urls: Mapping[str, str]) -> dict[str, CallTarget]:
    """The targets by name, in the order in which they are fallen back to; hedges have theirs under its own name.

    `urls` are the base URLs of the provider's regions. A step that names a region which there is not is left out: the
    same profile runs with scenarios of one region and of several.
    """
    targets: dict[str, CallTarget] = {}
    hedge, fallback = hedge_of(profile), fallback_of(profile)
    if hedge is not None and hedge.region is not None:
        there = _region(hedge.region, region, urls)
        if there is not None and there != region:
            targets[HEDGE] = CallTarget(HEDGE, there, model, urls[there])
    for there in chosen_among(profile):
        name = f"region {there}"
        targets[name] = CallTarget(name, there, model, urls[there])
    for step in fallback.to if fallback is not None else ():
        if step.local is not None:
            targets[LOCAL] = CallTarget(LOCAL, "", LOCAL, "", step.local)
            continue
        there = region if step.region is None else _region(step.region, region, urls)
        asked = step.model or model
        if there is not None and (there, asked) != (region, model):
            parts = ([f"region {there}"] if there != region else []) + ([asked] if asked != model else [])
            name = ", ".join(parts)
            targets[name] = CallTarget(name, there, asked, urls[there])
    return targets


def _region(name: str, called: str, urls: Mapping[str, str]) -> str | None:
    if name in urls:
        return name
    return next((region for region in urls if region != called), None) if name == "other" else None
