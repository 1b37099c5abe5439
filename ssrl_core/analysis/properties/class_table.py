"""The properties of every class in one table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ssrl_core.analysis.properties import features as feature_spectrum
from ssrl_core.analysis.properties import images as cooccurrence
from ssrl_core.analysis.properties import images as fourier_spectrum
from ssrl_core.analysis.properties.features import covariance_spectrum, two_nn
from ssrl_core.analysis.properties.images import fourier, texture
from ssrl_core.errors import SpecError

FAMILIES: dict[str, tuple[str, ...]] = {
    "intrinsic dimension": ("intrinsic_dimension",),
    "texture": cooccurrence.COOCCURRENCE_NAMES,
    "fourier spectrum": fourier_spectrum.SPECTRUM_NAMES,
    "feature covariance": feature_spectrum.NAMES,
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
    columns = (*cooccurrence.COOCCURRENCE_NAMES, *fourier_spectrum.SPECTRUM_NAMES)
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
    columns: dict[str, list[float]] = {
        name: [] for name in ("n_features", "intrinsic_dimension", *feature_spectrum.NAMES)
    }
    for c, rows in enumerate(_chosen(ids, len(counts), wanted, seed)):
        x = features[rows]
        dimension, spectrum = two_nn(x), covariance_spectrum(x)
        reasons[c] += [text for text in (dimension.reason, spectrum.reason) if text and len(rows)]
        if 0 < len(rows) < wanted:
            reasons[c].append(f"features of {len(rows)} images, of others {wanted}: not quite comparable")
        numbers = [getattr(spectrum, name) for name in feature_spectrum.NAMES]
        for name, value in zip(columns, [len(rows), dimension.value, *numbers], strict=True):
            columns[name].append(value)
    return dict(columns)


def _chosen(ids: NDArray[np.int64], size: int, wanted: int, seed: int) -> Iterator[NDArray[np.intp]]:
    """Rows of each class, at most `wanted`, drawn by seed."""
    for c in range(size):
        rows = np.flatnonzero(ids == c)
        yield np.sort(np.random.default_rng([seed, c]).permutation(rows)[:wanted])


def _joined(row: pd.Series, reasons: list[str]) -> str | None:
    names = (*cooccurrence.COOCCURRENCE_NAMES, *fourier_spectrum.SPECTRUM_NAMES)
    blank = [name for name in names if name in row.index and pd.isna(row[name])]
    if blank and row["n"] > 0:
        reasons = [*reasons, f"{', '.join(blank)} undefined: every image is of one grey value"]
    return "; ".join(dict.fromkeys(reasons)) or None


def _check(
    ids: NDArray[np.int64], names: Sequence[str], images: NDArray[Any] | None, features: ArrayLike | None
) -> None:
    where = "Class properties"
    if images is None and features is None:
        raise SpecError(where=where, field="images or features", rule="given", value=None)
    for field, rows in (("images", images), ("features", features)):
        if rows is not None and len(np.asarray(rows)) != len(ids):
            raise SpecError(
                where=where, field=field, rule=f"as many as labels, {len(ids)}", value=len(np.asarray(rows))
            )
    if len(ids) and not -1 <= int(ids.min()) <= int(ids.max()) < len(names):
        raise SpecError(
            where=where, field="labels", rule=f"in -1..{len(names) - 1}", value=(int(ids.min()), int(ids.max()))
        )
