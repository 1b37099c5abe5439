"""What forecasts of several compositions share (images, targets, bank), and what each composition keeps of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ssrl_core.errors import SpecError
from ssrl_core.forecast.by_example import defined
from ssrl_core.forecast.guards import (
    Alone,
    alone_each,
    idle_steps,
    keeps_nothing,
    too_easy,
    undone_terms,
    without_each,
)
from ssrl_core.forecast.reading import described, read_targets, shrunk, targets_of
from ssrl_core.forecast.result import ClassKept, Forecast, Kept, PairKept, StepCost
from ssrl_core.specs.composition import Composition, load
from ssrl_core.specs.run import Term
from ssrl_core.specs.steps import Step

if TYPE_CHECKING:
    from ssrl_core.datasets.imageset import ImageSet
    from ssrl_core.learning.closed_form import Moments, Solution
    from ssrl_core.learning.features import Bank

Array = NDArray[Any]
Recipe = str | Path | Mapping[str, Any] | Composition | Sequence[Term]

_ON_VIEWS, _FEW_VIEWS = 128, 4  # images and views that directions and descriptors are followed on
_ON_STEPS = 16  # images on which each step is tried
_CLUSTERS = 8  # where there are no classes
_MOST_PAIRS = 20
_IMAGES_A_DIRECTION = 3  # with more directions than a third of the images, readings of 80 images fall to nothing
_NO_NUMBER, _NO_CLASSES = "the same for every image, or known for too few", "images of fewer than two classes"


@dataclass(frozen=True)
class Answer:
    """What one set of terms keeps: readings by name, what each class (row) is taken for, clusters, the solution."""

    readings: dict[str, tuple[str, Any]]
    taken: Array
    missing: dict[str, str]
    clusters: dict[str, Any]
    cluster_ids: Array
    embedding: Array
    solution: Solution


@dataclass(frozen=True)
class Look:
    """A few images that were not solved on, under one term: moments, and views (V,n,C,s,s) of 96 px at most."""

    moments: Moments
    views: Array


def directions(dim: int, images: int) -> int:
    """How many of the directions wanted are taken where so many images are solved on."""
    return min(dim, max(1, images // _IMAGES_A_DIRECTION))


class Setting:
    """What all answers of one forecast share: images, targets, the bank.

    Args:
        ids: the images, a first half to solve on and a second to ask about.
        recipe: mu, dim, power; of few images fewer directions are taken, one for every three that are solved on.
    """

    def __init__(
        self,
        imageset: ImageSet,
        ids: Array,
        bank: str,
        views: int,
        seed: int,
        input: str,
        recipe: tuple[float, int, float],
        device: str,
    ) -> None:
        from ssrl_core.learning.devices import pick_device

        half = len(ids) // 2
        self.imageset, self.solve_ids, self.ask_ids = imageset, np.sort(ids[:half]), np.sort(ids[half:])
        self.bank_name, self.views, self.seed, self.fixed = bank, views, seed, input == "fixed_steps"
        mu, dim, power = recipe
        self.mu, self.dim, self.power = mu, directions(dim, half), power
        self.device = pick_device(device)
        self.targets = targets_of(imageset, self.solve_ids, self.ask_ids)
        self._banks: dict[int, Bank] = {}
        self._seen: dict[tuple[int, tuple[Step, ...]], tuple[Array, Array]] = {}
        self._plain: dict[int, Answer] = {}
        self._few = np.sort(ids[half : half + _ON_VIEWS])  # as they were drawn: the lowest ids may be all of one class

    def forecast(
        self,
        composition: Recipe,
        *,
        against: Recipe | None = None,
        by_step: bool = False,
        quick: bool = False,
        progress: Callable[[float], None] | None = None,
    ) -> Forecast:
        """What a composition keeps; arguments as in `forecast`.

        Args:
            quick: without ICC and warnings, which need views of further images.
        """
        started = time.monotonic()
        terms, other = _terms(composition), None if against is None else _terms(against)
        share = _shares(2 + (other is not None) + by_step, progress)
        plain, own = self.plain(terms, share(0)), self.answer(terms, share(1))
        beside = None if other is None else self.answer(other, share(2))
        steps = tuple(self.step_costs(terms, share(2 + (other is not None)))) if by_step else ()
        looks = [] if quick else self.looks(terms)
        shares = own.solution.held_out(weighted_looks(terms, looks)) if looks else own.solution.shares
        said = self.guards(terms, shares, looks) if looks else []
        if progress is not None:
            progress(1.0)
        return Forecast(
            dataset=self.imageset.name,
            composition=_name(terms),
            against=None if other is None else _name(other),
            bank=self.bank_name,
            images=len(self.solve_ids) + len(self.ask_ids),
            views=self.views,
            kept=_kept(own, plain, beside, icc(looks[0].views, self.imageset) if looks else {}),
            classes=_classes(self.imageset, own, plain, beside),
            pairs=_pairs(self.imageset, own, plain, beside),
            clusters=own.clusters,
            steps=steps,
            guards=tuple(said),
            missing=own.missing,
            seconds=round(time.monotonic() - started, 3),
            shares=shares,
            image_ids=self.ask_ids,
            embedding=own.embedding,
            cluster_ids=own.cluster_ids,
        )

    def step_costs(self, terms: Sequence[Term], report: Callable[[float], None] | None = None) -> Iterator[StepCost]:
        """What is kept without one step after another."""
        variants = _variants(terms)
        share = _shares(max(1, len(variants)), report)
        for number, (group, place, step, changed) in enumerate(variants):
            readings = self.answer(changed, share(number)).readings
            yield StepCost(group, place, step, {name: reading.value for name, (_, reading) in readings.items()})

    def plain(self, terms: Sequence[Term], report: Callable[[float], None] | None = None) -> Answer:
        """What the bank keeps without any steps, at the terms' side; kept, as it is the same for every composition."""
        without = _plain(terms)
        side = self._side(without)
        if side not in self._plain:
            self._plain[side] = self.answer(without, report, alone=True)
        return self._plain[side]

    def answer(self, terms: Sequence[Term], report: Callable[[float], None] | None, *, alone: bool = False) -> Answer:
        """Solve for terms and read from the embedding.

        Args:
            alone: there are no steps, so that one view says all.
        """
        from ssrl_core.learning.closed_form import solve

        train, test = self._shown(terms)
        moments = _of_images(train) if alone else self.moments(self.solve_ids, terms, report)
        found = solve(moments, mu=self.mu, dim=self.dim, power=self.power)
        return self._read(found, found.embed(train), found.embed(test))

    def _shown(self, terms: Sequence[Term]) -> tuple[Array, Array]:
        """Features of both halves as a network is shown them, made once for all terms that show the same."""
        from ssrl_core.compositions.draws import shown_view
        from ssrl_core.learning.solving import features_of

        side = self._side(terms)
        view = shown_view(term.composition for term in terms) if self.fixed else None
        certain = () if view is None else view.views[0].steps
        if (side, certain) not in self._seen:
            way = view or terms[0].composition
            show = partial(features_of, self.imageset, bank=self.bank(terms), composition=way, device=self.device)
            found = show(self.solve_ids, fixed=bool(certain)), show(self.ask_ids, fixed=bool(certain))
            self._seen = {key: kept for key, kept in self._seen.items() if not key[1]} | {(side, certain): found}
        return self._seen[side, certain]

    def moments(self, ids: Array, terms: Sequence[Term], report: Callable[[float], None] | None = None) -> Moments:
        """What views of some images have in common."""
        from ssrl_core.learning.solving import moments_of

        ways: dict[str, Any] = {"views": self.views, "seed": self.seed, "device": self.device}
        return moments_of(self.imageset, ids, terms, self.bank(terms), report=report, **ways)

    def looks(self, terms: Sequence[Term]) -> list[Look]:
        """A few views of a few of the images that are asked about, for each term."""
        return [self._look(term, number, self.bank(terms)) for number, term in enumerate(terms)]

    def _look(self, term: Term, number: int, bank: Bank) -> Look:
        from ssrl_core.learning.closed_form import Covariances, pairing
        from ssrl_core.learning.solving import features_of_views, view_batches

        covariances, parts = Covariances(bank.dim, pairing(term.composition, _FEW_VIEWS)), []
        ways: dict[str, Any] = {"views": _FEW_VIEWS, "seed": self.seed, "device": self.device}
        for _, groups in view_batches(self.imageset, self._few, term, number, **ways):
            covariances.add([features_of_views(bank, group) for group in groups])
            alike = [group for group in groups if group.shape[-1] == groups[0].shape[-1]]
            parts.append(np.concatenate([shrunk(group.cpu().numpy()) for group in alike]))
        return Look(covariances.moments(), np.concatenate(parts, axis=1))

    def _alone(self, terms: Sequence[Term], number: int) -> Alone:
        """What views of each step of a term alone have in common."""
        bank, own = self.bank(terms), terms[number]
        return [
            (name, self._look(replace(own, composition=one), number, bank).moments)
            for name, one in alone_each(own.composition)
        ]

    def bank(self, terms: Sequence[Term]) -> Bank:
        """The feature bank for views of the terms' side."""
        from ssrl_core.learning.solving import bank_for

        side = self._side(terms)
        if side not in self._banks:
            self._banks[side] = bank_for(self.bank_name, self.imageset, self.solve_ids, side, seed=self.seed)
        return self._banks[side]

    def _side(self, terms: Sequence[Term]) -> int:
        from ssrl_core.compositions.plan import view_side

        return view_side(terms[0].composition.views[0], self.imageset.shape[1:])

    def guards(self, terms: Sequence[Term], shares: Array, looks: Sequence[Look]) -> list[str]:
        """Every warning for the terms."""
        said: list[str] = []
        if len(terms) == 1:
            said += keeps_nothing(shares, terms[0].composition, partial(self._alone, terms, 0))
        for term, look in zip(terms, looks, strict=True):
            said += too_easy((look.views[0], look.views[-1]), term.composition)
            said += idle_steps(self.imageset, self._few[:_ON_STEPS], term.composition, seed=self.seed)
        if len(terms) > 1:
            said += self._undone(terms, looks)
        said += self._rough(terms)
        return list(dict.fromkeys(said))

    def _undone(self, terms: Sequence[Term], looks: Sequence[Look]) -> list[str]:
        from ssrl_core.learning.closed_form import solve

        alone = [self.moments(self.solve_ids, [term]) for term in terms]
        solutions = [solve(moments, mu=self.mu, dim=self.dim, power=self.power) for moments in alone]
        names = [term.composition.name for term in terms]
        return undone_terms(names, solutions, [look.moments for look in looks], partial(self._alone, terms))

    def _rough(self, terms: Sequence[Term]) -> list[str]:
        count, dim = len(self.solve_ids) * self.views, self.bank(terms).dim
        if count >= 2 * dim:
            return []
        return [
            f"{count:,} views are few for the {dim:,} numbers of this bank: the forecast is rough. Take more images."
        ]

    def _read(self, found: Solution, train: Array, test: Array) -> Answer:
        read, taken = read_targets(train, test, self.targets, classes=len(self.imageset.classes), seed=self.seed)
        kinds = {name: kind for name, (kind, _, _) in self.targets.items()}
        readings = {name: (kind, read[name]) for name, kind in kinds.items() if name in read}
        unread = {name: kind for name, kind in kinds.items() if name not in read}
        missing = {name: _NO_CLASSES if kind == "classes" else _NO_NUMBER for name, kind in unread.items()}
        if self.imageset.label is None:
            missing["classes"] = "the image set has no labels"
        clusters, ids = self._clusters(test)
        return Answer(readings, taken, missing, clusters, ids, test, found)

    def _clusters(self, test: Array) -> tuple[dict[str, Any], Array]:
        from ssrl_core.analysis.clusters import kmeans
        from ssrl_core.analysis.scores import ami

        labels = self.imageset.label_ids[self.ask_ids]
        classes = len(np.unique(labels[labels >= 0]))
        k = min(classes if classes > 1 else _CLUSTERS, len(test))
        ids = kmeans(test, k, seed=self.seed).ids
        known = labels >= 0
        agreement = ami(labels[known], ids[known]) if classes > 1 else None
        return {"k": k, "ami": agreement}, ids


def weighted_looks(terms: Sequence[Term], looks: Sequence[Look]) -> Moments:
    """The moments of several looks as one, by the terms' weights."""
    from ssrl_core.learning.closed_form import weighted

    return weighted([(term.weight, look.moments) for term, look in zip(terms, looks, strict=True)])


def icc(views: Array, imageset: ImageSet) -> dict[str, float | None]:
    """Share of each descriptor's variance that views (V,n,C,s,s) of an image have in common."""
    from ssrl_core.learning.closed_form import intraclass_correlation

    if len(views) < 2:
        return {}
    flat = views.reshape(-1, *views.shape[2:])
    measured = described(flat, [channel.name for channel in imageset.channels])
    measured |= {name: row.measure(flat) for name, row in defined(imageset).items()}
    return {name: intraclass_correlation(values.reshape(views.shape[:2])) for name, values in measured.items()}


def _of_images(features: Array) -> Moments:
    """Moments of images as they are: all of their variance is shared."""
    from ssrl_core.learning.closed_form import Covariances, Pairing

    found = Covariances(features.shape[1], Pairing((1, 1), {(0, 1): 1.0}))
    found.add([features[None], features[None]])
    return found.moments()


def _kept(own: Answer, plain: Answer, beside: Answer | None, icc: Mapping[str, float | None]) -> tuple[Kept, ...]:
    rows = []
    for name, (kind, reading) in own.readings.items():
        other = None if beside is None or name not in beside.readings else beside.readings[name][1].value
        share = icc.get(name) if kind == "descriptor" else None
        without = plain.readings[name][1].value
        rows.append(Kept(name, kind, reading.value, reading.low, reading.high, share, without, other))
    return tuple(rows)


def _classes(imageset: ImageSet, own: Answer, plain: Answer, beside: Answer | None) -> tuple[ClassKept, ...]:
    def told(values: Array | None, number: int) -> float | None:
        return None if values is None or np.isnan(values[number, number]) else float(values[number, number])

    if not len(own.taken):
        return ()
    other = None if beside is None else beside.taken
    return tuple(
        ClassKept(name, told(own.taken, n), told(plain.taken, n), told(other, n))
        for n, name in enumerate(imageset.classes)
    )


def _pairs(imageset: ImageSet, own: Answer, plain: Answer, beside: Answer | None) -> tuple[PairKept, ...]:
    """Pairs of classes that are taken for one another more often than without any steps, the most so first."""
    if not len(own.taken):
        return ()
    now, before = ((answer.taken + answer.taken.T) / 2 for answer in (own, plain))
    other = None if beside is None else (beside.taken + beside.taken.T) / 2
    first, second = np.triu_indices(len(now), 1)
    more = np.nan_to_num(now - before, nan=-1.0)[first, second]
    found = []
    for at in np.argsort(-more, kind="stable")[:_MOST_PAIRS]:
        a, b = int(first[at]), int(second[at])
        if more[at] > 0:
            names = imageset.classes[a], imageset.classes[b]
            against = None if other is None else float(other[a, b])
            found.append(PairKept(*names, float(now[a, b]), float(before[a, b]), against))
    return tuple(found)


def _variants(terms: Sequence[Term]) -> list[tuple[str, int, str, list[Term]]]:
    """Every term list with one step left out: (view group, place, the step in words, terms)."""
    found = []
    for number, term in enumerate(terms):
        for group, place, step, rest in without_each(term.composition):
            changed = [*terms[:number], replace(term, composition=rest), *terms[number + 1 :]]
            found.append((term.composition.views[group].name, place + 1, step.sentence(), changed))
    return found


def _plain(terms: Sequence[Term]) -> list[Term]:
    """The first term's view without any steps, at its size."""
    group = replace(terms[0].composition.views[0], steps=())
    return [Term(Composition("identity", (group,)))]


def _terms(recipe: Recipe) -> list[Term]:
    if isinstance(recipe, Composition):
        return [Term(recipe)]
    if isinstance(recipe, str | Path | Mapping):
        return [Term(load(recipe))]
    terms = [term for term in recipe if term.weight > 0]
    if not terms:
        raise SpecError.at("Forecast", "terms", "one or more of a weight above 0", len(recipe), "Add one.")
    return terms


def _name(terms: Sequence[Term]) -> str:
    return " + ".join(term.composition.name for term in terms)


def _shares(parts: int, progress: Callable[[float], None] | None) -> Callable[[int], Callable[[float], None] | None]:
    """Progress of each part as progress of all."""

    def part(number: int) -> Callable[[float], None] | None:
        if progress is None:
            return None
        told = progress
        return lambda share: told((number + share) / parts)

    return part
