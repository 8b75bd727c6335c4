"""What a run came to, in a few lines for a terminal."""

from __future__ import annotations

from windtunnel.reports.page.content import ReportContent


def verdict_lines(content: ReportContent) -> list[str]:
    """What a run came to: a line per client, and whether the measurement and the expectations hold."""
    lines = [] if content.grid is None else [one.text for one in content.grid.answers]
    lines += [f"{v.mark} {v.client}: {v.headline}. {v.sentence}" for v in content.verdicts]
    lines += [f"  {client} was played by {player}" for client, player in content.players.items()]
    if content.asked:
        failed = f"✗ {content.failed} of {content.asked} expectations failed" if content.failed else ""
        open_ = (
            f"? {content.undecided} of {content.asked} expectations undecided" if content.undecided else ""
        )
        lines += [*filter(None, (failed, open_))] or [f"✓ all {content.asked} expectations passed"]
    if not content.valid:
        why = [check.sentence for check in content.checks if check.passed is False]
        lines += [
            f"✗ INVALID: this measurement does not count. {' '.join((*why, *content.troubles, *content.remedies))}"
        ]
    if content.state == "noisy":
        why = [check.sentence for check in content.checks if check.state == "noisy"]
        lines += [f"~ noisy: the verdicts are still right. {' '.join((*why, *content.remedies))}"]
    if content.partial:
        lines += [" ".join((f"! partial: {content.why_partial}.", *content.troubles))]
    return lines
