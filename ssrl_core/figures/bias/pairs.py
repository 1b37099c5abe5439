"""The correlations between all classes of one setting as a square, classes of like behaviour side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ssrl_core.figures.colours import SIGNED
from ssrl_core.figures.style import style

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_LEAST_PX, _MOST_PX, _NAMED = 360, 900, 60


def pair_matrix(pairs: pd.DataFrame, *, coefficient: str = "pearson", title: str = "") -> Figure:
    """Teal where two classes move together, brown where they move against each other, empty where undefined.

    Classes are ordered by their part in the strongest common movement (the first eigenvector of the matrix), so that
    those that win together stand together.

    Args:
        pairs: of `Opposition`, the rows of one setting.
        coefficient: pearson | kendall | spearman.
    """
    import plotly.graph_objects as go

    names = sorted({*pairs["first"], *pairs["second"]})
    matrix, reasons = _square(pairs, names, coefficient)
    order = _order(matrix)
    shown = matrix[np.ix_(order, order)]
    ordered = [names[i] for i in order]
    fig = go.Figure()
    fig.add_heatmap(
        z=shown,
        x=ordered,
        y=ordered,
        zmin=-1,
        zmax=1,
        colorscale=[[i / (len(SIGNED) - 1), colour] for i, colour in enumerate(SIGNED)],
        customdata=reasons[np.ix_(order, order)],
        hoverongaps=False,
        hovertemplate="%{y} and %{x}: %{z:.2f}%{customdata}<extra></extra>",
        colorbar={"thickness": 10, "outlinewidth": 0, "title": {"text": coefficient, "side": "right"}},
    )
    style(fig, title=title, height=int(np.clip(9 * len(names) + 160, _LEAST_PX, _MOST_PX)))
    few = len(names) <= _NAMED
    fig.update_xaxes(type="category", showticklabels=few, tickangle=-45, constrain="domain")
    return fig.update_yaxes(
        type="category", autorange="reversed", showticklabels=few, showgrid=False, scaleanchor="x", constrain="domain"
    )


def _square(pairs: pd.DataFrame, names: list[str], coefficient: str) -> tuple[NDArray[Any], NDArray[Any]]:
    place = {name: i for i, name in enumerate(names)}
    i, j = pairs["first"].map(place).to_numpy(), pairs["second"].map(place).to_numpy()
    matrix = np.full((len(names), len(names)), np.nan)
    matrix[i, j] = matrix[j, i] = pairs[coefficient].to_numpy(dtype=float)
    told = np.full(matrix.shape, "", dtype=object)
    opposite = pairs["opposite"].to_numpy(dtype=bool)
    told[i[opposite], j[opposite]] = told[j[opposite], i[opposite]] = ", opposite"
    return matrix, told


def _order(matrix: NDArray[Any]) -> NDArray[np.intp]:
    if len(matrix) < 3:
        return np.arange(len(matrix))
    filled = np.nan_to_num(matrix)
    np.fill_diagonal(filled, 1.0)
    leading = np.linalg.eigh(filled)[1][:, -1]
    if leading[np.abs(leading).argmax()] < 0:
        leading = -leading
    return np.argsort(-leading, kind="stable")
