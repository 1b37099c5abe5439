"""A plate, seen from above, each well coloured by a share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ssrl_core.figures.style import VIRIDIS, style

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure


def plate_figure(
    wells: pd.DataFrame,
    shape: tuple[int, int],
    *,
    title: str = "",
    picked: str | None = None,
    width: int = 620,
    theme: str | None = None,
) -> Figure:
    """Wells as squares; a click gives the point whose `customdata` begins with the well's name.

    Args:
        wells: well, row, column, cells, count, share, low, high, and `what` (what hovering says), if there.
        shape: rows and columns of the plate.
        picked: a well to mark.
    """
    import plotly.graph_objects as go

    rows, columns = shape
    grid: list[list[float | None]] = [[None] * columns for _ in range(rows)]
    for well in wells.to_dict("records"):
        grid[well["row"]][well["column"]] = float(well["share"])
    fig = go.Figure()
    fig.add_heatmap(
        z=grid,
        zmin=0,
        zmax=max(0.05, float(wells["share"].max()) if len(wells) else 0.05),
        xgap=2,
        ygap=2,
        colorscale=[[i / (len(VIRIDIS) - 1), colour] for i, colour in enumerate(VIRIDIS)],
        colorbar={"title": {"text": "share"}, "tickformat": ".0%", "thickness": 10, "outlinewidth": 0},
        hoverinfo="skip",
    )
    what = wells["what"] if "what" in wells else [""] * len(wells)
    fig.add_scatter(  # a heat map knows no click: unseen points over its squares do
        x=wells["column"],
        y=wells["row"],
        mode="markers",
        marker={"symbol": "square", "size": 18, "opacity": 0},
        customdata=[[w, n, k] for w, n, k in zip(wells["well"], wells["cells"], wells["count"], strict=True)],
        text=list(what),
        hovertemplate="%{customdata[0]}: %{customdata[2]} of %{customdata[1]} cells<br>%{text}<extra></extra>",
        selected={"marker": {"opacity": 0}},
        unselected={"marker": {"opacity": 0}},
    )
    for well in wells[wells["well"] == picked].to_dict("records"):
        fig.add_shape(
            type="rect",
            x0=well["column"] - 0.5,
            x1=well["column"] + 0.5,
            y0=well["row"] - 0.5,
            y1=well["row"] + 0.5,
            line={"color": "#d55e00", "width": 3},
        )
    style(fig, title=title, height=int((width - 90) / columns * rows + 110), theme=theme)
    fig.update_layout(margin_t=76)
    letters = [chr(65 + r) if r < 26 else "A" + chr(65 + r - 26) for r in range(rows)]
    fig.update_xaxes(
        tickvals=list(range(columns)),
        ticktext=[str(c + 1) for c in range(columns)],
        side="top",
        range=[-0.6, columns - 0.4],
        showgrid=False,
        fixedrange=True,
    )
    fig.update_yaxes(
        tickvals=list(range(rows)), ticktext=letters, range=[rows - 0.4, -0.6], showgrid=False, fixedrange=True
    )
    return fig
