"""Solving many compositions in one process: what several of them need is worked out once.

A composition costs what its views cost, three views of an image two milliseconds; the equations are solved in a fifth
of a second. So these are shared, as far as the same images, seed (feature bank and draws) and sides go:

- what the bank says of the images themselves, which every composition is measured on;
- the covariances of the views of a composition, whatever sum of terms, ridge and number of directions they go into;
- where the chance of one step varies: views with that step and views without it. Two views of an image had it both
  with probability p², one of them with 2p(1 − p), none with (1 − p)²; covariances are linear in these shares, so two
  sets of views serve every p, and exactly.

Unlike a run's, the terms of a sum share their draws; a run of the same spec agrees but for that chance.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from ssrl_core.analysis.clusters import Clustering, kmeans, nearest
from ssrl_core.analysis.scores import ami, cluster_scores, told_by
from ssrl_core.compositions.draws import shown_of
from ssrl_core.datasets.columns import OWN_COLUMNS
from ssrl_core.datasets.imageset import ImageSet
from ssrl_core.errors import SSRLError
from ssrl_core.learning import solving
from ssrl_core.learning.closed_form import Covariances, Moments, Pairing, solve, weighted
from ssrl_core.learning.embedding import at_side, view_side
from ssrl_core.learning.features import Bank
from ssrl_core.paper.solved import OF_CLASSIFIER, OF_RESPONSE
from ssrl_core.runs.evaluation.images import EvaluationImages
from ssrl_core.runs.evaluation.parts import knn, linear
from ssrl_core.runs.folder.results import clean
from ssrl_core.runs.folder.run_folder import evaluated_split, imageset_of
from ssrl_core.specs.composition import Composition
from ssrl_core.specs.run import RunSpec, Term

Report = Callable[[float], None]
_NO_TRUTHS = (*OWN_COLUMNS, "well", "site", "name", "dose_unit")
_MOST_NAMES = 60
CROWDED = 3
"""Neighbours from which on a cell counts as one of a crowd."""
_KEPT_MOMENTS, _KEPT_FEATURES = 12, 6  # of 21 MB and up to 60 MB each
_TYPICAL = 10
_WITH, _WITHOUT = "with", "without"


class Kept:
    """What was worked out, the most recent of it."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._found: OrderedDict[Hashable, Any] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """What stands at a key, made if it is not there."""
        if key not in self._found:
            self._found[key] = make()
        self._found.move_to_end(key)
        while len(self._found) > self._most:
            self._found.popitem(last=False)
        return self._found[key]


@dataclass(frozen=True)
class Place:
    """Images, bank and seed that compositions share; `key` tells it from others."""

    spec: RunSpec
    imageset: ImageSet
    images: EvaluationImages
    bank: Bank
    side: int
    key: Hashable


class Solver:
    """Solves one spec after another (`method: spectral`)."""

    def __init__(self) -> None:
        self._places, self._features, self._moments = Kept(4), Kept(_KEPT_FEATURES), Kept(_KEPT_MOMENTS)

    def solve(self, spec: RunSpec, *, chance: str | None = None, report: Report = lambda share: None) -> dict[str, Any]:
        """What is measured of a solved composition.

        Args:
            chance: the step whose p varies in the sweep that this is one of.
            report: told the share done, 0..1; what it raises ends the work.

        Returns:
            {results: as `results.json` has them, explained: {`4 response`: AMI or eta² of the clusters with it},
            typical: {k: [{ids, size}]}, seconds: of the processor}.
        """
        started = time.thread_time()
        place = self._place(spec)
        moments = weighted([(t.weight, self._of(place, t, chance, report)) for t in spec.terms if t.weight > 0])
        method = spec.method
        found = solve(moments, mu=method["mu"], dim=method["dim"], power=method["power"])
        images = EvaluationImages(spec, place.imageset)
        bank, evaluated = (found.embed(self._shown(place, images, ids)) for ids in (images.bank, images.evaluated))
        told = measured(spec, images, bank, evaluated)
        return told | {"seconds": round(time.thread_time() - started, 3)}

    def _place(self, spec: RunSpec) -> Place:
        size = spec.terms[0].composition.views[0].size
        key = (str(spec.dataset), spec.limit_train, spec.method["bank"], spec.seed, size)

        def make() -> Place:
            imageset = imageset_of(spec)
            images, side = EvaluationImages(spec, imageset), view_side(spec, imageset)
            bank = solving.bank_for(spec.method["bank"], imageset, images.bank, side, seed=spec.seed)
            return Place(spec, imageset, images, bank, side, key)

        place: Place = self._places.get(key, make)
        return place

    def _of(self, place: Place, term: Term, chance: str | None, report: Report) -> Moments:
        """The covariances of one term's views."""
        term = Term(term.composition.renamed("term"), 1.0)
        views = int(place.spec.method["views"])
        if chance is None:
            key = (place.key, views, term.composition)
            found: Moments = self._moments.get(key, lambda: self._drawn(place, term, views, report))
            return found
        p, step = chance_of(term.composition, chance)
        both = with_and_without(term.composition, step, views)
        kinds = self._moments.get((place.key, both), lambda: kinds_of(place, Term(both), report))
        shares = (p * p, 2 * p * (1 - p), (1 - p) ** 2)
        mixed: Moments = kinds[0].mixed(list(zip(shares, kinds, strict=True))).moments()
        return mixed

    def _drawn(self, place: Place, term: Term, views: int, report: Report) -> Moments:
        """As a run works them out, each term with the draws of the first."""
        return solving.moments_of(
            place.imageset, place.images.bank, [term], place.bank, views=views, seed=place.spec.seed, report=report
        )

    def _shown(self, place: Place, images: EvaluationImages, ids: np.ndarray) -> np.ndarray:
        """(n, D) what the bank says of some images, shown as the spec says."""
        shown = shown_of(images.spec)

        def make() -> np.ndarray:
            batches = images.batches(ids)
            return np.concatenate([place.bank.features(at_side(b, place.side)).numpy() for b in batches])

        found: np.ndarray = self._features.get((place.key, shown and shown.steps, ids.tobytes()), make)
        return found


def chance_of(composition: Composition, name: str) -> tuple[float, int]:
    """p and place of the step with a transform's name."""
    at = next(place for place, step in enumerate(composition.steps) if step.transform == name)
    return composition.steps[at].p, at


def with_and_without(composition: Composition, at: int, views: int) -> Composition:
    """Two view groups, one always with a step and one never, of so many views each."""
    groups = []
    for name, p in ((_WITH, 1.0), (_WITHOUT, 0.0)):
        steps = [replace(step, p=p) if place == at else step for place, step in enumerate(composition.steps)]
        groups.append(replace(composition.views[0], name=name, count=views, steps=tuple(steps)))
    return replace(composition, views=tuple(groups))


def kinds_of(place: Place, term: Term, report: Report) -> list[Covariances]:
    """Covariances of pairs that both have a step, of which one has it, and of which none has."""
    counts = tuple(group.count for group in term.composition.views)
    kinds = [Covariances(place.bank.dim, Pairing(counts, {pair: 1.0})) for pair in ((0, 0), (0, 1), (1, 1))]
    done, ids, seed = 0, place.images.bank, place.spec.seed
    for some, groups in solving.view_batches(place.imageset, ids, term, 0, views=sum(counts), seed=seed):
        features = [solving.features_of_views(place.bank, group) for group in groups]
        for kind in kinds:
            kind.add(features)
        done += len(some)
        report(done / len(ids))
    return kinds


def measured(spec: RunSpec, images: EvaluationImages, bank: np.ndarray, evaluated: np.ndarray) -> dict[str, Any]:
    """The parts that `evaluate` asks for, of embeddings of the train and of the evaluated images."""
    results: dict[str, Any] = {
        "split": evaluated_split(spec, images.imageset),
        "input": spec.evaluate.input,
        "n": len(evaluated),
        "dim": evaluated.shape[1],
        "clusters": {},
    }
    probed, explained = probes(spec, images, bank, evaluated)
    results |= probed
    typical: dict[str, Any] = {}
    truths = truths_of(images.imageset, images.evaluated)
    labels = images.evaluated_labels
    if spec.evaluate.clusters and labels is not None and "response" in truths:
        explained[OF_RESPONSE] = ami(labels, np.unique(truths["response"], return_inverse=True)[1])
    for k in spec.evaluate.clusters:
        found = kmeans(evaluated, k)
        scores = cluster_scores(evaluated, found, images.evaluated_labels)
        scores.pop("missing")
        results["clusters"][str(k)] = scores
        explained |= {f"{k} {name}": told_by(values, found.ids) for name, values in truths.items()}
        typical[str(k)] = typical_of(evaluated, found, images.evaluated)
    told: dict[str, Any] = clean({"results": results, "explained": explained, "typical": typical})
    return told


def probes(
    spec: RunSpec, images: EvaluationImages, bank: np.ndarray, evaluated: np.ndarray
) -> tuple[dict[str, Any], dict[str, float]]:
    """kNN and linear evaluation, without confusion tables; a probe that cannot be had is left out. And, where clusters
    are asked for, {`OF_CLASSIFIER`: AMI of the classes that linear evaluation gives with those of the images}."""
    found: dict[str, Any] = {}
    explained: dict[str, float] = {}
    try:
        found["knn"] = knn.vote(bank, evaluated, images)[0]
        asked = spec.evaluate.linear
        if asked is not None:
            told = linear.classified(images, bank, evaluated, asked["epochs"])
            found["linear"] = linear.scored(images, told, dict(asked)) | {"confusion": None}
            if spec.evaluate.clusters:
                labels = images.labels_of(images.evaluated)
                explained[OF_CLASSIFIER] = ami(labels[labels >= 0], told[labels >= 0])
    except SSRLError:
        return found, explained
    return found, explained


def truths_of(imageset: ImageSet, ids: np.ndarray) -> dict[str, np.ndarray]:
    """What is known of some images beside their label (columns of numbers, or of few names), and the ink of
    single-channel ones."""
    table = imageset.table.iloc[ids]
    names = [str(c) for c in table.columns if c not in (*_NO_TRUTHS, imageset.label)]
    found = {name: table[name].to_numpy() for name in names if _tells(table[name])}
    if "neighbours" in found:
        found["crowded"] = np.where(found["neighbours"] >= CROWDED, "many", "few")
    if imageset.shape[0] == 1:
        found["ink"] = np.concatenate(
            [imageset.take(part).astype(np.float64).mean(axis=(1, 2, 3)) for part in np.array_split(ids, 16)]
        )
    return found


def _tells(column: pd.Series) -> bool:
    """Whether a column is a number that differs, or one of a few names."""
    different = column.nunique()
    return different > 1 and not column.isna().any() and (column.dtype.kind in "fiu" or different <= _MOST_NAMES)


def typical_of(x: np.ndarray, clustering: Clustering, ids: np.ndarray) -> list[list[int]]:
    """For each cluster the images nearest to its centroid, by their ids."""
    rows, _ = nearest(x, clustering, _TYPICAL)
    return [[int(image) for image in ids[row[row >= 0]]] for row in rows]
