"""Compositions found from wishes: many are forecast with few images, the front of them again with more.

What was tried is kept in `models/searches/<key>/` line by line, so that a search that was stopped goes on, and one with
more candidates starts from those there are.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ssrl_core import stores
from ssrl_core.datasets.columns import says_where_from
from ssrl_core.datasets.imageset import sample
from ssrl_core.errors import SpecError, SSRLError
from ssrl_core.forecast.candidates import Candidate, Population, Space, Steps, Tried, folder_of, read_tried, thinned
from ssrl_core.forecast.kept import DIM, MU, POWER, chosen_images, imageset_of
from ssrl_core.forecast.setting import Setting
from ssrl_core.specs.backbones import DEFAULT, LIVE
from ssrl_core.specs.composition import Composition
from ssrl_core.specs.run import Term
from ssrl_core.specs.steps import Step
from ssrl_core.specs.transforms import TRANSFORMS
from ssrl_core.specs.wishes import IGNORE, KEEP, Wishes

if TYPE_CHECKING:
    import pandas as pd

    from ssrl_core.datasets.imageset import ImageSet
    from ssrl_core.forecast.setting import Answer

Array = NDArray[Any]
Progress = Callable[[float], None]

MOST_SHOWN = 8
_FRONT = "front.json"
REST = "everything else"
"""The goal that is added where all wishes are of one sign: else the image as it is, or nothing at all, would do."""
_QUICK, _SIDE, _VIEWS = 400, 64, 4  # images and px that candidates are tried with
_AGAIN, _FINALISTS = 1000, 12  # images that the front is asked again with
_READABLE = 0.2  # R² or accuracy without any steps; shares of less would be noise
_LOST = 0.1  # of what is told as lost
_TRIED_SHARE = 0.8  # of the time


@dataclass(frozen=True)
class Found:
    """One composition of the front.

    Attributes:
        origin: a preset, one step, or found.
        kept: name -> share kept of what the same images tell without any steps; wishes first, by their own names.
        price: what is lost that was not wished to be lost, name -> share, the most first.
        clusters: k, and AMI with the classes (None without labels).
    """

    composition: Composition
    sentence: str
    origin: str
    kept: dict[str, float]
    price: dict[str, float]
    clusters: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Plain data, the composition as in its file."""
        named = {f.name: getattr(self, f.name) for f in fields(self)}
        return named | {"composition": self.composition.to_mapping()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Found:
        """What `to_json` wrote."""
        composition = Composition.from_mapping(data["composition"], _FRONT)
        return cls(**{f.name: data[f.name] for f in fields(cls)} | {"composition": composition})


@dataclass(frozen=True)
class Search:
    """Compositions for some wishes; none is the best, each is for something.

    Attributes:
        front: at most eight that differ, none of which another beats in every wish.
        tried: how many compositions were forecast.
        notes: sentences on wishes that could not count.
        folder: where what was tried is kept.
    """

    wishes: Wishes
    front: tuple[Found, ...]
    tried: int
    notes: tuple[str, ...]
    seconds: float
    folder: str

    def to_json(self) -> dict[str, Any]:
        """The answer as plain data."""
        return {
            "dataset": self.wishes.dataset,
            "wishes": dict(self.wishes.wishes),
            "input": self.wishes.input,
            "seed": self.wishes.seed,
            "front": [found.to_json() for found in self.front],
            "tried": self.tried,
            "notes": list(self.notes),
            "seconds": self.seconds,
            "folder": self.folder,
        }

    @property
    def table(self) -> pd.DataFrame:
        """What each composition of the front keeps of what was wished, one row a composition, by its name."""
        import pandas as pd

        rows = [
            {"composition": one.composition.name, **{name: one.kept.get(name) for name in self.wishes.wishes}}
            | {"ami": one.clusters["ami"], "sentence": one.sentence}
            for one in self.front
        ]
        return pd.DataFrame(rows).set_index("composition")

    def _repr_html_(self) -> str:
        shown = self.table.to_html(float_format="{:.2f}".format, na_rep="–")
        return f"{shown}<div>{self.tried} compositions tried; shares of what is told without any steps</div>"


def search(
    dataset: str | ImageSet,
    wishes: Mapping[str, Any] | Wishes,
    *,
    candidates: int = 200,
    seed: int = 5,
    input: str = "fixed_steps",
    progress: Progress | None = None,
    on_candidate: Callable[[Candidate], None] | None = None,
) -> Search:
    """Compositions that keep what shall be kept and lose what shall be ignored, by forecasts.

    Args:
        dataset: name of an image set, or one.
        wishes: name -> keep or ignore (a descriptor, a numeric column, `classes`, a group); or all of it as `Wishes`,
            whose own candidates, seed and input then count.
        candidates: compositions that are tried.
        input: "whole", or "fixed_steps": images are embedded as the steps without chance leave them.
        progress: told the share done, 0..1; what it raises ends the work, and what was tried is kept.
        on_candidate: told each composition as it was tried.

    Raises:
        SpecError: an unknown name, wishes that contradict each other, too few images.
        DataError: images that are all the same.
        RunError: the same search runs already.
    """
    started = time.monotonic()
    imageset = imageset_of(dataset)
    if not isinstance(wishes, Wishes):
        wishes = Wishes(imageset.name, wishes, candidates=candidates, seed=seed, input=input)
    side = min(imageset.shape[1:])
    some = sample(imageset, chosen_images(imageset, _QUICK, wishes.seed), _SIDE)
    quick = _Asked(some, np.arange(some.count), wishes, LIVE, px=min(some.shape[1:]) / side)
    space = Space(side, _accepts(imageset.shape[0]))
    folder = folder_of(wishes)
    with Tried(folder, wishes, imageset.fingerprint) as tried:
        _try(quick, space, tried, wishes, progress, on_candidate)
        first = [tried.candidates[n] for n in thinned(np.array([c.goals for c in tried.candidates]), _FINALISTS)]
        ids = chosen_images(imageset, _AGAIN, wishes.seed)
        front = _Asked(imageset, ids, wishes, DEFAULT, goals=quick.goals).front(first, progress)
        found = Search(
            wishes=wishes,
            front=front,
            tried=len(tried.candidates),
            notes=tuple(quick.notes),
            seconds=round(time.monotonic() - started, 3),
            folder=str(folder),
        )
        stores.write_json(folder / _FRONT, {"version": 1, **found.to_json()})
    if progress is not None:
        progress(1.0)
    return found


def _try(
    asked: _Asked,
    space: Space,
    tried: Tried,
    wishes: Wishes,
    progress: Progress | None,
    on_candidate: Callable[[Candidate], None] | None,
) -> None:
    """Forecast one candidate after another until there are enough."""
    population, starts = Population(), list(space.starts())
    for candidate in tried.candidates:
        population.add(candidate.steps, candidate.goals)
    seen = {candidate.steps for candidate in tried.candidates}
    for number in range(len(tried.candidates), wishes.candidates):
        if progress is not None:
            progress(_TRIED_SHARE * number / wishes.candidates)
        chance = np.random.default_rng((wishes.seed, number))
        if number < len(starts):
            origin, steps = starts[number]
        else:
            origin, steps = "found", space.propose(chance, population.parents(chance), seen)
        candidate = asked.candidate(number, origin, steps)
        seen.add(steps)
        population.add(steps, candidate.goals)
        tried.add(candidate)
        if on_candidate is not None:
            on_candidate(candidate)


class _Asked:
    """One image set, at one size and with one bank, asked about compositions.

    Args:
        ids: the images.
        px: their side over that of the images that compositions are for.
        goals: wish -> its targets, as they were found before; left out, they are found and checked here.

    Raises:
        SpecError: as `_wished`.
    """

    def __init__(
        self,
        imageset: ImageSet,
        ids: Array,
        wishes: Wishes,
        bank: str,
        *,
        px: float = 1.0,
        goals: dict[str, tuple[str, ...]] | None = None,
    ) -> None:
        self.wishes, self._px = wishes, px
        self.notes: list[str] = []
        self.setting = Setting(imageset, ids, bank, _VIEWS, wishes.seed, wishes.input, (MU, DIM, POWER), "cpu")
        plain = self.setting.answer(_terms(()), None, alone=True)
        self.plain = {name: row.value for name, (_, row) in plain.readings.items()}
        self.goals = self._wished(imageset.label) if goals is None else goals

    def candidate(self, number: int, origin: str, steps: Steps) -> Candidate:
        """What a composition of these steps keeps."""
        answer = self.setting.answer(_terms(self._at_side(steps)), None)
        kept = self._kept(answer)
        return Candidate(number, origin, steps, self._reached(kept), kept, answer.clusters)

    def front(self, candidates: Sequence[Candidate], progress: Progress | None) -> tuple[Found, ...]:
        """The handful to show of some candidates, asked again."""
        asked = []
        for number, candidate in enumerate(candidates):
            if progress is not None:
                progress(_TRIED_SHARE + (1 - _TRIED_SHARE) * number / len(candidates))
            asked.append(self.candidate(candidate.number, candidate.origin, candidate.steps))
        shown = thinned(np.array([candidate.goals for candidate in asked]), MOST_SHOWN)
        return tuple(_found(asked[n], self.goals, self.wishes) for n in shown)

    def _wished(self, label: str | None) -> dict[str, tuple[str, ...]]:
        """wish -> its targets that these images tell without any steps.

        Raises:
            SpecError: a name that is not there, a contradiction, or nothing that can be read.
        """
        found = {}
        for name, targets in self.wishes.meaning(known_names(self.setting.targets), label).items():
            read = tuple(target for target in targets if target in self.plain)
            if read:
                found[name] = read
                self._weak(name, read)
            else:
                self.notes.append(f"{name} is the same for every image, or known for too few: it does not count.")
        if not found:
            where, names = f"Wishes for {self.wishes.dataset!r}", ", ".join(self.wishes.wishes)
            rule, remedy = "of something that differs among these images", "Wish for something else."
            raise SpecError.at(where, "wishes", rule, names, remedy)
        return found

    def _weak(self, name: str, targets: tuple[str, ...]) -> None:
        if max(self.plain[target] for target in targets) < _READABLE:
            self.notes.append(
                f"{name} can hardly be read from these images without any steps (a crop may show more of it): its "
                f"shares are of {_READABLE}."
            )

    def _at_side(self, steps: Steps) -> Steps:
        """Settings in px as they are at the side of these images."""
        return steps if self._px == 1 else tuple(_scaled(step, self._px) for step in steps)

    def _kept(self, answer: Answer) -> dict[str, float]:
        """Share kept of each target that can be read without any steps."""
        return {
            name: round(row.value / max(self.plain[name], _READABLE), 4)
            for name, (_, row) in answer.readings.items()
            if self.plain.get(name, 0.0) >= _READABLE or any(name in targets for targets in self.goals.values())
        }

    def _reached(self, kept: Mapping[str, float]) -> tuple[float, ...]:
        """How far each wish is fulfilled: the share kept, or one minus it."""
        signs = [self.wishes.wishes[name] for name in self.goals]
        means = [float(np.mean([kept[t] for t in targets])) for targets in self.goals.values()]
        reached = [mean if sign == KEEP else 1 - mean for sign, mean in zip(signs, means, strict=True)]
        if len(set(signs)) == 1:
            rest = self._rest(kept)
            if rest:
                mean = float(np.mean([kept[name] for name in rest]))
                reached.append(1 - mean if signs[0] == KEEP else mean)
        return tuple(round(value, 4) for value in reached)

    def _rest(self, kept: Iterable[str]) -> list[str]:
        wished = {target for targets in self.goals.values() for target in targets}
        return [name for name in kept if name not in wished and not says_where_from(name)]


def so_far(wishes: Wishes, fingerprint: str, label: str | None) -> tuple[Search, bool] | None:
    """What a search has found until now, read from its folder; None where nothing was tried.

    Args:
        fingerprint: of the image set; what was tried on other images does not count.
        label: the target that `classes` stands for.

    Returns:
        the answer, and whether it is the whole one: while the search goes on, or after it was stopped, its compositions
        are those of the first look, which are asked again with more images at the end.
    """
    tried = read_tried(wishes, fingerprint)
    if not tried:
        return None
    try:
        data = stores.read_json(folder_of(wishes) / _FRONT)
    except SSRLError:
        data = {}
    if data.get("tried") == len(tried):
        front, notes = tuple(Found.from_json(row) for row in data["front"]), tuple(data["notes"])
        return Search(wishes, front, len(tried), notes, data["seconds"], data["folder"]), True
    from ssrl_core.analysis.descriptors import DESCRIPTORS

    told = dict.fromkeys([*DESCRIPTORS, *(name for candidate in tried for name in candidate.kept)])
    goals = wishes.meaning(known_names(told), label)
    shown = thinned(np.array([candidate.goals for candidate in tried]), MOST_SHOWN)
    front = tuple(_found(tried[n], goals, wishes) for n in shown)
    return Search(wishes, front, len(tried), (), 0.0, str(folder_of(wishes))), False


def known_names(told: Iterable[str]) -> dict[str, str]:
    """Every word for what images tell -> its name: the titles of descriptors, and the names themselves."""
    from ssrl_core.analysis.descriptors import descriptor

    names = list(told)
    return {row.title: name for name in names if (row := descriptor(name))} | {name: name for name in names}


def _found(candidate: Candidate, goals: Mapping[str, tuple[str, ...]], wishes: Wishes) -> Found:
    """A candidate as it is shown: wishes first, then what it keeps and loses of the rest."""
    told = {name: [candidate.kept[t] for t in targets if t in candidate.kept] for name, targets in goals.items()}
    wished = {name: round(float(np.mean(shares)), 4) for name, shares in told.items() if shares}
    left_out = {t for name, ts in goals.items() if wishes.wishes[name] == IGNORE for t in ts}
    left_out |= {name for name in candidate.kept if says_where_from(name)}
    lost = {name: round(1 - share, 4) for name, share in candidate.kept.items() if name not in left_out}
    price = {name: share for name, share in sorted(lost.items(), key=lambda row: -row[1]) if share >= _LOST}
    composition = Composition.simple(_name(candidate, wishes), candidate.steps)
    sentence = composition.sentence()
    return Found(composition, sentence, candidate.origin, wished | candidate.kept, price, candidate.clusters)


def _name(candidate: Candidate, wishes: Wishes) -> str:
    """`for-classes-not-stroke-thickness-57`."""
    parts = [[n for n, w in wishes.wishes.items() if w == wish] for wish in (KEEP, IGNORE)]
    text = " ".join([*(["for", *parts[0]] if parts[0] else []), *(["not", *parts[1]] if parts[1] else [])])
    return f"{stores.as_slug(text)[:70]}-{candidate.number}"


def _scaled(step: Step, ratio: float) -> Step:
    """A step whose settings in px are those of views of another side."""
    settings = dict(step.settings)
    for parameter in TRANSFORMS[step.transform].parameters:
        if parameter.unit == "px":
            value = np.clip(np.multiply(settings[parameter.name], ratio), parameter.low, parameter.high).tolist()
            settings[parameter.name] = tuple(value) if isinstance(value, list) else value
    return replace(step, settings=settings)


def _accepts(channels: int) -> Callable[[Step], bool]:
    """Whether a step means something for images of so many channels."""
    from ssrl_core.compositions import transforms

    def accepts(step: Step) -> bool:
        row = TRANSFORMS[step.transform]
        if row.channels is None:
            return True
        alone = not any(parameter.search for parameter in row.parameters)
        return not (alone and channels < row.channels) and bool(transforms.load(row.name).accepts(step, channels))

    return accepts


def _terms(steps: Steps) -> list[Term]:
    return [Term(Composition.simple("candidate", steps))]
