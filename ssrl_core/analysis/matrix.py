"""What every analysis asks of an embedding first: a finite table of numbers, and fewer columns where few will do."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ssrl_core.errors import DataError

Floats = NDArray[np.float32]


def checked(x: ArrayLike, *, where: str = "Embedding") -> Floats:
    """`x` as (n, D) float32 with every value finite.

    Raises:
        DataError: not two-dimensional, no rows or columns, or NaN or infinity in some rows.
    """
    table = np.asarray(x, dtype=np.float32)
    if table.ndim != 2 or 0 in table.shape:
        raise DataError(
            where=where,
            field="shape",
            rule="(n, D) with at least one row and one column",
            value=tuple(table.shape),
            remedy="Embed at least one image.",
        )
    bad = int(np.count_nonzero(~np.isfinite(table).all(axis=1)))
    if bad:
        raise DataError(
            where=where,
            field="values",
            rule="finite",
            value=f"NaN or infinity in {bad} of {len(table)} rows",
            remedy="The training has probably diverged: lower the learning rate and train again.",
        )
    return table


def all_equal(x: Floats) -> bool:
    """Whether every row is the same point, as in an embedding that has collapsed."""
    return bool((x == x[0]).all())


def principal_components(x: Floats, count: int) -> Floats:
    """The rows of `x` in their `count` directions of largest variance.

    Args:
        x: (n, D) finite.
        count: columns wanted; fewer come back where n or D is smaller.

    Returns:
        (n, min(count, n, D)) float32, centred, columns by falling variance. A column's sign makes its largest
        loading positive, so that the same data never come back mirrored.
    """
    centred = x.astype(np.float64) - x.mean(axis=0, dtype=np.float64)
    count = min(count, *x.shape)
    if x.shape[1] <= x.shape[0]:
        _, axes = np.linalg.eigh(centred.T @ centred)
        axes = axes[:, ::-1][:, :count]
    else:  # fewer rows than columns: the small matrix is the one of the rows
        _, _, rows = np.linalg.svd(centred, full_matrices=False)
        axes = rows[:count].T
    largest = axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])]
    turned = axes * np.where(largest < 0, -1.0, 1.0)
    return np.asarray(centred @ turned, dtype=np.float32)
