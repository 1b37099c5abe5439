"""What a composition keeps of fixed features, in closed form: covariances over views and one eigenproblem.

With features phi(v) of a view v, C is their covariance over all views and C+ the covariance that two views which
count as equal have in common. A direction u keeps lambda(u) = u'C+u / u'Cu of its variance (the intra-class
correlation): 1 is kept, 0 destroyed. Solving C+u = lambda (C + mu·tr(C)/D·I) u orders directions: mu -> 0 by that share
alone (the spectral contrastive optimum), mu -> infinity by share times variance (linearised Barlow Twins from a small
start); trained networks lie between. The embedding of an image is (phi - mean)·U·diag(lambda)^power: a linear map.

Sources:
    HaoChen et al. 2021, arXiv:2106.04156; Johnson et al. 2022, arXiv:2210.01883 (eigenfunctions of positive pairs);
    Simon et al. 2023, arXiv:2303.15438 (Barlow Twins in closed form); Balestriero & LeCun 2022, arXiv:2205.11508 and
    Cabannes et al. 2023, arXiv:2302.02774 (VICReg, SimCLR, Barlow Twins in the linear case); Kiani et al. 2022,
    arXiv:2209.14884 (kernels).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssrl_core.errors import DataError, SpecError
from ssrl_core.specs.composition import Composition

Array = NDArray[Any]
Floats = NDArray[np.float64]

SD_FLOOR = 0.05
"""Least sd a feature is divided by, in root-mean-square sds: features that are nearly always 0 would dominate."""
_FLAT = 1e-10


@dataclass(frozen=True)
class Pairing:
    """Which views count as equal.

    Attributes:
        counts: views of each image, a view group after another.
        weights: (group, group) -> its share of all pairs; the first number is not above the second; they sum to 1. A
            group that is paired with itself has two views at least.
    """

    counts: tuple[int, ...]
    weights: Mapping[tuple[int, int], float]

    @property
    def marginals(self) -> tuple[float, ...]:
        """Share of each group among the views of all pairs."""
        shares = [0.0] * len(self.counts)
        for (one, other), weight in self.weights.items():
            shares[one] += weight / 2
            shares[other] += weight / 2
        return tuple(shares)


def pairing(composition: Composition, views: int) -> Pairing:
    """The pairs that a method makes of a composition's views: every two of which at least one is global.

    Args:
        views: of each image in all; shared among the groups by their counts, two at least where a group is paired with
            itself. A single view is paired with another draw of itself.
    """
    own = [group.count for group in composition.views]
    wide = [group.role == "global" for group in composition.views]
    pairs: dict[tuple[int, int], float] = {}
    for one, count in enumerate(own):
        if wide[one] and count > 1:
            pairs[one, one] = count * (count - 1) / 2
        for other in range(one + 1, len(own)):
            if wide[one] or wide[other]:
                pairs[one, other] = float(count * own[other])
    pairs = pairs or {(0, 0): 1.0}
    total = sum(pairs.values())
    least = [2 if (g, g) in pairs else 1 for g in range(len(own))]
    counts = tuple(max(low, round(views * count / sum(own))) for low, count in zip(least, own, strict=True))
    return Pairing(counts, {pair: weight / total for pair, weight in pairs.items()})


@dataclass(frozen=True)
class Moments:
    """Mean (D,), shared part C+ (D,D) and covariance C (D,D) of views, float64; `images` and `views` they come from."""

    mean: Floats
    shared: Floats
    total: Floats
    images: int
    views: int


class Covariances:
    """Sums over views, block by block: memory is 2·D² numbers, whatever the number of images.

    Args:
        dim: D.
        pairing: of the view groups.
    """

    def __init__(self, dim: int, pairing: Pairing) -> None:
        self.pairing = pairing
        self.images = 0
        self._origin: Array | None = None  # of the first block: sums of numbers near 0 lose nothing
        self._first = np.zeros(dim)
        self._shared, self._total = np.zeros((dim, dim)), np.zeros((dim, dim))

    def add(self, features: Sequence[Array]) -> None:
        """Take some images in.

        Args:
            features: one (V, B, D) float array a view group, V as in the pairing, the same B images in each.
        """
        if self._origin is None:
            self._origin = np.asarray(features[0].mean(axis=(0, 1), dtype=np.float64), dtype=features[0].dtype)
        means = []
        for group, (block, share) in enumerate(zip(features, self.pairing.marginals, strict=True)):
            centred = block - self._origin
            mean = centred.mean(axis=0)
            means.append(mean)
            self._first += share * mean.sum(axis=0, dtype=np.float64)
            self._add_group(group, centred, mean, share)
        for (one, other), weight in self.pairing.weights.items():
            if one != other:
                cross = weight / 2 * (means[one].T @ means[other])
                self._shared += cross
                self._shared += cross.T
        self.images += features[0].shape[1]

    def _add_group(self, group: int, centred: Array, mean: Array, share: float) -> None:
        """Second moments of the means over views, and of what is left within images (unbiased in the shared part)."""
        views = len(centred)
        between = mean.T @ mean
        self._total += share * between
        if views > 1:
            rest = (centred - mean).reshape(-1, mean.shape[1])
            within = rest.T @ rest
            self._total += share / views * within
        own = self.pairing.weights.get((group, group), 0.0)
        if own:
            self._shared += own * between
            self._shared -= own / (views * (views - 1)) * within

    def mixed(self, parts: Sequence[tuple[float, Covariances]]) -> Covariances:
        """Pairs of several kinds as one kind: the sums are linear in the share that each kind has of all pairs.

        Args:
            parts: shares that sum to 1, and what was taken in of the same features, each with another pairing.
        """
        whole = Covariances(len(self._first), self.pairing)
        whole.images, whole._origin = self.images, self._origin
        for share, part in parts:
            whole._first += share * part._first
            whole._shared += share * part._shared
            whole._total += share * part._total
        return whole

    def moments(self) -> Moments:
        """What was taken in so far.

        Raises:
            SpecError: fewer than two images.
        """
        if self._origin is None or self.images < 2:
            raise SpecError.at("Closed form", "images", "two or more", self.images, "Take more images.")
        shift = self._first / self.images
        outer = np.outer(shift, shift)
        return Moments(
            mean=self._origin + shift,
            shared=self._shared / self.images - outer,
            total=self._total / self.images - outer,
            images=self.images,
            views=self.images * sum(self.pairing.counts),
        )


def weighted(terms: Sequence[tuple[float, Moments]]) -> Moments:
    """Several terms as one: the weighted sum of their moments, weights brought to a sum of 1."""
    whole = sum(weight for weight, _ in terms)
    parts = [(weight / whole, moments) for weight, moments in terms]
    return Moments(
        mean=np.sum([w * m.mean for w, m in parts], axis=0),
        shared=np.sum([w * m.shared for w, m in parts], axis=0),
        total=np.sum([w * m.total for w, m in parts], axis=0),
        images=max(m.images for _, m in parts),
        views=sum(m.views for _, m in parts),
    )


@dataclass(frozen=True)
class Solution:
    """The best linear map of the features.

    Attributes:
        mean: (D,) that is taken away.
        weight: (D,k), directions times lambda^power: embedding = (phi - mean) @ weight.
        shares: (k,) lambda of each direction, falling, 0 to 1.
    """

    mean: Floats
    weight: Floats
    shares: Floats

    def embed(self, features: Array) -> NDArray[np.float32]:
        """(n,D) features to (n,k) embeddings."""
        made: NDArray[np.float32] = (features - self.mean.astype(np.float32)) @ self.weight.astype(np.float32)
        return made

    def held_out(self, moments: Moments) -> Floats:
        """(k,) share of each direction's variance that other images' views have in common (0 where it has none)."""
        shared = np.einsum("dk,dk->k", self.weight, moments.shared @ self.weight)
        total = np.einsum("dk,dk->k", self.weight, moments.total @ self.weight)
        found: Floats = np.clip(np.divide(shared, total, out=np.zeros_like(shared), where=total > 0), 0.0, 1.0)
        return found


def solve(moments: Moments, *, mu: float, dim: int, power: float, standardised: bool = True) -> Solution:
    """Solve C+u = lambda (C + mu·tr(C)/D·I) u.

    Args:
        mu: weight of the ridge, above 0; small orders by share kept, large by share times variance.
        dim: k, directions wanted; at most D are there.
        power: of lambda in the embedding; 0 gives all directions one weight.
        standardised: features are first divided by their sd over all views.

    Returns:
        the map, directions by falling lambda, each with its largest weight positive.

    Raises:
        DataError: features that are the same for every view.
    """
    from scipy.linalg import eigh

    scale = _scale(moments.total)
    if not standardised:
        scale = np.ones_like(scale)
    shared, total = (part / np.outer(scale, scale) for part in (moments.shared, moments.total))
    size = len(scale)
    ridge = total + mu * np.trace(total) / size * np.eye(size)
    least = max(0, size - dim)
    shares, found = eigh((shared + shared.T) / 2, ridge, subset_by_index=[least, size - 1], driver="gvx")
    shares, found = np.clip(shares[::-1], 0.0, 1.0), found[:, ::-1]
    found = found * np.sign(found[np.abs(found).argmax(axis=0), np.arange(found.shape[1])])
    return Solution(moments.mean, found / scale[:, None] * shares**power, shares)


def intraclass_correlation(values: Array) -> float | None:
    """Share of a number's variance that the views of an image have in common.

    Args:
        values: (V, n) of V >= 2 views of n images; images with a missing value (NaN) are left out.

    Returns:
        (Var(means) - W/V) over that + W, with W the mean variance within images (unbiased), cut to 0..1; None where
        nothing varies or fewer than two images are left.

    Source:
        One-way random effects: Shrout & Fleiss 1979, ICC(1,1).
    """
    known = np.asarray(values, dtype=np.float64)[:, np.isfinite(values).all(axis=0)]
    if known.shape[1] < 2:
        return None
    within = known.var(axis=0, ddof=1).mean()
    shared = known.mean(axis=0).var() - within / len(known)
    if shared + within <= _FLAT * max(1.0, float(np.square(known).mean())):
        return None
    return float(np.clip(shared / (shared + within), 0.0, 1.0))


def _scale(total: Floats) -> Floats:
    """(D,) sd of each feature, at least a floor."""
    variances = np.maximum(np.diag(total), 0.0)
    typical = float(np.sqrt(variances.mean()))
    if not typical > _FLAT:
        raise DataError.at(
            "Closed form",
            "images",
            "different from one another",
            "views whose features are all the same",
            "Take images that are not constant, or a composition that leaves something of them.",
        )
    scale: Floats = np.maximum(np.sqrt(variances), SD_FLOOR * typical)
    return scale
