"""The calibration in numbers: what `docs/results/forecast.json` holds, and what the package ships."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.calibration.cases import IMAGES
from bench.calibration.rows import BANKS, DIMS, MUS, PIXELS, POWERS, learnt
from bench.calibration.statistics import Agreement, Pair, agreement, better, left_out, two_by_two, within
from ssrl_core.forecast.kept import DIM, MU, POWER
from ssrl_core.specs.backbones import DEFAULT

Row = dict[str, Any]
Matrix = NDArray[np.float64]

USUAL = f"{DEFAULT} {MU:g} {DIM} {POWER:g}"
SETTINGS = [f"{bank} {mu:g} {dim} {power:g}" for bank in BANKS for mu in MUS for dim in DIMS for power in POWERS]
CHOSEN_BEFORE = ("random 0.01 32 1", "random 0.001 32 2", "patches 0.01 64 1")
"""The setting until this calibration, and the two that agreed best on all sets of the first one (docs/log.md)."""
CLEAR = 0.05  # AMI that two networks must differ by to be counted as different


@dataclass(frozen=True)
class Quantity:
    """Something that the forecast says, with the goal of its rank correlation."""

    title: str
    sentence: str
    goal: float | None
    changes: bool = False


QUANTITIES = {
    "ami": Quantity("Clusters", "AMI of k-means with the classes, over compositions", 0.8),
    "descriptors": Quantity("Descriptors kept", "R² of every descriptor under every composition", 0.8),
    "descriptor_changes": Quantity(
        "Changes of descriptors", "each descriptor's R² counted from its mean over the compositions", None, True
    ),
    "accuracy": Quantity(
        "Accuracy of all classes", "share of test images that a ridge gets right, over compositions", None
    ),
    "classes": Quantity(
        "Changes of class accuracy", "each class's accuracy counted from its mean over the compositions", 0.6, True
    ),
    "classes_apart": Quantity(
        "Classes beside each other", "the same, counted also from the mean of all classes", None, True
    ),
}
PREDICTORS = {
    "forecast": "the forecast",
    "lpips": "LPIPS (less is kept where it is larger)",
    "icc": "ICC alone",
    "pixels": "the closed form of raw pixels",
    "no change": "no change",
}


_SUBSETS: dict[str, Callable[[Row], bool]] = {
    "all": lambda row: True,
    "networks that have learnt": lambda row: learnt(row["trained"]),
}


@dataclass(frozen=True)
class Measured:
    """One image set: its compositions, names of numbers and classes, and rows of the calibration by composition."""

    name: str
    compositions: list[str]
    numbers: list[str]
    trained: list[list[Row]]
    forecasts: list[Row]

    def truth(self, quantity: str, pick: Callable[[list[Row]], list[Row]] = list) -> Matrix:
        """(n,T) as trained, means over the networks that are picked of each composition's."""
        return np.array(
            [np.mean([_values(row, quantity, self.numbers) for row in pick(rows)], axis=0) for rows in self.trained]
        )

    def predicted(self, quantity: str, predictor: str, setting: str = USUAL) -> Matrix:
        """(n,T) as a predictor says it; where it has one number for all T it stands in each."""
        return np.array([_said(row, quantity, predictor, setting, self.numbers) for row in self.forecasts])

    def pair(self, quantity: str, predictor: str, setting: str = USUAL) -> Pair:
        """Both, ready to be compared."""
        return _pair(quantity, self.truth(quantity), self.predicted(quantity, predictor, setting))


def measured(rows: Sequence[Row]) -> Row:
    """Everything the page says, as data.

    Args:
        rows: {set, composition, trained, forecast, spec, longer} of each network.
    """
    rows, longer = ([row for row in rows if row["longer"] is asked] for asked in (False, True))
    sets = _sets(rows)
    scores = {setting: _of_setting(sets, setting) for setting in SETTINGS}
    agreements = {quantity: {name: _agreements(sets, quantity, name) for name in PREDICTORS} for quantity in QUANTITIES}
    return {
        "version": 1,
        "networks": len(rows),
        "compositions": sum(len(one.compositions) for one in sets),
        "setting": USUAL,
        "learnt": sum(learnt(row["trained"]) for row in rows),
        "agreement": agreements,
        "better_than": {q: {p: asdict(_better(sets, q, p)) for p in list(PREDICTORS)[1:]} for q in QUANTITIES},
        "in_order": _in_order(sets),
        "seeds": {quantity: _between_seeds(sets, quantity) for quantity in QUANTITIES},
        "halves": {quantity: _between_halves(sets, quantity) for quantity in QUANTITIES},
        "after_projector": {quantity: _after_projector(sets, quantity) for quantity in QUANTITIES},
        "subsets": {name: _of_some([row for row in rows if keep(row)]) for name, keep in _SUBSETS.items()},
        "left_out": _left_out(sets, scores),
        "settings": scores,
        "longer": [_longer(row, rows) for row in longer],
        "cases": [_case(row) for row in rows],
    }


def shipped(found: Row) -> Row:
    """What the package says of itself: networks, image sets, and the forecast's agreement, pooled and weakest."""
    told, order = {}, found["in_order"].values()
    for quantity in ("ami", "descriptors", "descriptor_changes", "accuracy", "classes"):
        own = found["agreement"][quantity]["forecast"]
        weakest = min(own["sets"], key=lambda name: own["sets"][name])
        told[quantity] = {**own["pooled"], "weakest": IMAGES[weakest].title, "weakest_value": own["sets"][weakest]}
    return {
        "version": 1,
        "networks": found["networks"],
        "of": "compositions that crop or turn",
        "image_sets": sorted({IMAGES[case["set"]].title for case in found["cases"]}),
        "agreement": told,
        "in_order": {"right": sum(o["right"] for o in order), "of": sum(o["of"] for o in order), "ami_apart": CLEAR},
        "source": "docs/results/forecast.md",
    }


def _sets(rows: Sequence[Row]) -> list[Measured]:
    found = []
    for name in dict.fromkeys(row["set"] for row in rows):
        own = [row for row in rows if row["set"] == name]
        compositions = list(dict.fromkeys(row["composition"] for row in own))
        trained = [[row["trained"] for row in own if row["composition"] == one] for one in compositions]
        forecasts = [next(row["forecast"] for row in own if row["composition"] == one) for one in compositions]
        names = [set(row["numbers"]) for rows in trained for row in rows]
        names += [set(row["readings"][_without_power(USUAL)]["numbers"]) for row in forecasts]
        found.append(Measured(name, compositions, sorted(set.intersection(*names)), trained, forecasts))
    return [one for one in found if len(one.compositions) >= 2]


def _values(row: Row, quantity: str, numbers: list[str]) -> Matrix:
    if quantity == "ami":
        return np.array([row["ami"]])
    if quantity == "accuracy":
        return np.array([row["accuracy"]])
    if quantity.startswith("descriptor"):
        return np.array([row["numbers"].get(name, np.nan) for name in numbers], dtype=float)
    return np.array(row["of_class"], dtype=float)


def _said(row: Row, quantity: str, predictor: str, setting: str, numbers: list[str]) -> Matrix:
    key = f"{PIXELS} 0.01 32 1" if predictor == PIXELS else setting
    own = {"ami": row["ami"][key], **row["readings"][_without_power(key)]}
    if predictor in ("forecast", PIXELS):
        return _values(own, quantity, numbers)
    if predictor == "no change":
        return np.zeros(1) if quantity == "accuracy" else _values(row["plain"], quantity, numbers)
    like = _values(own, quantity, numbers)
    if predictor == "lpips":
        return np.full_like(like, np.nan if row["lpips"] is None else -row["lpips"])
    known = {name: value for name, value in row["icc"].items() if value is not None}
    if quantity.startswith("descriptor"):
        return np.array([known.get(name, np.nan) for name in numbers], dtype=float)
    return np.full_like(like, float(np.mean(list(known.values()))))


def _without_power(setting: str) -> str:
    """The power moves clusters only; readings have none."""
    return setting.rpartition(" ")[0]


def _pair(quantity: str, trained: Matrix, predicted: Matrix) -> Pair:
    if quantity == "classes_apart" and trained.shape[1]:
        known = np.isfinite(trained).all(axis=0) & np.isfinite(predicted).all(axis=0)
        trained, predicted = (
            v[:, known] - v[:, known].sum(axis=1, keepdims=True) / max(1, known.sum()) for v in (trained, predicted)
        )
    return Pair(trained, predicted, QUANTITIES[quantity].changes)


def _agreements(sets: list[Measured], quantity: str, predictor: str) -> Row:
    pairs = {one.name: one.pair(quantity, predictor) for one in sets}
    by_set = {name: agreement({name: pair}) for name, pair in pairs.items()}
    return {
        "pooled": asdict(agreement(pairs)),
        "sets": {name: own.value for name, own in by_set.items()},
        "intervals": {name: [own.low, own.high] for name, own in by_set.items()},
    }


def _better(sets: list[Measured], quantity: str, predictor: str) -> Agreement:
    ours, theirs = ({one.name: one.pair(quantity, name) for one in sets} for name in ("forecast", predictor))
    return better(ours, theirs)


def _in_order(sets: list[Measured]) -> Row:
    found = {one.name: two_by_two(one.pair("ami", "forecast"), CLEAR) for one in sets}
    return {name: {"right": right, "of": of} for name, (right, of) in found.items()}


def _of_some(rows: Sequence[Row]) -> Row:
    """The forecast's agreement on some of the networks."""
    sets = _sets(rows)
    told = {q: asdict(agreement({one.name: one.pair(q, "forecast") for one in sets})) for q in QUANTITIES}
    return {"networks": len(rows), **told} if sets else {"networks": len(rows)}


def _between_seeds(sets: list[Measured], quantity: str) -> Row | None:
    """How well networks of one seed order what networks of another keep, where there are two."""
    pairs = {}
    for one in sets:
        twice = [place for place, rows in enumerate(one.trained) if len(rows) > 1]
        if len(twice) >= 3:
            first, second = (one.truth(quantity, _nth(number)) for number in (0, 1))
            pairs[one.name] = _pair(quantity, first[twice], second[twice])
    return asdict(agreement(pairs)) if pairs else None


def _between_halves(sets: list[Measured], quantity: str) -> Row:
    """How well what trained networks keep on one half of the test images orders what they keep on the other."""
    pairs = {}
    for one in sets:
        first, second = (one.truth(quantity, _half(number)) for number in (0, 1))
        pairs[one.name] = _pair(quantity, first, second)
    return asdict(agreement(pairs)) | {"sets": {name: within(pair) for name, pair in pairs.items()}}


def _after_projector(sets: list[Measured], quantity: str) -> Row:
    """The forecast beside what the same networks keep after their projector, where the loss is asked."""
    pairs = {
        one.name: _pair(quantity, one.truth(quantity, _of_heads), one.predicted(quantity, "forecast")) for one in sets
    }
    return asdict(agreement(pairs)) | {"sets": {name: within(pair) for name, pair in pairs.items()}}


def _of_heads(rows: list[Row]) -> list[Row]:
    return [row["head"] for row in rows]


def _half(number: int) -> Callable[[list[Row]], list[Row]]:
    return lambda rows: [row["halves"][number] for row in rows]


def _nth(number: int) -> Callable[[list[Row]], list[Row]]:
    return lambda rows: [rows[min(number, len(rows) - 1)]]


def _of_setting(sets: list[Measured], setting: str) -> Row:
    quantities = ("ami", "descriptors", "classes")
    return {q: {one.name: within(one.pair(q, "forecast", setting)) for one in sets} for q in quantities}


def _left_out(sets: list[Measured], scores: Row) -> Row:
    """For each image set: the setting that is best on all others, and what it and the usual one score on this one."""
    names = [one.name for one in sets]
    found: Row = {}
    if len(names) < 2:
        return found

    def score(setting: str, name: str) -> float:
        return float(np.mean([values[name] for values in scores[setting].values()]))

    for name, (setting, value) in left_out(names, SETTINGS, score).items():
        by = {q: scores[setting][q][name] for q in scores[setting]}
        usual = {q: scores[USUAL][q][name] for q in scores[USUAL]}
        found[name] = {"setting": setting, "mean": value, "usual_mean": score(USUAL, name), **by, "usual": usual}
    return found


def _case(row: Row) -> Row:
    trained, said = row["trained"], row["forecast"]
    return {
        **{name: row[name] for name in ("set", "composition", "spec")},
        **{name: trained[name] for name in ("run", "seed", "seconds", "ami", "knn", "accuracy", "numbers", "of_class")},
        "learnt": learnt(trained),
        "views": trained["views"],
        "references": trained["references"],
        "forecast": {
            "ami": said["ami"][USUAL],
            **said["readings"][_without_power(USUAL)],
            **{name: said[name] for name in ("lpips", "icc")},
        },
        "plain": said["plain"],
        "forecast_processor_s": said["processor_s"],
    }


def _longer(row: Row, rows: Sequence[Row]) -> Row:
    """A network that was trained longer beside the one that was not."""
    alike = ("set", "composition")
    usual = next(one for one in rows if all(one[name] == row[name] for name in alike))
    told = {
        way: {"epochs": one["spec"]["epochs"], **{name: one["trained"][name] for name in ("ami", "accuracy")}}
        for way, one in (("usual", usual), ("longer", row))
    }
    return {name: row[name] for name in alike} | told
