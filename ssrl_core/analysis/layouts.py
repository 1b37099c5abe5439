"""Two-dimensional pictures of an embedding. They show neighbours; sizes and gaps on them mean little."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ssrl_core.analysis.layout_quality import NEIGHBOURS, neighbour_hit, trustworthiness
from ssrl_core.analysis.matrix import Floats, all_equal, checked, principal_components
from ssrl_core.analysis.tsne import tsne
from ssrl_core.analysis.umap_points import umap
from ssrl_core.errors import DataError, SpecError

Report = Callable[[float], None]
Points = NDArray[np.float64]

FIRST_COMPONENTS = 50
_LEAST_ROWS = 8  # below, neighbours mean nothing: every layout falls back to the principal components


class MakePoints(Protocol):
    """What a layout method does."""

    def __call__(
        self, x: Floats, *, seed: int, init: Points | None, report: Report | None
    ) -> tuple[Points, dict[str, Any]]:
        """Points (n, 2) of a reduced embedding (n, D) from a start (n, 2), and the parameters that made them."""


@dataclass(frozen=True)
class LayoutMethod:
    """One way to lay an embedding out.

    Attributes:
        name: as specs, files and commands have it.
        title: as figures and menus have it.
        sentence: what it shows, and what not to read from it.
        seconds_per_row: about how long it takes on two cores.
        make: see `MakePoints`.
        default: whether a run makes it unasked.
    """

    name: str
    title: str
    sentence: str
    seconds_per_row: float
    make: MakePoints
    default: bool = False


def _pca(x: Floats, *, seed: int, init: Points | None, report: Report | None) -> tuple[Points, dict[str, Any]]:
    """The first two principal components; nothing is left to chance and a start changes nothing."""
    plane = np.zeros((len(x), 2))
    plane[:, : min(2, x.shape[1])] = x[:, :2]
    return plane, {}


LAYOUTS = {
    row.name: row
    for row in (
        LayoutMethod(
            "tsne",
            "t-SNE",
            "Neighbours stay neighbours; distances between groups and their sizes mean little.",
            0.0035,
            tsne,
            default=True,
        ),
        LayoutMethod(
            "umap",
            "UMAP",
            "Neighbours stay neighbours and groups are drawn tight; gaps between groups mean little.",
            0.0025,
            umap,
            default=True,
        ),
        LayoutMethod(
            "pca",
            "PCA",
            "The two directions of largest variance: distances are true, but most directions are left out.",
            0.0001,
            _pca,
        ),
    )
}


@dataclass(frozen=True)
class Layout:
    """Points (n, 2) float32 in the rows of the embedding, how they were made, and how far to believe them.

    `trustworthiness` and `neighbour_hit` are in 0..1, None where undefined. `seconds` is the time it took.
    """

    points: NDArray[np.float32]
    params: dict[str, Any]
    seconds: float
    trustworthiness: float | None
    neighbour_hit: float | None


def compute_layout(
    x: ArrayLike,
    method: str,
    *,
    seed: int = 0,
    init: ArrayLike | None = None,
    labels: NDArray[np.int64] | None = None,
    report: Report | None = None,
) -> Layout:
    """Lay an embedding out in the plane.

    Args:
        x: (n, D) embedding; it is first reduced to its 50 largest principal components.
        method: a name of `LAYOUTS`.
        seed: same seed, same machine, same points.
        init: (n, 2) points to start from, of any scale, such as the layout of another run of the same images: the two
            maps then lie alike. PCA has no start.
        labels: (n,) int, -1 for none; only for `neighbour_hit`.
        report: told the share done, 0..1.

    Raises:
        SpecError: an unknown method.
        DataError: an embedding that is empty or not finite; a start that is not (n, 2) and finite.
    """
    if method not in LAYOUTS:
        raise SpecError(where="Layout", field="method", rule=f"one of {', '.join(LAYOUTS)}", value=method)
    table = checked(x)
    start = None if init is None else _checked_start(init, len(table))
    started = time.perf_counter()
    exact, params = _points(table, method, seed, start, report)
    points = exact.astype(np.float32)
    trust = trustworthiness(table, points, seed=seed)
    hit = None if labels is None else neighbour_hit(points, labels, seed=seed)
    if report is not None:
        report(1.0)
    params = {"method": method, "seed": seed, "quality_neighbours": NEIGHBOURS, **params}
    return Layout(points, params, time.perf_counter() - started, trust, hit)


def _checked_start(init: ArrayLike, n: int) -> Points:
    points = np.asarray(init, np.float64)
    if points.shape != (n, 2) or not np.isfinite(points).all():
        raise DataError(where="Layout", field="init", rule=f"({n}, 2) and finite", value=points.shape)
    return points


def _points(
    x: Floats, method: str, seed: int, init: Points | None, report: Report | None
) -> tuple[Points, dict[str, Any]]:
    if all_equal(x):
        return np.zeros((len(x), 2)), {"note": "every row of the embedding is the same"}
    reduced = principal_components(x, FIRST_COMPONENTS)
    if method == "pca" or len(x) < _LEAST_ROWS:
        note = {} if method == "pca" else {"note": f"principal components, as {len(x)} rows are too few for {method}"}
        return _pca(reduced, seed=seed, init=None, report=report)[0], {"explained": _explained(x, reduced), **note}
    points, params = LAYOUTS[method].make(reduced, seed=seed, init=init, report=report)
    return points, {"components": reduced.shape[1], **params}


def _explained(x: Floats, reduced: Floats) -> list[float]:
    """Share of the whole variance on each axis of the plane."""
    whole = float(x.var(axis=0, dtype=np.float64).sum())
    return [float(v / whole) for v in reduced[:, :2].var(axis=0, dtype=np.float64)]
