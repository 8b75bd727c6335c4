"""report.html: one file with everything in it, for a screen in light or dark, for paper, and without a network."""

from __future__ import annotations

from functools import cache

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from windtunnel.reports.charts import Charts, palette
from windtunnel.reports.charts.outcomes import KINDS
from windtunnel.reports.page.content import ReportContent
from windtunnel.reports.page.regions import HEADS

Counts = tuple[tuple[str, tuple[tuple[str, tuple[int, ...]], ...]], ...]


@cache
def _template(name: str) -> Template:
    loader = PackageLoader("windtunnel.reports.page", "templates")
    environment = Environment(
        loader=loader, autoescape=name.endswith(".html.j2"), undefined=StrictUndefined, trim_blocks=True
    )
    return environment.get_template(name)


def page(content: ReportContent, charts: Charts, outcomes: pd.DataFrame) -> str:
    """The page. `outcomes` holds calls by (phase, client) × outcome, as `charts.outcomes.table` counts them."""
    used = [name for name in outcomes.columns if outcomes[name].sum()]
    return _template("page.html.j2").render(
        b=content,
        charts=charts,
        style=_style(),
        phase_names=[phase.name for phase in content.phases],
        outcome_names=[KINDS[name].label for name in used],
        outcomes=_by_phase(outcomes[used], content),
        region_heads=HEADS,
    )


def rendered(template: str, **content: object) -> str:
    """A page of another kind, in the same style."""
    return _template(template).render(style=_style(), **content)


def _style() -> Markup:
    return Markup(palette.css(":root") + _template("page.css").render(font=palette.FONT))


def _by_phase(outcomes: pd.DataFrame, content: ReportContent) -> Counts:
    return tuple(
        (
            phase.name,
            tuple(
                (str(client), tuple(int(n) for n in row))
                for client, row in outcomes.loc[phase.name].iterrows()
            ),
        )
        for phase in content.phases
    )
