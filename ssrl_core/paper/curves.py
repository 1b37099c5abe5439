"""What each transformation costs: how much of a concept is kept over a transformation's strength, solved with seeds.

The paper's claim as a curve. Each transformation stands alone; images, feature bank and draws are a seed's own. What an
embedding tells of a concept is read on other images than those it was solved on, beside the same bank without any step.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ssrl_core import __version__, access, stores
from ssrl_core.errors import DataError, SpecError
from ssrl_core.specs.composition import Composition

if TYPE_CHECKING:
    from ssrl_core.datasets.imageset import ImageSet
    from ssrl_core.learning.features import Bank

MU, DIM, POWER = 0.1, 64, 1.0
SEEDS = (5, 6, 7)
_MORE_SEEDS = {"simulated-nocodazole": (5, 6, 7, 8, 9, 10)}
"""Image sets of which three seeds tell too little: a response is read loosely."""
_WAY = 1
"""Of solving: what is solved in another way from now on is solved anew."""
_LEAST_PLAIN = 0.1
Report = Callable[[float], None]
Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Cost:
    """A transformation whose strength varies.

    Attributes:
        unit: what the strength is, as an axis has it.
        strengths: from little to much.
        steps: a strength and the side of the images in px -> steps as plain data.
        colour: asks for three channels.
    """

    title: str
    unit: str
    strengths: tuple[float, ...]
    steps: Callable[[float, int], list[dict[str, Any]]]
    colour: bool = False


def _one(transform: str, **settings: Any) -> list[dict[str, Any]]:
    return [{"transform": transform, **settings}]


COSTS: dict[str, Cost] = {
    "crop": Cost(
        "Crop", "area that may be cut away", (0.25, 0.6, 0.92),
        lambda s, px: _one("resized_crop", scale=[1 - s, 1.0]),
    ),
    "shift": Cost("Shift", "share of the side", (0.1, 0.2, 0.3), lambda s, px: _one("affine", degrees=0, translate=s)),
    "zoom": Cost(
        "Zoom", "larger or smaller by", (0.15, 0.3, 0.5),
        lambda s, px: _one("affine", degrees=0, translate=0, scale=[1 - s, 1 + s]),
    ),
    "padding": Cost("Padding", "largest margin, share of the side", (0.1, 0.25, 0.4),
                    lambda s, px: _one("pad", fraction=[0.0, s])),
    "rotation": Cost("Rotation", "degrees", (15, 45, 90, 180), lambda s, px: _one("rotation", degrees=s)),
    "flips": Cost(
        "Flips", "chance of each", (0.1, 0.25, 0.5),
        lambda s, px: [*_one("horizontal_flip", p=s), *_one("vertical_flip", p=s)],
    ),
    "erasing": Cost("Erasing", "largest share of the area", (0.1, 0.3, 0.6),
                    lambda s, px: _one("random_erasing", scale=[0.02, s])),
    "blur": Cost("Blur", "largest sigma, % of the side", (2, 4, 8),
                 lambda s, px: _one("gaussian_blur", sigma=[0.0, s * px / 100])),
    "noise": Cost("Noise", "largest sd, share of full brightness", (0.05, 0.1, 0.2),
                  lambda s, px: _one("gaussian_noise", sigma=[0.0, s])),
    "exposure": Cost(
        "Brightness, contrast", "factor by up to ±", (0.2, 0.4, 0.8),
        lambda s, px: _one("color_jitter", brightness=s, contrast=s, saturation=0, hue=0),
    ),
    "inversion": Cost("Inversion", "chance", (0.1, 0.25, 0.5), lambda s, px: _one("invert", p=s)),
    "hue": Cost("Hue", "turn of the wheel by up to", (0.1, 0.25, 0.5), lambda s, px: _one("hue_jitter", hue=s), True),
    "grey": Cost("Grey", "chance", (0.1, 0.25, 0.5), lambda s, px: _one("grayscale", p=s), True),
}  # fmt: skip
"""Transformation -> how its strength is said and made."""


@dataclass(frozen=True)
class Concepts:
    """An image set and what is asked of it.

    Attributes:
        numbers: columns of numbers with their names as one says them, read by a ridge (held-out R²).
        names: columns of names, read by a ridge classifier (mean accuracy over the names, above chance).
        each: a column of names of which every one is a concept of its own.
        images, views: of a seed; half of the images are solved on, the other half are asked about.
    """

    title: str
    numbers: Mapping[str, str]
    names: Mapping[str, str]
    each: str = ""
    images: int = 800
    views: int = 4


SETS: dict[str, Concepts] = {
    "strokes": Concepts(
        "Strokes", {"thickness_px": "thickness", "slant_deg": "slant", "size": "size"}, {"digit": "digit"}
    ),
    "simulated-nocodazole": Concepts(
        "Simulated cells",
        {"dose": "dose", "neighbours": "neighbours", "nuclear_area_um2": "size of the nucleus"},
        {"response": "response"},
        images=2400,
        views=2,
    ),
    "hundred": Concepts("A hundred classes", {}, {"superclass": "superclass"}, "superclass", 2400, 2),
}
"""Image set -> concepts; any other set is asked about its label and its numeric columns."""


def concepts_of(imageset: ImageSet) -> Concepts:
    """What is asked of an image set: its row of `SETS`, else its label and its columns of numbers.

    Raises:
        SpecError: it has neither.
    """
    if imageset.name in SETS:
        return SETS[imageset.name]
    from ssrl_core.datasets.columns import informative_columns

    table = imageset.table
    numbers = {c: c for c in informative_columns(table, imageset.label) if table[c].dtype.kind in "fiu"}
    names = {} if imageset.label is None else {imageset.label: imageset.label}
    if not numbers and not names:
        raise SpecError.at(f"Curves of {imageset.name!r}", "image set", "one with a label or a column of numbers", None)
    return Concepts(imageset.title, numbers, names)


def curves(
    dataset: str = "strokes",
    *,
    seeds: Sequence[int] = (),
    report: Callable[[str], None] | None = None,
    share: Report | None = None,
) -> pd.DataFrame:
    """How much of each concept is kept over the strength of each transformation; what is solved already stays.

    Args:
        seeds: left out, those of `seeds_of`.
        report: told in words how far it is. share: told the share done, 0..1; what it raises ends the work.

    Returns:
        One row a transformation, strength, concept and seed: transform, strength, concept, seed, value, plain (the same
        bank without any step), kept (value / plain). Concepts that are not read without any step are left out.

    Raises:
        SpecError: an unknown image set, one without label and numbers, too few images.
    """
    access.require_editor("Solving compositions")
    imageset, started, seeds = _loaded(dataset), time.monotonic(), seeds or seeds_of(dataset)
    asked, there = points(imageset), {seed: _read(imageset, seed) for seed in seeds}
    left = [(seed, point) for seed in seeds for point in asked if point not in there[seed]]
    total = len(seeds) * len(asked)
    place: _Place | None = None
    for number, (seed, point) in enumerate(left):
        if share is not None:
            share((total - len(left) + number) / total)
        if report is not None:
            spent = time.monotonic() - started
            still = f", about {spent * (len(left) / number - 1):.0f} s left" if number else ""
            report(f"solving {number + 1} of {len(left)}: seed {seed}, {point or 'no step'}{still}")
        place = place if place is not None and place.seed == seed else _Place(imageset, seed)
        _write(imageset, seed, _read(imageset, seed) | {point: place.told(point)})
    return table(dataset, seeds)


def seeds_of(dataset: str) -> tuple[int, ...]:
    """The seeds of an image set's curves where none are asked for."""
    return _MORE_SEEDS.get(dataset, SEEDS)


def table(dataset: str, seeds: Sequence[int] = ()) -> pd.DataFrame:
    """What is solved so far, as `curves` returns it."""
    imageset = _loaded(dataset)
    rows = []
    for seed in seeds or seeds_of(dataset):
        found = _read(imageset, seed)
        plain = found.get("", {})
        for point in (point for point in points(imageset) if point in found and point):
            name, _, strength = point.partition(" ")
            rows += [
                {"transform": name, "strength": float(strength), "concept": concept, "seed": seed, "value": value,
                 "plain": plain[concept], "kept": value / plain[concept]}
                for concept, value in found[point].items() if plain.get(concept, 0.0) > _LEAST_PLAIN
            ]  # fmt: skip
    columns = ["transform", "strength", "concept", "seed", "value", "plain", "kept"]
    return pd.DataFrame(rows, columns=columns)


def whole_seeds(dataset: str) -> list[int]:
    """The seeds of which every point is solved."""
    imageset = _loaded(dataset)
    return [seed for seed in seeds_of(dataset) if set(points(imageset)) <= set(_read(imageset, seed))]


def points(imageset: ImageSet) -> list[str]:
    """What is solved for: "" (no step), `rotation 45` …"""
    channels = imageset.shape[0]
    return ["", *(f"{name} {s:g}" for name, row in COSTS.items() if channels == 3 or not row.colour
                  for s in row.strengths)]  # fmt: skip


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """Over seeds: transform, strength, concept, kept, low, high (95 %, t interval of the mean), n.

    low and high are NaN of one seed.
    """
    from scipy.special import stdtrit

    if rows.empty:
        return pd.DataFrame(columns=["transform", "strength", "concept", "kept", "low", "high", "n"])
    found = rows.groupby(["transform", "strength", "concept"], sort=False)["kept"].agg(["mean", "std", "count"])
    half = stdtrit(np.maximum(found["count"] - 1, 1), 0.975) * found["std"] / np.sqrt(found["count"])
    told = found.assign(low=(found["mean"] - half).clip(lower=0.0), high=found["mean"] + half)  # a share
    told = told.rename(columns={"mean": "kept", "count": "n"}).drop(columns="std").reset_index()
    return told[["transform", "strength", "concept", "kept", "low", "high", "n"]]


def at_strongest(told: pd.DataFrame) -> pd.DataFrame:
    """The rows of a summary at each transformation's greatest strength."""
    return told[told["strength"] == told.groupby("transform")["strength"].transform("max")]


def sentences(told: pd.DataFrame) -> list[str]:
    """For each concept what costs it most, with its interval, those that lose most first.

    Where the interval reaches what nothing costs, the sentence says that it cannot be told.
    """
    strongest, found = at_strongest(told), []
    for concept, mine in strongest.groupby("concept", sort=False):
        worst = mine.loc[mine["kept"].idxmin()]
        row = COSTS[str(worst["transform"])]
        span = "" if np.isnan(worst["low"]) else f" ({100 * worst['low']:.0f} to {100 * worst['high']:.0f})"
        of, kept = (
            f"{row.title} ({row.unit} {worst['strength']:g})",
            f"{100 * worst['kept']:.0f} %{span} of it is kept.",
        )
        if not worst["high"] < 1:  # one seed has no interval
            found.append((1.0, f"What costs the {concept} cannot be told with these seeds. Under {of} {kept}"))
        else:
            found.append((float(worst["kept"]), f"{of} costs the {concept} most: {kept}"))
    return [said for _, said in sorted(found)]


class _Place:
    """Images, bank and what is asked, of one seed."""

    def __init__(self, imageset: ImageSet, seed: int) -> None:
        from ssrl_core.forecast.kept import chosen_images
        from ssrl_core.learning.solving import bank_for

        self.imageset, self.seed, self.asked = imageset, seed, concepts_of(imageset)
        ids = chosen_images(imageset, self.asked.images, seed)
        half = len(ids) // 2
        self.solve_ids, self.ask_ids = np.sort(ids[:half]), np.sort(ids[half:])
        self.side = max(imageset.shape[1:])
        self.bank: Bank = bank_for("live", imageset, self.solve_ids, self.side, seed=seed)
        self.train, self.test = (self._features(ids) for ids in (self.solve_ids, self.ask_ids))

    def told(self, point: str) -> dict[str, float]:
        """What is read of each concept once the images are solved for, under a transformation or none."""
        from ssrl_core.forecast.setting import directions
        from ssrl_core.learning.closed_form import Covariances, Pairing, solve
        from ssrl_core.learning.solving import moments_of
        from ssrl_core.specs.run import Term

        if point:
            made, views = composition_of(point, self.side), self.asked.views
            moments = moments_of(self.imageset, self.solve_ids, [Term(made)], self.bank, views=views, seed=self.seed)
        else:
            alone = Covariances(self.bank.dim, Pairing((1, 1), {(0, 1): 1.0}))
            alone.add([self.train[None], self.train[None]])
            moments = alone.moments()
        found = solve(moments, mu=MU, dim=directions(DIM, len(self.solve_ids)), power=POWER)
        return self._read(found.embed(self.train), found.embed(self.test))

    def _features(self, ids: Array) -> Array:
        from ssrl_core.learning.solving import features_of

        plain = Composition.from_mapping({"version": 1, "name": "plain", "steps": []})
        return features_of(self.imageset, ids, plain, self.bank)

    def _read(self, train: Array, test: Array) -> dict[str, float]:
        from ssrl_core.forecast.reading import read_numbers

        rows = self.imageset.table
        asked = {column: rows[column].to_numpy(dtype=float) for column in self.asked.numbers}
        halves = {column: (values[self.solve_ids], values[self.ask_ids]) for column, values in asked.items()}
        read = read_numbers(train, test, halves, seed=self.seed) if halves else {}
        found = {self.asked.numbers[column]: one.value for column, one in read.items() if one is not None}
        for column, said in self.asked.names.items():
            accuracies = self._names(column, train, test)
            found[said] = float(np.mean(list(accuracies.values())))
            found |= accuracies if column == self.asked.each else {}
        return {name: round(value, 5) for name, value in found.items()}

    def _names(self, column: str, train: Array, test: Array) -> dict[str, float]:
        """Accuracy of each name above chance: 0 as guessed, 1 all right."""
        from ssrl_core.forecast.reading import read_classes

        codes, names = pd.factorize(self.imageset.table[column].astype(str), sort=True)
        here, there = codes[self.solve_ids], codes[self.ask_ids]
        _, taken = read_classes(train, here, test, there, classes=len(names), seed=self.seed)
        chance = 1 / len(names)
        right = {str(name): float(taken[at, at]) for at, name in enumerate(names)}
        return {name: (share - chance) / (1 - chance) for name, share in right.items() if share == share}


def composition_of(point: str, side: int) -> Composition:
    """The transformation of a point alone."""
    name, _, strength = point.partition(" ")
    steps = COSTS[name].steps(float(strength), side)
    return Composition.from_mapping({"version": 1, "name": f"{name}-alone", "steps": steps})


def _loaded(dataset: str) -> ImageSet:
    from ssrl_core.datasets import store

    return store.load(dataset)


def path_of(imageset: ImageSet, seed: int) -> Path:
    """Where what is solved of an image set and seed is kept."""
    asked = concepts_of(imageset)
    made = [f"{point} {json.dumps(composition_of(point, max(imageset.shape[1:])).to_mapping()['steps'])}"
            for point in points(imageset) if point]  # fmt: skip
    told = [_WAY, imageset.fingerprint, MU, DIM, POWER, repr(asked), made]
    key = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:12]
    return stores.models_root() / "paper" / "curves" / f"{imageset.name[:40]}-s{seed}-{key}.json"


def _read(imageset: ImageSet, seed: int) -> dict[str, dict[str, float]]:
    path = path_of(imageset, seed)
    try:
        found: dict[str, dict[str, float]] = stores.read_json(path)["points"] if path.is_file() else {}
    except DataError:  # damaged: solved anew
        return {}
    return found


def _write(imageset: ImageSet, seed: int, found: Mapping[str, Mapping[str, float]]) -> None:
    stores.write_json(path_of(imageset, seed), {"version": 1, "seed": seed, "points": found})


def document(dataset: str, seeds: Sequence[int] = ()) -> dict[str, Any]:
    """What is solved of an image set as plain data, with what makes it again."""
    imageset, rows = _loaded(dataset), table(dataset, seeds)
    told, asked = summary(rows), concepts_of(imageset)
    return {
        "version": 1,
        "viewloom": __version__,
        "dataset": dataset,
        "title": asked.title,
        "fingerprint": imageset.fingerprint,
        "seeds": sorted({int(seed) for seed in rows["seed"]}),
        "images": asked.images,
        "views": asked.views,
        "bank": "live",
        "mu": MU,
        "dim": DIM,
        "transforms": {name: {"title": row.title, "unit": row.unit, "steps": {
            f"{s:g}": row.steps(s, max(imageset.shape[1:])) for s in row.strengths}}
            for name, row in COSTS.items() if name in set(rows["transform"])},
        "summary": json.loads(told.round(4).to_json(orient="records")),
        "rows": json.loads(rows.round(4).to_json(orient="records")),
    }  # fmt: skip


def shipped(dataset: str) -> dict[str, Any] | None:
    """The document that ships (`docs/results`); None where there is none."""
    path = stores.shipped_root() / "docs" / "results" / f"curves-{dataset}.json"
    return stores.read_json(path) if path.is_file() else None


def write(dataset: str, folder: Path, seeds: Sequence[int] = ()) -> dict[str, str]:
    """Write `curves-<set>.json` and `.md`; their paths."""
    found = document(dataset, seeds)
    paths = {kind: folder / f"curves-{dataset}.{kind}" for kind in ("json", "md")}
    stores.replace(paths["json"], json.dumps(found, allow_nan=False) + "\n")
    stores.replace(paths["md"], markdown(found))
    return {kind: str(path) for kind, path in paths.items()}


def told_in(found: Mapping[str, Any]) -> pd.DataFrame:
    """The summary of a document, as `summary` returns it."""
    return pd.DataFrame(found["summary"]).astype({"low": float, "high": float})


def markdown(found: Mapping[str, Any]) -> str:
    """The document for people."""
    told = told_in(found)
    strongest = at_strongest(told)
    concepts = list(dict.fromkeys(strongest["concept"]))
    lines = ["| | " + " | ".join(concepts) + " |", "|---" * (len(concepts) + 1) + "|"]
    for name, mine in strongest.groupby("transform", sort=False):
        cells = {row["concept"]: _cell(row) for _, row in mine.iterrows()}
        row = COSTS[str(name)]
        lines.append(f"| {row.title}, {row.unit} {mine['strength'].iloc[0]:g} | "
                     + " | ".join(cells.get(concept, "–") for concept in concepts) + " |")  # fmt: skip
    parts = [
        f"# What each transformation costs: {found['title']}",
        "Share of what a linear reading tells of a concept that is left once the closed form has made the embedding "
        "invariant to one transformation alone, in %, mean over seeds and 95 % interval. 100: nothing is lost.",
        *[f"- {said}" for said in sentences(told)],
        "\n".join(lines),
        f"Solved, not trained: image set `{found['dataset']}`, fingerprint `{found['fingerprint'][:16]}`, seeds "
        f"{found['seeds']} (images, feature bank, draws), {found['images']} images of a seed, half of them solved on, "
        f"{found['views']} views, bank {found['bank']}, mu {found['mu']}, {found['dim']} directions. R² of numbers; of "
        "names the mean accuracy above chance.",
        f"Again: `python -m ssrl_core paper curves {found['dataset']} --out docs/results`.",
    ]
    return "\n\n".join(parts) + "\n"


def _cell(row: Mapping[str, Any]) -> str:
    span = "" if np.isnan(row["low"]) else f" ({100 * row['low']:.0f}–{100 * row['high']:.0f})"
    return f"{100 * row['kept']:.0f}{span}"
