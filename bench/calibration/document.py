"""The calibration in numbers and as a page: `docs/results/forecast.json`, `forecast.md`, and what the package ships."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.calibration.rows import BANKS, DIMS, MUS, PIXELS, POWERS, learnt
from bench.calibration.statistics import Agreement, Pair, agreement, better, left_out, two_by_two, within
from ssrl_core.forecast.kept import DIM, MU, POWER
from ssrl_core.specs.backbones import DEFAULT

Row = dict[str, Any]
Matrix = NDArray[np.float64]

USUAL = f"{DEFAULT} {MU:g} {DIM} {POWER:g}"
SETTINGS = [f"{bank} {mu:g} {dim} {power:g}" for bank in BANKS for mu in MUS for dim in DIMS for power in POWERS]
_CLEAR = 0.05  # AMI that two networks must differ by to be counted as different


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
        "left_out": _left_out(sets),
        "settings": {s: _of_setting(sets, s) for s in SETTINGS},
        "longer": [_longer(row, rows) for row in longer],
        "cases": [_case(row) for row in rows],
    }


def shipped(found: Row) -> Row:
    """What the package says of itself: networks, image sets, and the forecast's agreement, pooled and weakest."""
    told = {}
    for quantity in ("ami", "descriptors", "classes"):
        own = found["agreement"][quantity]["forecast"]
        weakest = min(own["sets"], key=lambda name: own["sets"][name])
        told[quantity] = {**own["pooled"], "weakest": weakest, "weakest_value": own["sets"][weakest]}
    return {
        "version": 1,
        "networks": found["networks"],
        "image_sets": sorted({case["set"] for case in found["cases"]}),
        "agreement": told,
        "source": "docs/results/forecast.md",
    }


def _sets(rows: Sequence[Row]) -> list[Measured]:
    found = []
    for name in dict.fromkeys(row["set"] for row in rows):
        own = [row for row in rows if row["set"] == name]
        compositions = list(dict.fromkeys(row["composition"] for row in own))
        trained = [[row["trained"] for row in own if row["composition"] == one] for one in compositions]
        forecasts = [next(row["forecast"] for row in own if row["composition"] == one) for one in compositions]
        key = " ".join(USUAL.split()[:3])
        names = [set(row["numbers"]) for rows in trained for row in rows]
        names += [set(row["readings"][key]["numbers"]) for row in forecasts]
        found.append(Measured(name, compositions, sorted(set.intersection(*names)), trained, forecasts))
    return [one for one in found if len(one.compositions) >= 2]


def _values(row: Row, quantity: str, numbers: list[str]) -> Matrix:
    if quantity == "ami":
        return np.array([row["ami"]])
    if quantity.startswith("descriptor"):
        return np.array([row["numbers"].get(name, np.nan) for name in numbers], dtype=float)
    return np.array(row["of_class"], dtype=float)


def _said(row: Row, quantity: str, predictor: str, setting: str, numbers: list[str]) -> Matrix:
    key = f"{PIXELS} 0.01 32 1" if predictor == PIXELS else setting
    own = {"ami": row["ami"][key], **row["readings"][" ".join(key.split()[:3])]}
    if predictor in ("forecast", PIXELS):
        return _values(own, quantity, numbers)
    if predictor == "no change":
        return _values(row["plain"], quantity, numbers)
    like = _values(own, quantity, numbers)
    if predictor == "lpips":
        return np.full_like(like, np.nan if row["lpips"] is None else -row["lpips"])
    known = {name: value for name, value in row["icc"].items() if value is not None}
    if quantity.startswith("descriptor"):
        return np.array([known.get(name, np.nan) for name in numbers], dtype=float)
    return np.full_like(like, float(np.mean(list(known.values()))))


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
    found = {one.name: two_by_two(one.pair("ami", "forecast"), _CLEAR) for one in sets}
    return {name: {"right": right, "of": of} for name, (right, of) in found.items()}


def _between_seeds(sets: list[Measured], quantity: str) -> Row | None:
    """How well networks of one seed order what networks of another keep, where there are two."""
    pairs = {}
    for one in sets:
        twice = [place for place, rows in enumerate(one.trained) if len(rows) > 1]
        if len(twice) >= 3:
            first, second = (one.truth(quantity, _nth(number)) for number in (0, 1))
            pairs[one.name] = _pair(quantity, first[twice], second[twice])
    return asdict(agreement(pairs)) if pairs else None


def _nth(number: int) -> Callable[[list[Row]], list[Row]]:
    return lambda rows: [rows[min(number, len(rows) - 1)]]


def _of_setting(sets: list[Measured], setting: str) -> Row:
    quantities = ("ami", "descriptors", "classes")
    return {q: {one.name: within(one.pair(q, "forecast", setting)) for one in sets} for q in quantities}


def _left_out(sets: list[Measured]) -> Row:
    """For each image set: the setting that is best on all others, and what it and the usual one score on this one."""
    scores = {setting: _of_setting(sets, setting) for setting in SETTINGS}
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
    trained, key = row["trained"], " ".join(USUAL.split()[:3])
    said = row["forecast"]
    return {
        **{name: row[name] for name in ("set", "composition", "spec")},
        **{name: trained[name] for name in ("run", "seed", "seconds", "ami", "knn", "accuracy", "numbers", "of_class")},
        "learnt": learnt(trained),
        "views": trained["views"],
        "references": trained["references"],
        "forecast": {"ami": said["ami"][USUAL], **said["readings"][key], "lpips": said["lpips"], "icc": said["icc"]},
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


def as_markdown(found: Row, failed: Sequence[Row]) -> str:
    """The page."""
    lines = [
        "<!-- written by python -m bench.calibration -->",
        "# How well the forecast ordered trained networks",
        "",
        *_method(found),
        "",
        "## Rank correlations",
        "",
        *_pooled(found),
        "",
        "## Each image set",
        "",
        *_each(found),
        "",
        "## Another bank, mu, dim or power?",
        "",
        *_others(found),
        "",
        *_trained_longer(found),
        "## Networks",
        "",
        *_networks(found, failed),
    ]
    return "\n".join(lines) + "\n"


def _method(found: Row) -> list[str]:
    names = list(dict.fromkeys(case["set"] for case in found["cases"]))
    return [
        f"{found['networks']} networks (tiny_cnn; {found['compositions']} compositions on {len(names)} image sets: "
        f"{', '.join(names)}) were trained on a processor. Each composition was forecast from 1,000 images with the "
        f"forecast's own settings (bank, mu, dim, power: `{found['setting']}`). Rank correlations (Spearman) are "
        "within an image set; *pooled* is their mean over the sets. Intervals (95 %) draw compositions anew within "
        "each set.",
        "",
        "A network has learnt where it tells views of test images apart (kNN) better than raw pixels do and than it "
        f"did before its first step: {found['learnt']} of {found['networks']} have. The others stay in all numbers.",
    ]


def _pooled(found: Row) -> list[str]:
    lines = ["| quantity | goal | " + " | ".join(PREDICTORS.values()) + " | other seeds |"]
    lines.append("|---|---|" + "---|" * (len(PREDICTORS) + 1))
    for name, quantity in QUANTITIES.items():
        cells = [_told(found["agreement"][name][predictor]["pooled"]) for predictor in PREDICTORS]
        goal = "–" if quantity.goal is None else f"≥ {quantity.goal:g}, {_verdict(found, name, quantity.goal)}"
        seeds = found["seeds"][name]
        lines.append(f"| {quantity.title} | {goal} | {' | '.join(cells)} | {_told(seeds) if seeds else '–'} |")
    lines += ["", *(f"*{q.title}*: {q.sentence}." for q in QUANTITIES.values())]
    lines += [
        "",
        "*LPIPS* and *ICC alone* have one number for all classes (ICC: the mean over descriptors; columns of tables "
        "have none and are left out there). *No change*: the bank without any steps, the same for every composition, "
        "so that it orders descriptors and no compositions. *Other seeds*: how well networks trained with one seed "
        "order those of another, where there are two.",
        "",
        "How much more the forecast agrees than each of them:",
        "",
        "| quantity | " + " | ".join(list(PREDICTORS.values())[1:]) + " |",
        "|---|" + "---|" * (len(PREDICTORS) - 1),
    ]
    for name, quantity in QUANTITIES.items():
        told = [_told(found["better_than"][name][predictor], signed=True) for predictor in list(PREDICTORS)[1:]]
        lines.append(f"| {quantity.title} | {' | '.join(told)} |")
    return lines


def _verdict(found: Row, name: str, goal: float) -> str:
    own = found["agreement"][name]["forecast"]["pooled"]
    if own["value"] < goal:
        return "**missed**"
    return "reached" if own["low"] >= goal else "reached, interval below"


def _each(found: Row) -> list[str]:
    names = list(found["agreement"]["ami"]["forecast"]["sets"])
    lines = ["| quantity | " + " | ".join(names) + " |", "|---|" + "---|" * len(names)]
    for name, quantity in QUANTITIES.items():
        own = found["agreement"][name]["forecast"]
        cells = [
            _told(dict(zip(("value", "low", "high"), (own["sets"][n], *own["intervals"][n]), strict=True)))
            for n in names
        ]
        lines.append(f"| {quantity.title} | {' | '.join(cells)} |")
    told = [f"{order['right']} of {order['of']}" for order in (found["in_order"][name] for name in names)]
    lines.append(f"| pairs in the right order, AMI {_CLEAR} or more apart | {' | '.join(told)} |")
    return lines


def _others(found: Row) -> list[str]:
    lines = [
        "For each image set, the setting that agrees best on all other sets (mean of clusters, descriptors and changes "
        "of class accuracy), tried on this one, beside the forecast's own:",
        "",
        "| left out | chosen on the others | mean, chosen | mean, own | clusters | descriptors | classes |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, one in found["left_out"].items():
        by = [f"{one[q]:.2f} ({one['usual'][q]:.2f})" for q in ("ami", "descriptors", "classes")]
        lines.append(f"| {name} | {one['setting']} | {one['mean']:.2f} | {one['usual_mean']:.2f} | {' | '.join(by)} |")
    mean = {s: {q: float(np.mean(list(v.values()))) for q, v in by.items()} for s, by in found["settings"].items()}
    best = sorted(mean, key=lambda setting: -sum(mean[setting].values()))
    lines += ["", "On all sets, the best eight of the grid and the forecast's own:", ""]
    lines += ["| bank, mu, dim, power | clusters | descriptors | changes of class accuracy |", "|---|---|---|---|"]
    for setting in dict.fromkeys([*best[:8], found["setting"]]):
        lines.append(f"| {setting} | {' | '.join(f'{value:.2f}' for value in mean[setting].values())} |")
    return lines


def _trained_longer(found: Row) -> list[str]:
    if not found["longer"]:
        return []
    lines = ["## Trained longer", "", "| set | composition | epochs | AMI | accuracy |", "|---|---|---|---|---|"]
    for one in found["longer"]:
        told = [
            f"{one['usual'][name]:{form}} → {one['longer'][name]:{form}}"
            for name, form in (("epochs", "d"), ("ami", ".3f"), ("accuracy", ".3f"))
        ]
        lines.append(f"| {one['set']} | {one['composition']} | {' | '.join(told)} |")
    return [*lines, ""]


def _networks(found: Row, failed: Sequence[Row]) -> list[str]:
    lines = [
        "View: kNN and AMI of test images passed once through the composition, beside raw pixels and the network "
        "before its first step.",
        "",
        "| set | composition | seed | train s | view kNN (pixels, untrained) | learnt | AMI trained | forecast | "
        "accuracy trained | forecast | run |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for case in found["cases"]:
        views = [case["views"][name]["knn"] for name in ("view", PIXELS, "untrained")]
        lines.append(
            f"| {case['set']} | {case['composition']} | {case['seed']} | {case['seconds']} "
            f"| {views[0]:.2f} ({views[1]:.2f}, {views[2]:.2f}) | {'yes' if case['learnt'] else '**no**'} "
            f"| {case['ami']:.3f} | {case['forecast']['ami']:.3f} | {case['accuracy']:.3f} "
            f"| {case['forecast']['accuracy']:.3f} | `{case['run']}` |"
        )
    lines += ["", "Specs of all runs are in `forecast.json`; the compositions in `bench/calibration/cases.py`."]
    failed = [case for case in failed if case["state"] != "queued"]
    if failed:
        left = ", ".join(f"{c['set']} {c['composition']} seed {c['seed']} ({c['state']})" for c in failed)
        lines += ["", f"Begun and not finished, or without a forecast: {left}."]
    lines += ["", "Again: `python -m bench.calibration --store DIR`, with `SSRL_SHARED` naming the folder of images."]
    return lines


def _told(one: Row, *, signed: bool = False) -> str:
    text = f"{one['value']:+.2f}" if signed else f"{one['value']:.2f}"
    return f"{text} [{one['low']:.2f}, {one['high']:.2f}]"
