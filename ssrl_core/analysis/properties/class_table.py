"""The properties of every class in one table; the intrinsic dimension and the covariance of its features."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ssrl_core.analysis.properties.images import COOCCURRENCE_NAMES, SPECTRUM_NAMES, Floats, fourier, texture
from ssrl_core.errors import SpecError

COVARIANCE_NAMES = ("effective_rank", "spectrum_decay", "first_share")
LEAST_ROWS = 10


@dataclass(frozen=True)
class Spectrum:
    """The spectrum of one class.

    Args:
        effective_rank: exp of the entropy of the singular values divided by their sum; 1 (a line) to min(n - 1, D).
        spectrum_decay: a in variance of the i-th direction ~ i^-a, from the straight line through the logarithms of
            the directions 1..`fitted`; larger falls faster.
        first_share: share of the variance along the first direction.
        variances: eigenvalues of the covariance (n - 1), falling, those of rounding left out.
        fitted, n: directions in the line, images.
        reason: why numbers are NaN; None where all are known.

    All three depend on the number of images: compare classes with as many each.
    """

    effective_rank: float
    spectrum_decay: float
    first_share: float
    variances: Floats
    fitted: int
    n: int
    reason: str | None = None


def covariance_spectrum(x: ArrayLike) -> Spectrum:
    """The spectrum of the covariance of features.

    The line of the decay leaves out the lower half of the directions: with few images per dimension they are pressed
    towards 0, which is a matter of the number of images, not of the class.

    Args:
        x: (n, D) features of the images of one class, n >= 10.

    Source:
        Effective rank: Roy and Vetterli, EUSIPCO 2007. Decay of the eigenspectrum as a power law: Stringer et al.,
        Nature 571 (2019). The paper says "spectrum of feature covariance" without a definition.
    """
    rows = np.asarray(x, dtype=np.float64)
    if rows.ndim != 2 or not np.isfinite(rows).all():
        raise SpecError.at("Feature spectrum", "x", "(n, D) and finite", rows.shape)
    n = len(rows)
    if n < LEAST_ROWS:
        return _unknown(n, f"{n} images, at least {LEAST_ROWS} are needed")
    singular = np.linalg.svd(rows - rows.mean(axis=0), compute_uv=False)
    singular = singular[singular > singular.max(initial=0) * 1e-10]
    if not len(singular):
        return _unknown(n, "all images have the same features")
    shares = singular / singular.sum()
    variances = singular**2 / (n - 1)
    fitted = (len(singular) + 1) // 2
    decay = _decay(variances[:fitted])
    return Spectrum(
        float(np.exp(-(shares * np.log(shares)).sum())),
        decay,
        float(variances[0] / variances.sum()),
        variances,
        fitted,
        n,
        f"the features vary in {len(singular)} directions: too few for a decay" if np.isnan(decay) else None,
    )


def _decay(variances: Floats) -> float:
    """Negative slope of log variance against log rank; NaN with fewer than three directions."""
    if len(variances) < 3:
        return float("nan")
    x, y = np.log(np.arange(1, len(variances) + 1)), np.log(variances)
    return float(-((x - x.mean()) * (y - y.mean())).sum() / ((x - x.mean()) ** 2).sum())


def _unknown(n: int, reason: str) -> Spectrum:
    nan = float("nan")
    return Spectrum(nan, nan, nan, np.zeros(0), 0, n, reason)


CHUNK_NUMBERS = 8_000_000


@dataclass(frozen=True)
class Dimension:
    """An estimate.

    Args:
        value: NaN where it is undefined.
        se: its standard error for independent points; n: points used (copies of a point are left out).
        reason: why it is NaN; None otherwise.
    """

    value: float
    se: float
    n: int
    reason: str | None = None


def two_nn(x: ArrayLike, *, discard: float = 0.1) -> Dimension:
    """Intrinsic dimension from the first two neighbours of each point.

    Where the density hardly changes between a point and its second neighbour, the ratio mu of the distances to the
    second and the first follows F(mu) = 1 - mu^-d, whatever the density: d is the slope of the line through the origin
    of -log(1 - F) against log mu, with the empirical F. The largest ratios are left out, as the source does, since they
    lie in sparse places. Two neighbours see fine structure, so noise of the features counts as dimensions.

    This is the property of table 1 (the paper names no estimator; this one needs no neighbourhood size to be chosen).

    Args:
        x: (n, D) features of the images of one class.
        discard: share of the largest ratios that is left out, 0..0.5.

    Source:
        Facco, d'Errico, Rodriguez, Laio, Scientific Reports 7, 12140 (2017).
    """
    if not 0 <= discard <= 0.5:
        raise SpecError.at("Intrinsic dimension", "discard", "in 0..0.5", discard)
    points = _distinct(x)
    if len(points) < LEAST_ROWS:
        return _unknown_dimension(len(points), f"{len(points)} different points, at least {LEAST_ROWS} are needed")
    near = nearest_distances(points, 2)
    logs = np.sort(np.log(near[:, 1] / near[:, 0]))
    kept = max(2, round(len(logs) * (1 - discard)))
    height = -np.log1p(-np.arange(1, kept + 1) / len(logs)) if kept < len(logs) else -np.log(_left(len(logs)))
    squares = float((logs[:kept] ** 2).sum())
    if squares == 0:
        return _unknown_dimension(len(points), "every point has its two neighbours at the same distance")
    value = float((logs[:kept] * height).sum() / squares)
    return Dimension(value, value / float(np.sqrt(kept)), len(points))


def maximum_likelihood(x: ArrayLike, *, k: int = 20) -> Dimension:
    """Intrinsic dimension from the first k neighbours of each point, the inverses averaged over points.

    Smoother than `two_nn`, but seen at the scale of k neighbours: bends of the data count less, edges more.

    Args:
        x: (n, D). k: neighbours, 3 <= k < n.

    Source:
        Levina and Bickel, NIPS 17 (2005); averaged as in MacKay and Ghahramani's comment on it (2005); k = 20 is among
        the values that Pope et al., ICLR 2021, use for images.
    """
    points = _distinct(x)
    if k < 3:
        raise SpecError.at("Intrinsic dimension", "k", "at least 3", k)
    if len(points) <= max(k, LEAST_ROWS - 1):
        return _unknown_dimension(
            len(points), f"{len(points)} different points, more than {max(k, LEAST_ROWS - 1)} are needed"
        )
    near = nearest_distances(points, k)
    inverse = np.log(near[:, -1:] / near[:, :-1]).sum(axis=1) / (k - 2)
    middle = float(inverse.mean())
    if middle == 0:
        return _unknown_dimension(len(points), "every point has all its neighbours at the same distance")
    return Dimension(1 / middle, float(inverse.std(ddof=1) / np.sqrt(len(points)) / middle**2), len(points))


def nearest_distances(points: Floats, k: int) -> Floats:
    """(n, k) Euclidean distances to the k nearest other points, ascending.

    Products of centred rows find the neighbours; their distances are then taken from differences, since small
    distances would drown in the rounding of large squares.
    """
    centred = points - points.mean(axis=0)
    squares = (centred**2).sum(axis=1)
    out = np.empty((len(points), k))
    size = max(1, CHUNK_NUMBERS // max(len(points), k * points.shape[1]))
    for start in range(0, len(points), size):
        rows = slice(start, start + size)
        apart = squares[rows, None] + squares - 2 * centred[rows] @ centred.T
        apart[np.arange(len(apart)), np.arange(start, start + len(apart))] = np.inf
        ids = np.argpartition(apart, k - 1, axis=1)[:, :k] if k < len(points) else np.argsort(apart, axis=1)[:, :k]
        exact = np.sqrt(((centred[rows, None] - centred[ids]) ** 2).sum(axis=2))
        out[rows] = np.sort(exact, axis=1)
    return out


def _left(n: int) -> NDArray[np.float64]:
    """1 - F of all n points with F = i / (n + 1), so that the last one is not 0."""
    return np.asarray(1 - np.arange(1, n + 1) / (n + 1))


def _distinct(x: ArrayLike) -> Floats:
    rows = np.asarray(x, dtype=np.float64)
    if rows.ndim != 2 or not np.isfinite(rows).all():
        raise SpecError.at("Intrinsic dimension", "x", "(n, D) and finite", rows.shape)
    return np.unique(rows, axis=0)


def _unknown_dimension(n: int, reason: str) -> Dimension:
    return Dimension(float("nan"), float("nan"), n, reason)


FAMILIES: dict[str, tuple[str, ...]] = {
    "intrinsic dimension": ("intrinsic_dimension",),
    "texture": COOCCURRENCE_NAMES,
    "fourier spectrum": SPECTRUM_NAMES,
    "feature covariance": COVARIANCE_NAMES,
}
"""The four properties of table 1, and the columns that each is made of."""


def class_properties(
    labels: ArrayLike,
    names: Sequence[str],
    *,
    images: NDArray[Any] | None = None,
    features: ArrayLike | None = None,
    max_value: float | None = None,
    per_class: int | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """Intrinsic dimension, texture, Fourier spectrum and feature covariance of each class.

    Texture and Fourier numbers are means over the images of a class; dimension and covariance are of its features, and
    depend on how many images there are: they are taken from as many images of every class.

    Args:
        labels: (n,) int class ids; -1 is left out.
        names: of the classes, by id.
        images: (n, C, H, W) or None, which leaves texture and Fourier out; max_value as for `grey`.
        features: (n, D) of the same images by a network that is said with the table, or None.
        per_class: images of each class for the features; None takes what the smallest class has, if that is at least
            10, else 10.
        seed: of the choice of these images.

    Returns:
        one row a class: class, n (images), n_features (images behind dimension and covariance), the columns of
        FAMILIES (NaN where undefined), reason (what is NaN and why, None otherwise).

    Raises:
        SpecError: lengths that differ, ids outside the names, neither images nor features.
    """
    ids = np.asarray(labels, dtype=np.int64)
    _check(ids, names, images, features)
    rows: dict[str, Any] = {"class": list(names), "n": np.bincount(ids[ids >= 0], minlength=len(names))}
    reasons: list[list[str]] = [[] for _ in names]
    for c in np.flatnonzero(rows["n"] == 0):
        reasons[c].append("no images")
    if images is not None:
        rows |= _image_columns(images, ids, len(names), max_value)
    if features is not None:
        rows |= _feature_columns(np.asarray(features), ids, rows["n"], per_class, seed, reasons)
    table = pd.DataFrame(rows)
    table["reason"] = pd.Series([_joined(table.iloc[c], reasons[c]) for c in range(len(names))], dtype=object)
    return table


def _image_columns(images: NDArray[Any], ids: NDArray[np.int64], size: int, max_value: float | None) -> dict[str, Any]:
    values = np.concatenate([texture(images, max_value=max_value), fourier(images, max_value=max_value)], axis=1)
    columns = (*COOCCURRENCE_NAMES, *SPECTRUM_NAMES)
    return {name: _class_means(values[:, i], ids, size) for i, name in enumerate(columns)}


def _class_means(values: NDArray[np.float64], ids: NDArray[np.int64], size: int) -> NDArray[np.float64]:
    """(C,) means of the values that are there; NaN without any."""
    there = np.isfinite(values) & (ids >= 0)
    total = np.bincount(ids[there], weights=values[there], minlength=size)
    count = np.bincount(ids[there], minlength=size)
    return np.asarray(np.divide(total, count, out=np.full(size, np.nan), where=count > 0))


def _feature_columns(
    features: NDArray[Any],
    ids: NDArray[np.int64],
    counts: NDArray[np.int64],
    per_class: int | None,
    seed: int,
    reasons: list[list[str]],
) -> dict[str, Any]:
    wanted = per_class or max(10, int(counts[counts > 0].min(initial=2**31 - 1)))
    columns: dict[str, list[float]] = {name: [] for name in ("n_features", "intrinsic_dimension", *COVARIANCE_NAMES)}
    for c, rows in enumerate(_chosen(ids, len(counts), wanted, seed)):
        x = features[rows]
        dimension, spectrum = two_nn(x), covariance_spectrum(x)
        reasons[c] += [text for text in (dimension.reason, spectrum.reason) if text and len(rows)]
        if 0 < len(rows) < wanted:
            reasons[c].append(f"features of {len(rows)} images, of others {wanted}: not quite comparable")
        numbers = [getattr(spectrum, name) for name in COVARIANCE_NAMES]
        for name, value in zip(columns, [len(rows), dimension.value, *numbers], strict=True):
            columns[name].append(value)
    return dict(columns)


def _chosen(ids: NDArray[np.int64], size: int, wanted: int, seed: int) -> Iterator[NDArray[np.intp]]:
    """Rows of each class, at most `wanted`, drawn by seed."""
    for c in range(size):
        rows = np.flatnonzero(ids == c)
        yield np.sort(np.random.default_rng([seed, c]).permutation(rows)[:wanted])


def _joined(row: pd.Series, reasons: list[str]) -> str | None:
    names = (*COOCCURRENCE_NAMES, *SPECTRUM_NAMES)
    blank = [name for name in names if name in row.index and pd.isna(row[name])]
    if blank and row["n"] > 0:
        reasons = [*reasons, f"{', '.join(blank)} undefined: every image is of one grey value"]
    return "; ".join(dict.fromkeys(reasons)) or None


def _check(
    ids: NDArray[np.int64], names: Sequence[str], images: NDArray[Any] | None, features: ArrayLike | None
) -> None:
    where = "Class properties"
    if images is None and features is None:
        raise SpecError.at(where, "images or features", "given", None)
    for field, rows in (("images", images), ("features", features)):
        if rows is not None and len(np.asarray(rows)) != len(ids):
            raise SpecError.at(where, field, f"as many as labels, {len(ids)}", len(np.asarray(rows)))
    if len(ids) and not -1 <= int(ids.min()) <= int(ids.max()) < len(names):
        raise SpecError.at(where, "labels", f"in -1..{len(names) - 1}", (int(ids.min()), int(ids.max())))
