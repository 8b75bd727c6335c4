"""How calls ended, by phase and client: stacked bars that add up to 100 % of the calls offered."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Patch

from windtunnel.reports.charts import canvas, palette
from windtunnel.reports.charts.durations import moment, unit_of
from windtunnel.reports.charts.svg import Chart, chart
from windtunnel.reports.charts.view import RunView, Span

ROW, GAP, TOP, BOTTOM = 20.0, 26.0, 52.0, 34.0
BAR = 0.74
NAMES = 176.0


@dataclass(frozen=True, slots=True)
class Kind:
    """An outcome as a reader sees it; the hatch tells it apart without colour."""

    label: str
    colour: palette.Colour
    hatch: str = ""


KINDS = {
    "ok": Kind("good", palette.GOOD),
    "late": Kind("late", palette.SKY),
    "corrupt": Kind("broken, unnoticed", palette.INK),
    "incomplete": Kind("incomplete", palette.GREEN, "///"),
    "error": Kind("error", palette.BAD),
    "timeout": Kind("timeout", palette.ORANGE),
    "deadline": Kind("gave up at its deadline", palette.YELLOW, "\\\\\\"),
    "shed": Kind("refused by the client itself", palette.PURPLE),
    "cancelled": Kind("cancelled", palette.GREY),
    "unfinished": Kind("unfinished", palette.PALE, "xxx"),
    "unknown": Kind("unknown", palette.PALE, "..."),
}


def table(run: RunView) -> pd.DataFrame:
    """Calls by (phase, client) × outcome; good calls are `ok`, complete answers that came too late are `late`."""
    rows = []
    for view in run.clients:
        late = (view.calls["outcome"] == "ok") & ~view.calls["good"]
        for span in run.phases:
            inside = view.calls["phase"] == span.name
            found = view.calls["outcome"][inside & ~late].value_counts()
            counted = {name: int(found.get(name, 0)) for name in KINDS} | {"late": int((inside & late).sum())}
            rows.append({"phase": span.name, "client": view.client} | counted)
    return pd.DataFrame(rows).set_index(["phase", "client"])


def outcomes(run: RunView) -> Chart:
    """One chart: a group of bars per phase, a bar per client."""
    counted = table(run)
    used = [name for name in KINDS if counted[name].sum()] or ["ok"]
    group = len(run.clients) * ROW
    columns = _columns([KINDS[name].label for name in used])
    legend_rows = -(-len(used) // columns)
    top = TOP + 16 * (legend_rows - 1)
    height = top + len(run.phases) * (group + GAP) - GAP + BOTTOM
    figure = canvas.sheet(height)
    left = 14 + min(NAMES, max(canvas.text_width(view.client, canvas.SMALL) for view in run.clients))
    for number, span in enumerate(run.phases):
        axes = canvas.panel(figure, top=top + number * (group + GAP), height=group, left=left)
        _group(axes, counted.loc[[span.name]].droplevel("phase"), used)
        colour = palette.FAULT_INK if span.faulty else palette.INK
        axes.annotate(
            _headed(span, run), (0, 1), (0, 3), xycoords="axes fraction",
            textcoords="offset points", fontsize=canvas.TEXT, fontweight="bold", color=colour.light, va="bottom",
        )  # fmt: skip
        last = number == len(run.phases) - 1
        axes.tick_params(labelbottom=last)
        if last:
            axes.set_xlabel(
                "% of the calls offered", fontsize=canvas.SMALL, color=palette.MUTED.light, labelpad=2
            )
    figure.legend(
        [_patch(KINDS[name]) for name in used], [KINDS[name].label for name in used], loc="upper left", frameon=False,
        ncols=columns, fontsize=canvas.SMALL, bbox_to_anchor=(4 / canvas.WIDTH, 1 - 6 / height), borderpad=0,
        borderaxespad=0, labelcolor=palette.INK.light, handlelength=1.4, columnspacing=1.4, labelspacing=0.45,
    )  # fmt: skip
    return chart(figure, name="outcomes", title="How calls ended, by phase", alt=_alt(run, counted, used))


def _headed(span: Span, run: RunView) -> str:
    """A phase's name and bounds."""
    length = run.end - run.start
    sign = unit_of(length).sign
    return f"{span.name}  ({moment(span.start, length)} to {moment(span.end, length)} {sign})"


def _columns(labels: list[str]) -> int:
    """How many legend entries stand beside each other."""
    for columns in range(len(labels), 1, -1):
        widths = [
            max(canvas.text_width(one, canvas.SMALL) for one in labels[i::columns]) for i in range(columns)
        ]
        if sum(widths) + 38 * columns <= canvas.WIDTH:
            return columns
    return 1


def _patch(kind: Kind) -> Patch:
    return Patch(facecolor=kind.colour.light, hatch=kind.hatch, edgecolor=palette.SURFACE.light, linewidth=0)


def _group(axes: Axes, counted: pd.DataFrame, used: list[str]) -> None:
    clients = [str(client) for client in counted.index]
    offered = counted.sum(axis=1).clip(lower=1)
    start = pd.Series(0.0, index=counted.index)
    for name in used:
        share = 100 * counted[name] / offered
        kind = KINDS[name]
        axes.barh(range(len(clients)), share, BAR, left=start, color=kind.colour.light, hatch=kind.hatch,
                  edgecolor=palette.SURFACE.light, linewidth=0.8)  # fmt: skip
        start = start + share
    axes.set_yticks(range(len(clients)), [canvas.fit(client, NAMES, canvas.SMALL) for client in clients])
    axes.set_ylim(len(clients) - 0.5, -0.5)
    axes.set_xlim(0, 100)
    axes.grid(visible=False)
    axes.tick_params(axis="y", labelcolor=palette.INK.light)


def _alt(run: RunView, counted: pd.DataFrame, used: list[str]) -> str:
    parts = []
    for span in run.phases:
        for client, row in counted.loc[[span.name]].droplevel("phase").iterrows():
            total = max(int(row.sum()), 1)
            shares = ", ".join(f"{100 * row[n] / total:.0f} % {KINDS[n].label}" for n in used if row[n])
            parts.append(f"{client} in {span.name}: {shares or 'no calls'}")
    return "; ".join(parts) + "."
