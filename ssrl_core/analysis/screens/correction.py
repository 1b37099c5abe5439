"""Corrections of well profiles for plates, fitted on untreated wells only; each a step with its before and after."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ssrl_core.analysis.screens.profiles import Caution, Profiles
from ssrl_core.errors import DataError, some_of
from ssrl_core.specs.screens import AUTO, Recipe

Array = np.ndarray[Any, Any]
_MAD = 1.4826  # of a normal distribution: its standard deviation / its median deviation; as pycytominer has it
_FEW = 4  # reference wells of a plate from which a spread of its own is told; with fewer that of all plates is taken
_RIDGES = 10.0 ** np.arange(-3, 1.51, 0.25)
_FOLDS = 5


@dataclass(frozen=True)
class Step:
    """Profiles after a step of the recipe.

    Attributes:
        name: `plain`, `normalised`, `sphered`.  title: as people read it.
        x: (w, D).
    """

    name: str
    title: str
    x: Array


@dataclass(frozen=True)
class Corrected:
    """Wells after each step of a recipe; all steps have the same wells.

    Attributes:
        wells: those that could be corrected, with the profiles of the last step.
        steps: from the plain profiles on.
        ridge: that sphering used; None without.
    """

    wells: Profiles
    steps: tuple[Step, ...]
    ridge: float | None

    def at(self, name: str) -> Profiles:
        """The wells after a step."""
        return Profiles(next(step.x for step in self.steps if step.name == name), self.wells.table, self.wells.said)


def correct(wells: Profiles, recipe: Recipe) -> Corrected:
    """Normalise every plate, then sphere, as the recipe says; what cannot be done is said, and the rest goes on."""
    wells, said = _with_reference(wells, recipe), list[str]()
    steps = [Step("plain", "not corrected", wells.x)]
    x, reference = wells.x, reference_wells(wells, recipe)
    if recipe.normalise != "none":
        x, words = normalised(x, wells.table["plate"].to_numpy(), reference, how=recipe.normalise)
        said += words
        steps.append(Step("normalised", "each plate to its own reference wells", x))
    ridge = None
    if recipe.sphering:
        none = wells.table["untreated"].to_numpy(bool)
        if none.sum() < 2:
            said.append("Sphering was left out: it takes two untreated wells at least.")
        else:
            x, ridge, words = sphered(x, none, wells.table["plate"].to_numpy(), ridge=recipe.ridge)
            said += words
            steps.append(Step("sphered", "and sphered by untreated wells", x))
    return Corrected(Profiles(x, wells.table, (*wells.said, *said)), tuple(steps), ridge)


def reference_wells(wells: Profiles, recipe: Recipe) -> Array:
    """(w,) bool: the wells that a plate is normalised by."""
    own = wells.table["untreated"].to_numpy(bool)
    return own if recipe.reference == "untreated" else np.ones(len(own), bool)


def _with_reference(wells: Profiles, recipe: Recipe) -> Profiles:
    """Without the plates that have no reference well, which a plate cannot be normalised by.

    Raises:
        DataError: no plate has one.
    """
    if recipe.normalise == "none":
        return wells
    plates, own = wells.table["plate"].to_numpy(), reference_wells(wells, recipe)
    with_own = set(plates[own])
    there = np.array([plate in with_own for plate in plates], dtype=bool)
    if not there.any():
        remedy = "Say which wells are untreated (compound DMSO, or dose 0), or normalise to all wells: reference: all."
        raise DataError.at("Screen", "untreated wells", "on one plate at least", 0, remedy)
    if there.all():
        return wells
    names = sorted(set(plates[~there]))
    lost = f"{len(names)} plates without untreated wells are left out, as they cannot be normalised"
    return wells.of(there, Caution(f"{lost}: {some_of(names)}."))


def normalised(x: Array, plates: Array, reference: Array, *, how: str = "robust_z") -> tuple[Array, list[str]]:
    """Every plate shifted and scaled so that its reference wells lie at 0 with spread 1, feature by feature.

    Args:
        x: (w, D).  plates: (w,).  reference: (w,) bool, on every plate one at least.
        how: `robust_z`: (x - median) / (1.4826 · median deviation), as pycytominer's `mad_robustize`; `z`: by mean and
            standard deviation (of the population).

    Returns:
        (w, D), and sentences. Where a plate has fewer than four reference wells, or a feature does not vary among them,
        the spread is that of all plates (their median); a feature that varies on none is 0.
    """
    names, codes = np.unique(plates, return_inverse=True)
    middles, spreads, few = np.empty((len(names), x.shape[1])), np.empty((len(names), x.shape[1])), []
    for plate, name in enumerate(names):
        own = x[(codes == plate) & reference]
        middles[plate], spreads[plate] = _middle_and_spread(own, how)
        if len(own) < _FEW:
            few.append(str(name))
            spreads[plate] = np.nan
    spreads[~(spreads > 1e-12)] = np.nan
    said: list[str] = []
    if len(few) == len(names):
        centred = x[reference] - middles[codes[reference]]
        spreads[:] = _middle_and_spread(centred, how)[1]
        spreads[~(spreads > 1e-12)] = np.nan
    with np.errstate(all="ignore"):
        everywhere = np.array([np.median(c[~np.isnan(c)]) if (~np.isnan(c)).any() else np.nan for c in spreads.T])
    if few:
        short = f"{len(few)} plates have fewer than {_FEW} reference wells"
        said.append(Caution(f"{short}; their spread is that of all plates: {some_of(few)}."))
    lacking = np.isnan(everywhere)
    if lacking.any():
        said.append(f"{lacking.sum()} features are the same in all reference wells and are not used.")
    scale = np.where(np.isnan(spreads), everywhere, spreads)
    found = (x - middles[codes]) / np.where(np.isnan(scale), 1.0, scale)[codes]
    found[:, lacking] = 0.0
    return found, said


def _middle_and_spread(own: Array, how: str) -> tuple[Array, Array]:
    if how == "z":
        return own.mean(axis=0), own.std(axis=0)
    middle = np.median(own, axis=0)
    return middle, _MAD * np.median(np.abs(own - middle), axis=0)


def sphered(x: Array, untreated: Array, plates: Array, *, ridge: float | str = AUTO) -> tuple[Array, float, list[str]]:
    """Whitened so that untreated wells of all plates have the same spread in every direction.

    Args:
        x: (w, D).  untreated: (w,) bool, two at least.  plates: (w,), whose untreated wells are left out together
            where the ridge is chosen.
        ridge: added to the spread of each direction (1 = that of one feature); `auto` chooses it.

    Returns:
        (w, D), the ridge, and sentences.

    Source:
        ZCA-cor of Kessy, Lewin & Strimmer 2018 (arXiv:1512.00809), fitted on controls as the typical variation
        normalisation of Ando, McLean & Berndl 2017. Equal to pycytominer's `Spherize` with epsilon = ridge · √(n-1).
    """
    own = x[untreated]
    used = own.std(axis=0) > 1e-12
    said = []
    if not used.all():
        said.append(f"{(~used).sum()} features do not vary among untreated wells and are left out of sphering.")
    if not used.any():
        return x, 0.0, ["Sphering was left out: no feature varies among untreated wells."]
    chosen = _chosen_ridge(own[:, used], plates[untreated]) if ridge == AUTO else float(ridge)
    fitted = _Sphering(own[:, used])
    if fitted.rank < used.sum():
        said.append(
            f"There are fewer directions among {len(own)} untreated wells ({fitted.rank}) than features "
            f"({used.sum()}): the others are scaled as the narrowest of them."
        )
    said.append(f"Sphering added a ridge of {chosen:.3g} to spreads of {fitted.narrow:.3g} to {fitted.wide:.3g}"
                f"{' (chosen by plates left out)' if ridge == AUTO else ''}.")  # fmt: skip
    found = np.zeros_like(x)
    found[:, used] = fitted.apply(x[:, used], chosen)
    return found, chosen, said


class _Sphering:
    """The directions of some wells, and the spread along each."""

    def __init__(self, own: Array) -> None:
        self._mean, self._sd = own.mean(axis=0), own.std(axis=0)
        self._sd = np.where(self._sd > 1e-12, self._sd, 1.0)
        _, sigma, self._vt = np.linalg.svd((own - self._mean) / self._sd, full_matrices=False)
        self.rank = int((sigma > 1e-9 * sigma[0]).sum()) if len(sigma) and sigma[0] > 0 else 0
        self._spread = sigma[: self.rank] / np.sqrt(max(1, len(own) - 1))
        self._vt = self._vt[: self.rank]
        self.narrow, self.wide = (float(self._spread[-1]), float(self._spread[0])) if self.rank else (0.0, 0.0)

    def apply(self, x: Array, ridge: float) -> Array:
        """Wells sphered: directions of no spread are scaled as the narrowest."""
        z = (x - self._mean) / self._sd
        inside = z @ self._vt.T
        outside = (z - inside @ self._vt) / max(self.narrow + ridge, 1e-12)
        return np.asarray((inside / np.maximum(self._spread + ridge, 1e-12)) @ self._vt + outside)

    def likelihood(self, x: Array, ridges: Array) -> Array:
        """(ridges,) mean log density of other untreated wells under each ridge, but for a constant."""
        z = (x - self._mean) / self._sd
        inside = z @ self._vt.T
        rest = np.square(z).sum(axis=1) - np.square(inside).sum(axis=1)
        more = z.shape[1] - self.rank
        spread = np.maximum(self._spread[None] + ridges[:, None], 1e-12)
        last = np.maximum(self.narrow + ridges, 1e-12)
        fit = (np.square(inside)[None] / np.square(spread)[:, None]).sum(axis=2).mean(axis=1)
        fit = fit + rest.mean() / np.square(last)
        return np.asarray(-fit / 2 - np.log(spread).sum(axis=1) - more * np.log(last))


def _chosen_ridge(own: Array, plates: Array) -> float:
    """The ridge under which untreated wells of plates (of wells, where there are few plates) left out are likeliest."""
    names, codes = np.unique(plates, return_inverse=True)
    groups = codes if len(names) > 1 else np.arange(len(own))
    fold = np.random.default_rng(0).permutation(groups.max() + 1)[groups] % _FOLDS
    total = np.zeros(len(_RIDGES))
    for number in np.unique(fold):
        left_out = fold == number
        if (~left_out).sum() >= 2:
            total += left_out.sum() * _Sphering(own[~left_out]).likelihood(own[left_out], _RIDGES)
    return float(_RIDGES[int(np.argmax(total))])
