"""Numbers that say how good clusters are, beside what chance gives."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ssrl_core.analysis.clusters import Clustering
from ssrl_core.analysis.matrix import Floats, all_equal, checked, drawn_rows

SILHOUETTE_ROWS = 10_000
SHUFFLES, FEW_SHUFFLES = 20, 5
_MANY = 100_000  # rows, above which chance varies so little that five shuffles tell it
_BY_LABEL = ("ami", "ami_arithmetic", "ami_shuffled", "nmi", "ari", "homogeneity")


def cluster_scores(
    x: ArrayLike,
    clustering: Clustering,
    labels: NDArray[np.int64] | None,
    *,
    projection: ArrayLike | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """The scores of one clustering.

    Args:
        x: (n, D) the embedding that was clustered.
        labels: (n,) int, -1 for none; None for an image set without labels. Unlabelled rows are left out.
        projection: (n, P) what the projector makes of it, for a silhouette beside the embedding's.
        seed: of the rows the silhouette is taken on (where there are more than 10,000) and of the shuffles.

    Returns:
        JSON-able: `silhouette`, `silhouette_projection`, `silhouette_n`, `ami` (normalised by the larger entropy, as
        in the paper), `ami_arithmetic`, `ami_shuffled` {mean, sd, n}, `nmi`, `ari`, `homogeneity`, `inertia`,
        `sizes`; what is undefined is None, and `missing` says why.
    """
    missing: dict[str, str] = {}
    silhouette, count = _silhouette(checked(x), clustering.ids, seed, "silhouette", missing)
    projected = None
    if projection is None:
        missing["silhouette_projection"] = "the projection was not kept"
    else:
        projected, _ = _silhouette(checked(projection), clustering.ids, seed, "silhouette_projection", missing)
    return {
        "silhouette": silhouette,
        "silhouette_projection": projected,
        "silhouette_n": count,
        **agreement(labels, clustering.ids, seed=seed, missing=missing),
        "inertia": clustering.inertia,
        "sizes": list(clustering.sizes),
        "missing": missing,
    }


def agreement(
    labels: NDArray[np.int64] | None, ids: NDArray[np.int32], *, seed: int = 0, missing: dict[str, str] | None = None
) -> dict[str, Any]:
    """How far clusters and labels say the same: 1 the same, about 0 no more than chance (AMI, ARI).

    Args:
        labels, ids: (n,) int; rows where either is -1 are left out.
        missing: gets the reason for every None.
    """
    why = _no_agreement(labels, ids)
    if why or labels is None:
        (missing if missing is not None else {}).update(dict.fromkeys(_BY_LABEL, why))
        return dict.fromkeys(_BY_LABEL)
    both = (labels >= 0) & (ids >= 0)
    truth, found = labels[both], ids[both]
    from sklearn import metrics

    return {
        "ami": ami(truth, found),
        "ami_arithmetic": ami(truth, found, average="arithmetic"),
        "ami_shuffled": shuffled_ami(truth, found, seed=seed),
        "nmi": float(metrics.normalized_mutual_info_score(truth, found)),
        "ari": float(metrics.adjusted_rand_score(truth, found)),
        "homogeneity": float(metrics.homogeneity_score(truth, found)),
    }


def ami(truth: ArrayLike, found: ArrayLike, *, average: str = "max") -> float:
    """Adjusted mutual information; `max` divides by the larger entropy (the paper's), `arithmetic` by their mean."""
    from sklearn.metrics import adjusted_mutual_info_score

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The number of unique classes")  # integer labels are no regression
        return float(adjusted_mutual_info_score(truth, found, average_method=average))


def eta2(values: NDArray[Any], groups: NDArray[Any]) -> float:
    """Share of the variance of values that lies between groups; rows outside any group (-1) are left out."""
    values, groups = values[groups >= 0], groups[groups >= 0]
    sums, counts = np.bincount(groups, weights=values), np.bincount(groups)
    means = sums / np.maximum(counts, 1)
    total = float(((values - values.mean()) ** 2).sum())
    return float((counts * (means - values.mean()) ** 2).sum() / total) if total > 0 else float("nan")


def told_by(values: NDArray[Any], ids: NDArray[Any]) -> float:
    """What clusters say of a column: AMI with a column of names, eta² of a column of numbers."""
    if values.dtype.kind in "fiu":
        return eta2(values.astype(np.float64), ids)
    _, names = np.unique(values.astype(str), return_inverse=True)
    return ami(names, ids)


def shuffled_ami(
    truth: NDArray[Any], found: NDArray[Any], *, seed: int = 0, count: int | None = None
) -> dict[str, Any]:
    """The AMI that is left when the labels are dealt out anew (20 times, 5 above 100,000 rows): the floor of an AMI."""
    rng = np.random.default_rng(seed)
    count = count or (SHUFFLES if len(truth) <= _MANY else FEW_SHUFFLES)
    values = [ami(rng.permutation(truth), found) for _ in range(count)]
    return {"mean": float(np.mean(values)), "sd": float(np.std(values, ddof=1)), "n": count}


def purity(labels: NDArray[np.int64], ids: NDArray[np.int32], k: int) -> list[dict[str, Any] | None]:
    """The commonest label of each cluster.

    Returns:
        for each of `k` clusters {label, share, n}: its id, its share of the labelled members and their number; None
        for a cluster without labelled members.
    """
    found: list[dict[str, Any] | None] = []
    for cluster in range(k):
        counts = np.bincount(labels[(ids == cluster) & (labels >= 0)])
        n = int(counts.sum())
        found.append({"label": int(counts.argmax()), "share": float(counts.max() / n), "n": n} if n else None)
    return found


def _silhouette(
    x: Floats, ids: NDArray[np.int32], seed: int, key: str, missing: dict[str, str]
) -> tuple[float | None, int]:
    rows = np.flatnonzero(ids >= 0)
    rows = rows[drawn_rows(len(rows), SILHOUETTE_ROWS, seed)]
    clusters = len(np.unique(ids[rows]))
    if not 2 <= clusters < len(rows):
        missing[key] = f"needs at least 2 clusters and more images than clusters, got {clusters} of {len(rows)} images"
        return None, len(rows)
    if all_equal(x[rows]):
        missing[key] = "all images have the same embedding"
        return None, len(rows)
    from sklearn.metrics import silhouette_score

    return float(silhouette_score(x[rows], ids[rows])), len(rows)


def _no_agreement(labels: NDArray[np.int64] | None, ids: NDArray[np.int32]) -> str:
    if labels is None:
        return "the image set has no labels"
    known = int(((labels >= 0) & (ids >= 0)).sum())
    if known < 2:
        return f"needs at least 2 images with a label, got {known}"
    if len(np.unique(labels[labels >= 0])) < 2:
        return "all images have the same label"
    return ""


def mean_sd(values: Iterable[float | None]) -> tuple[float | None, float | None, int]:
    """(mean, sd, n) of what is there and finite: sd with n - 1, None for one value; (None, None, 0) without any."""
    known = np.asarray([v for v in values if v is not None], dtype=float)
    known = known[np.isfinite(known)]
    if not len(known):
        return None, None, 0
    return float(known.mean()), float(known.std(ddof=1)) if len(known) > 1 else None, len(known)


Doubles = NDArray[np.float64]


def welch(a: Doubles, b: Doubles) -> tuple[Doubles, Doubles, Doubles]:
    """(difference of the means a - b, its standard error, degrees of freedom) over the last axis, two values at least.

    Degrees of freedom are NaN where neither side varies.

    Source:
        Welch, Biometrika 34 (1947), which does not ask for equal variances.
    """
    va, vb = (np.asarray(x.var(axis=-1, ddof=1) / x.shape[-1]) for x in (a, b))
    with np.errstate(divide="ignore", invalid="ignore"):
        dof = (va + vb) ** 2 / (va**2 / (a.shape[-1] - 1) + vb**2 / (b.shape[-1] - 1))
    return np.asarray(a.mean(axis=-1) - b.mean(axis=-1)), np.sqrt(va + vb), np.asarray(dof)
