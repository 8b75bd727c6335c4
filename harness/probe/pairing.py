"""Starts to the failures that they may be retries of: among like requests, on one connection or on others."""

from __future__ import annotations

from collections import defaultdict

from windtunnel.harness.probe.sequences import SLACK_S
from windtunnel.harness.probe.starts import IMMEDIATE_S, Start

FORGOTTEN_S = 300.0
"""Seconds after a failure for which a like request may be its retry."""

HEDGE_S = 0.1
"""A hedge's loser is cancelled this soon after the winner's answer."""

MOST_GIVING_WAY = 50
"""Failures that are asked to give way for one start."""

HEDGE = 0.9
"""How sure it is that such a pair is one."""


def pair(group: list[Start], *, lonely: bool) -> None:
    """Give each start the failure that it may be the retry of: first those on one connection, then as many of
    the others as can be. `lonely`: no like requests of this program are ever under way at once."""
    failures = [one for one in group if one.last.how in ("failed", "changed")]
    on_connection: dict[int, list[Start]] = defaultdict(list)
    for one in group:
        on_connection[one.first.connection.number].append(one)
    for earlier in failures:
        later = next(
            (
                one
                for one in on_connection[earlier.last.connection.number]
                if one.first.nth > earlier.last.nth and one.number > earlier.number
            ),
            None,
        )
        if later is not None and later.retried is None and not _too_late(earlier, later):
            _link(earlier, later)
    for at_once in (True,) if lonely else (False, True):
        _pair_free(group, failures, at_once=at_once)
        for later in group:
            # Somebody can only give way if a failure is left over in the end.
            if later.retried is None and any(one.followed is None for one in failures):
                _give_way(failures, later, set(), at_once=at_once)
    _pair_hedges(group)
    for later in group:
        earlier_one = later.retried
        if earlier_one is not None and earlier_one.followed is later:
            others = [one for one in failures if one is not earlier_one and _waiting(one, later)]
            later.sure_pair = not others or earlier_one.last.connection == later.first.connection


def _pair_free(group: list[Start], failures: list[Start], *, at_once: bool) -> None:
    """Give each start the failure that waits longest; those at the moment of the failure only with `at_once`."""
    for later in group:
        if later.retried is None:
            free = [
                one
                for one in failures
                if one.followed is None and _fits(one, later) and (at_once or not _at_once(one, later))
            ]
            if free:
                _link(min(free, key=lambda one: one.last.over_s), later)


def _link(earlier: Start, later: Start) -> None:
    earlier.followed, later.retried = later, earlier
    later.at_once = _at_once(earlier, later)


def _at_once(earlier: Start, later: Start) -> bool:
    """Whether a connection was opened so soon after a failure that it may have been on its way before."""
    opened = later.first.connection.opened_s
    return not later.first.nth and opened < earlier.last.over_s + IMMEDIATE_S and not _left(earlier)


def _waiting(failure: Start, later: Start) -> bool:
    """Whether a failure was not yet retried when a start came."""
    if not _fits(failure, later):
        return False
    return failure.followed is None or failure.followed.first.arrived_s > later.first.arrived_s


def _give_way(failures: list[Start], later: Start, asked: set[int], *, at_once: bool) -> bool:
    """Find a failure for `later`, if need be one whose retry can be that of another (augmenting paths)."""
    if len(asked) > MOST_GIVING_WAY:
        return False
    for earlier in failures:
        if id(earlier) in asked or not _fits(earlier, later):
            continue
        if _at_once(earlier, later) and not at_once:
            continue
        asked.add(id(earlier))
        if earlier.followed is None or _give_way(failures, earlier.followed, asked, at_once=at_once):
            _link(earlier, later)
            return True
    return False


def _left(start: Start) -> bool:
    return start.last.abandoned


def _too_late(earlier: Start, later: Start) -> bool:
    return later.first.arrived_s > earlier.last.over_s + FORGOTTEN_S


def _fits(earlier: Start, later: Start) -> bool:
    """Whether a start on another connection can be the retry of a failure."""
    if earlier.number >= later.number:
        return False
    failed_s = earlier.last.over_s
    slack = SLACK_S if _left(earlier) else 0.0
    if later.first.arrived_s + slack < failed_s or _too_late(earlier, later):
        return False
    return bool(later.first.nth) or later.first.connection.opened_s + slack >= failed_s


def _pair_hedges(group: list[Start]) -> None:
    """A request that was cancelled the moment a like one was answered is a hedge of it, or is hedged by it."""
    for loser in group:
        if not loser.last.abandoned or loser.followed is not None:
            continue
        for winner in group:
            same_time = (
                winner.first.arrived_s < loser.last.over_s and loser.first.arrived_s < winner.last.over_s
            )
            soon = 0 <= loser.last.over_s - winner.last.over_s <= HEDGE_S
            if winner is loser or winner.last.how != "ok" or not (same_time and soon):
                continue
            earlier, later = sorted((loser, winner), key=lambda one: one.number)
            if later.retried is None:
                later.retried, later.certainty, later.ground = (
                    earlier,
                    HEDGE,
                    "a hedge: the other was cancelled",
                )
            break


def overlap(group: list[Start]) -> bool:
    """Whether like sequences were ever under way at once, or on connections that both were open already."""
    latest = None
    for one in group:
        if latest is not None and (
            one.first.arrived_s < latest.last.over_s
            or (not one.first.nth and one.first.connection.opened_s < latest.last.over_s)
        ):
            return True
        if latest is None or one.last.over_s > latest.last.over_s:
            latest = one
    return False
