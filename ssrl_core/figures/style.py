"""The look of all charts: the finding as title, few grid lines, direct labels, one height in a row, and the colours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

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


def whiskers(colour: str, above: Any, below: Any = None, *, thickness: float = 1.2, width: int = 0) -> dict[str, Any]:
    """Error bars of points.

    Args:
        above, below: (n,) how far each reaches; without `below` to both sides alike.
    """
    reach = {"array": above} if below is None else {"symmetric": False, "array": above, "arrayminus": below}
    return {"type": "data", **reach, "color": colour, "thickness": thickness, "width": width}


def dotted(colour: str) -> dict[str, Any]:
    """The thin line of what is only there for comparison."""
    return {"color": colour, "width": 1, "dash": "dot"}


def even_steps(colours: Sequence[str]) -> list[list[Any]]:
    """Colours as a scale, from the first to the last."""
    return [[i / (len(colours) - 1), colour] for i, colour in enumerate(colours)]


def name_at_end(fig: Figure, x: Any, y: Any, name: str, colour: str, *, away_px: int = 4) -> None:
    """A name right of the last point of its line, in its colour."""
    fig.add_annotation(x=x, y=y, text=name, showarrow=False, xanchor="left", xshift=away_px, font={"color": colour})


def clickable(fig: Figure, x: Any, y: Any, *, size: int, customdata: Any, text: Any, hover: str = "%{text}") -> None:
    """Unseen squares over those of a heat map, which knows no click."""
    unseen = {"marker": {"opacity": 0}}
    fig.add_scatter(
        x=x,
        y=y,
        mode="markers",
        marker={"symbol": "square", "size": size, "opacity": 0},
        customdata=customdata,
        text=text,
        hovertemplate=f"{hover}<extra></extra>",
        selected=unseen,
        unselected=unseen,
    )


def translucent(colour: str, cover: float = 0.14) -> str:
    """A colour such as `#0d9488` that lets through what lies below it."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{cover})"


def percent(value: float | None) -> str:
    """A share as text: `93 %`, below ten and above 99 with one decimal; `–` where it is not known."""
    if value is None:
        return "–"
    scaled = 100 * value
    whole = abs(scaled - round(scaled)) < 0.05 or 10 <= abs(scaled) < 99
    return f"{scaled:.0f} %" if whole else f"{scaled:.1f} %"


def whole_percent(value: float) -> str:
    """A share as text in whole per cents, where the decimals of `percent` would say more than is known."""
    return f"{100 * value:.0f} %"


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


def mean_sd(spread: Mapping[str, Any] | None) -> str:
    """`0.412 ± 0.013` of {mean, sd}; `–` where there is none."""
    if spread is None:
        return "–"
    return f"{spread['mean']:.3f}" + ("" if spread["sd"] is None else f" ± {spread['sd']:.3f}")


def _fix_colours(fig: Figure, theme: str) -> None:
    ink, quiet, line = _INK[theme]
    fig.update_layout(font={"family": FONT, "color": ink}, template="none")
    fig.update_xaxes(color=quiet, gridcolor=line, linecolor=line)
    fig.update_yaxes(color=quiet, gridcolor=line, linecolor=line)


# fmt: off
TABLE = (
    "#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442", "#666666", "#8708ff", "#8f78ff",
    "#dfd7a7", "#80ef70", "#df0838", "#00efef", "#b7089f", "#687840", "#d79760", "#ff7087", "#efb7b7", "#9728cf",
    "#809fff", "#785880", "#c7af48", "#f770cf", "#b7b7c7", "#a7d780", "#b7df50", "#80b797", "#c72000", "#b760cf",
    "#50dfff", "#00af50", "#7058ff", "#bf7068", "#bf2058", "#809720", "#2060d7", "#d7188f", "#8fe7d7", "#08cf08",
    "#389fa7", "#8f97c7", "#387020", "#b708ef", "#9f68a7", "#307050", "#78d78f", "#00dfb7", "#9f7080", "#b75840",
    "#c7a778", "#ff5838", "#6858bf", "#8fa79f", "#008fe7", "#ff08ef", "#af8f80", "#9fbfe7", "#af8f48", "#8750a7",
    "#cfa7ff", "#b7bf60", "#f77050", "#ffcf70", "#e7c7e7", "#6080cf", "#ff4870", "#975828", "#bf2820", "#e7b738",
    "#f7408f", "#afc79f", "#df87e7", "#d74058", "#afd700", "#c797bf", "#5887b7", "#ff6010", "#f730d7", "#e7bfff",
    "#48808f", "#58d7d7", "#58efa7", "#ef78ff", "#df0068", "#cf50e7", "#bf20bf", "#c70870", "#b7cf58", "#b7b770",
    "#4058e7", "#50ef8f", "#3880e7", "#cf8fd7", "#df8768", "#f738bf", "#786880", "#ff9748", "#877050", "#48c78f",
    "#9f878f", "#bfb7a7", "#40f728", "#f79fc7", "#007830", "#288760", "#30688f", "#afdfc7", "#cf9faf", "#bf8f38",
    "#dfd78f", "#c7609f", "#9fe7b7", "#af3897", "#28af30", "#bf68b7", "#df0018", "#af6820", "#ff9f87", "#df7078",
    "#e7bf78", "#f778b7", "#3078ff", "#78a7b7", "#506870", "#bf28d7", "#9f5078", "#8040e7", "#efafd7", "#975048",
    "#9f80f7", "#48e760", "#f76828", "#d7a7df", "#b780df", "#c71840", "#d730b7", "#686808", "#2887a7", "#789740",
    "#8030f7", "#df97cf", "#ff0830", "#8fbf80", "#a778c7", "#8058cf", "#df7058", "#978770", "#509f30", "#afe780",
    "#c7aff7", "#f78f58", "#58e748", "#a720bf", "#cf389f", "#f79f70", "#f7af48", "#87b738", "#879760", "#bfcfc7",
    "#cfaf20", "#788f48", "#40cfa7", "#00f760", "#df38ff", "#9f4858", "#489f97", "#9740af", "#9fcfef", "#b7af58",
    "#efcfd7", "#cf9f38", "#9f10d7", "#608fd7", "#c79778", "#78588f", "#d73840", "#efcf50", "#688080", "#9f40f7",
    "#7068a7", "#80a7ef", "#af8faf", "#9f7048", "#c78018", "#58b7af", "#9f979f", "#48b7d7", "#58e710", "#687060",
    "#8760c7", "#00c7ef", "#a768e7", "#8770bf", "#48b760", "#ef688f", "#20af8f", "#688f58", "#586887", "#c7c78f",
)




# Okabe & Ito 2008, in an order whose neighbours differ much; their black, which no dark page shows, is this grey
OKABE_ITO = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442", "#666666")

ACCENT = "#0d9488"  # readable on white and on a dark page
NEUTRAL = "#8b95a1"  # everything that is only there for comparison
MISSING = "#aab2bc"  # images of which the value is not known
GAIN, LOSS = "#0d9488", "#b07a2f"
IMAGE_GROUND = "#0b0d10"

VIRIDIS = ("#440154", "#482878", "#3e4989", "#31688e", "#26828e", "#1f9e89", "#35b779", "#6ece58", "#b5de2b", "#fde725")
SIGNED = ("#8c510a", "#bf812d", "#dfc27d", "#f6e8c3", "#ffffff", "#c7eae5", "#80cdc1", "#35978f", "#01665e")


def palette(n: int) -> list[str]:
    """Colours for `n` things: Okabe-Ito up to 8, then each as far as possible from all before, up to 200.

    The first colours do not depend on `n`, so a thing keeps its colour when others join. Beyond 200 they repeat.
    """
    return [TABLE[i % len(TABLE)] for i in range(n)]
