"""The look of all charts: the finding as title, few grid lines, direct labels, one height in a row."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

HEIGHT = 300
FONT = "Source Sans Pro, Source Sans 3, Helvetica, Arial, DejaVu Sans, sans-serif"
_INK = {"light": ("#14181f", "#5b6470", "#e2e6eb"), "dark": ("#e8ebef", "#9aa4b1", "#2a313a")}
_GREY = "rgba(128,138,150,0.22)"


def style(
    fig: Figure, *, title: str = "", x: str = "", y: str = "", height: int = HEIGHT, theme: str | None = None
) -> Figure:
    """Give a figure the common look; the figure itself comes back.

    Args:
        title: the finding, e.g. "Loss falls to 1.23".
        x, y: quantity and unit of the axes.
        height: in px; charts that stand in a row keep the same.
        theme: "light" or "dark" fix the colours of text, for files; None leaves them to the page that shows the chart.
    """
    axis = {"zeroline": False, "gridcolor": _GREY, "ticks": "", "title": {"standoff": 8}, "automargin": True}
    fig.update_layout(
        title={"text": title, "x": 0, "xref": "container", "xanchor": "left", "y": 0.98, "yanchor": "top"},
        title_font_size=15,
        title_pad={"l": 4, "t": 4},
        height=height,
        margin={"l": 8, "r": 12, "t": 44 if title else 12, "b": 8},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        showlegend=False,
        hoverlabel={"align": "left"},
        dragmode=False,
        bargap=0.25,
        uirevision="kept",
    )
    fig.update_xaxes(**axis, showgrid=False)
    fig.update_yaxes(**axis, showgrid=True)
    if x:
        fig.update_xaxes(title_text=x)
    if y:
        fig.update_yaxes(title_text=y)
    if theme is not None:
        _fix_colours(fig, theme)
    return fig


def percent(value: float | None) -> str:
    """A share as text: `93 %`, below ten and above 99 with one decimal; `–` where it is not known."""
    if value is None:
        return "–"
    scaled = 100 * value
    whole = abs(scaled - round(scaled)) < 0.05 or 10 <= abs(scaled) < 99
    return f"{scaled:.0f} %" if whole else f"{scaled:.1f} %"


def three_digits(value: float | None) -> str:
    """A number with three significant digits; `–` where it is not known."""
    if value is None or value != value:
        return "–"
    if value and not 1e-3 <= abs(value) < 1e5:
        return f"{value:.2e}"
    digits = max(0, 2 - len(str(int(abs(value)))) + 1) if abs(value) >= 1 else 3
    return f"{value:.{digits}f}".replace("-", "−")


def score(value: float | None) -> str:
    """A score between -1 and 1 with three decimals; `–` where it is not known."""
    if value is None or value != value:
        return "–"
    return f"{value:.3f}".replace("-0.000", "0.000").replace("-", "−")


def _fix_colours(fig: Figure, theme: str) -> None:
    ink, quiet, line = _INK[theme]
    fig.update_layout(font={"family": FONT, "color": ink}, template="none")
    fig.update_xaxes(color=quiet, gridcolor=line, linecolor=line)
    fig.update_yaxes(color=quiet, gridcolor=line, linecolor=line)
