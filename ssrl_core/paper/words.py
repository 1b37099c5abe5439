"""What the paper's tables hold, in words: rows, columns, numbers, costs, differences; for page and command line."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from ssrl_core.specs.backbones import BACKBONES
from ssrl_core.specs.methods import METHODS

_NETWORKS = {name: row.title for table in (METHODS, BACKBONES) for name, row in table.items()} | {"moco_v2": "MoCo v2"}
_NETWORKS |= {f"timm/tf_efficientnet_lite{size}": f"EfficientNet-Lite{size}" for size in range(3)}


def _any_of(names: Iterable[str]) -> re.Pattern[str]:
    """One of the names as a word of its own, the longest first."""
    return re.compile(
        "|".join(rf"(?<![\w-]){re.escape(name)}(?![\w-])" for name in sorted(names, key=len, reverse=True))
    )


_NAMES = {
    **_NETWORKS,
    "first_set: rotation+crop+padding+color_inversion": "First set (rotation, crop, padding, colour inversion)",
    "second_set: rotation+crop+flips+random_erasing": "Second set (rotation, crop, flips, random erasing)",
    "rotation+crop+padding": "Rotation, crop, padding",
    "rotation+crop+flips": "Rotation, crop, flips",
    "rotation+crop": "Rotation, crop",
    "mnist-rotation-crop-padding": "Rotation, crop, padding",
    "mnist-rotation-crop-flips": "Rotation, crop, flips",
    "mnist-rotation-crop": "Rotation, crop",
    "first_set": "First set",
    "second_set": "Second set",
    "mnist-first-set": "First set",
    "mnist-second-set": "Second set",
    "cells-first-set": "First set (slight crops)",
    "cells-second-set": "Second set (strong rotations)",
    "weighted": "Weighted sum",
    "cells-figure6-left + cells-figure6-right": "Weighted sum of both",
    "cells-figure6-left + jitter-flips-rotation-centre": "… and the centre crop",
    "cells-figure6-left + jitter-flips-rotation": "… and rotation",
    "cells-figure6-left + jitter-flips": "… and flips",
    "cells-figure6-left + jitter": "Left of figure 6, plus: colour jitter",
    "left-crop + cells-figure6-right": "… and the crop",
    "left-affine + cells-figure6-right": "… and affine",
    "left-jitter-flips-rotation + cells-figure6-right": "… and rotation",
    "left-jitter-flips + cells-figure6-right": "… and flips",
    "left-jitter + cells-figure6-right": "Right of figure 6, plus: colour jitter",
    "cells-figure6-left": "Left of figure 6 (random crops)",
    "cells-figure6-right": "Right of figure 6 (centre crop)",
    "intrinsic_dimension": "Intrinsic dimension",
    "texture_analysis": "Texture",
    "fourier_transform": "Fourier spectrum",
    "feature_covariance_spectrum": "Spectrum of the feature covariance",
    "resnet18_linear_evaluation": "Classes with an opposite partner, linear evaluation",
    "resnet18_finetuning": "Classes with an opposite partner, fine-tuning",
    "class_behaviour_match": "Classes that behave the same under both",
    "ami": "AMI",
    "ami with digits": "AMI with the digits",
    "top1": "Top-1",
    "lpips": "LPIPS",
    "silhouette": "Silhouette",
    "hue_intensity": "Hue",
    "color_jitter_probability": "Jitter probability",
    "crop_size": "Crop size",
    "cytochalasin_b": "cytochalasin B",
    "neighbours explained (K = 4)": "Neighbours explained (eta², K = 4)",
    "mean": "Mean over the values",
    "std": "Sd over the values",
    "ratio": "Classes with an opposite partner",
    "ratio_corrected": "… after correction for many tests",
    "chance, permuted": "By chance: values permuted",
    "chance, trend_kept": "By chance: common trend kept",
}
_TOKEN = _any_of(_NAMES)
_IDS = {
    **_NETWORKS,
    "cells-figure6-left + cells-figure6-right": "the weighted sum",
    "cells-first-set": "the first set",
    "cells-second-set": "the second set",
    "cells-figure6-left": "the left composition of figure 6",
    "cells-figure6-right": "the right composition of figure 6",
    "figure-12 small byol": "BYOL with Tiny CNN",
    "figure-12 instant random": "random features",
    "figure-12 instant patches": "features of patches",
    "p of the floors": "p of as many by chance (values permuted, common trend kept)",
    "hue_intensity": "hue",
    "color_jitter_probability": "jitter probability",
    "crop_size": "crop size",
    "cytochalasin_b": "cytochalasin B",
    "first_set": "first set",
    "second_set": "second set",
}
_IDS_TOKEN = _any_of(_IDS)
_SWEEPS = {
    "table-2 instant": "All five sets",
    "figure-4 instant": "Both sets",
    "figure-12 instant random": "Random features",
    "figure-12 instant patches": "Features of patches",
    "figure-6 instant": "Both compositions, as their fixed steps leave the images",
    "figure-6 instant unsolved": "The same features, of which nothing is asked",
    "figure-6 instant, whole images": "Both compositions, whole images",
    "table-3 small": "Simulated nocodazole",
    "table-3 small destabilizers": "Microtubule destabilizers (BBBC021)",
    "table-3 small actin": "Actin disruptors (BBBC021)",
    "table-3 small stabilizers": "Microtubule stabilizers (BBBC021)",
    "table-4 small": "The sum and each of its terms, simulated nocodazole",
    "figure-4 small": "Both sets",
    "figure-4 full": "Both sets",
    "figure-6 small": "Both compositions, simulated nocodazole",
    "figure-6 small untrained": "The same networks before training",
    "figure-6 full simulated": "Both compositions, simulated nocodazole",
    "figure-6 full simulated untrained": "The same networks before training",
    "figure-7 small untrained": "The networks of table 4 before training",
    "figure-7 full simulated": "The sum and each of its terms, simulated nocodazole",
    "figure-7 full simulated untrained": "The same networks before training",
    "figure-8 second grown": "The second composition grown",
    "figure-8 first grown": "The first composition grown",
    "figure-8 instant second grown": "The second composition grown",
    "figure-8 instant second grown, whole images": "The second composition grown, whole images",
    "figure-8 instant first grown": "The first composition grown",
    "figure-8 instant first grown, whole images": "The first composition grown, whole images",
    "figure-8 second grown untrained": "The same networks before training",
    "figure-6 full": "Both compositions, nocodazole",
    "table-2 full": "All five sets",
    "table-2 small": "Both sets",
    "table-2 small, other rows": "The rows between them",
    "figure-1 small": "Hue on CIFAR-10, SimCLR",
    "figure-1 small, fine-tuned": "Hue on CIFAR-10, SimCLR, fine-tuned",
    "table-6 small simclr": "Hue on CIFAR-10, SimCLR, three seeds",
    "table-6 small byol": "Hue on CIFAR-10, BYOL",
    "table-6 small vicreg": "Hue on CIFAR-10, VICReg",
}
_SETS = {
    "cifar10": "CIFAR-10",
    "cifar100": "CIFAR-100",
    "hundred": "a hundred classes",
    "imagenet100": "ImageNet100",
}
_SWEPT = re.compile(
    rf"\b(hue|jitter probability|crop size|flip probability) ({'|'.join(_SETS)})\b(?: mu (\S+))?(?: solved)?"
)
_ITEM = re.compile(r"^(table|figure)-\d+ ?(instant|small|full)? ?")
_SHARED = re.compile(r"in_(all|at_least)_(\d+)")
_RUN_NAMES = re.compile(r"^figure-12 (instant |small )?(\w+)( \w+)?")
ABOUT = {
    "AMI": "Adjusted mutual information of clusters and labels: 1 where they are the same, about 0 by chance.",
    "Silhouette": "How far clusters lie apart, −1 to 1; knows nothing of labels.",
    "Top-1": "Share of test images that a linear classifier on the frozen network gets right.",
    "LPIPS": "Learned perceptual distance between two views of an image: 0 where they look the same.",
    "eta²": "Share of the variance that lies between clusters: 0 none, 1 all of it.",
}
_COUNTED = {
    "table-1": {"": "classes"},
    "table-2": {"lpips": "images"},
    "table-5": {"": "values"},
    "table-6": {"": "methods"},
    "table-7": {"": "classes"},
    "figure-1": {"mean": "values", "std": "values", "change": "runs"},
    "figure-2": {"ratio": "values", "chance": "draws"},
    "figure-11": {"mean": "values", "std": "values", "change": "runs"},
    "figure-9": {"": "networks"},
    "figure-10": {"": "networks"},
}
_DAY, _YEAR = 86_400.0, 365.25 * 86_400.0
_UNITS = ((_YEAR, _YEAR, "years"), (2 * _DAY, _DAY, "days"), (5400.0, 3600.0, "hours"), (90.0, 60.0, "minutes"))
_SHARES = {
    "table-2": ("top1",),
    "table-5": ("mean", "std"),
    "table-8": ("",),
    "figure-1": ("mean", "std", "change"),
    "figure-2": ("ratio", "chance"),
    "figure-3": ("price",),
    "figure-11": ("mean", "std", "change"),
}


def item(name: str) -> str:
    """`table-2` as `Table 2`."""
    return _capital(name.replace("-", " "))


_OF_CLASSES = {
    "change, ": "Change from the first to the last value ± half its 95 % interval",
    "highest at, ": "Value of the highest accuracy",
    "price, ": "Change of its accuracy ± half its 95 % interval, beside its own choice",
}
_ONE_RIDGE = re.compile(r"^spectral μ = 0\.1(, |$)")
"""The method of most solved sweeps, which their notes say."""


def row_name(text: str) -> str:
    """A row or a column as one reads it: `first_set · moco_v2 vgg13` as `First set · MoCo v2 VGG13`."""
    if found := _SHARED.fullmatch(text):
        return f"Classes in {'all' if found[1] == 'all' else 'at least'} {found[2]} methods"
    if found := _RUN_NAMES.match(text):
        if found[1] == "instant ":
            return row_name(f"{_IDS[f'figure-12 instant {found[2]}']}{text[found.end() :]}")
        backbone = found[3].strip() if found[3] else "tiny_cnn"
        text = f"{found[2]} {backbone}{text[found.end() :]}"
    if told := next((told for told in _OF_CLASSES if text.startswith(told)), ""):
        return f"{_OF_CLASSES[told]}, {row_name(_ONE_RIDGE.sub('', text.removeprefix(told)))}".removesuffix(", ")
    return _capital(_TOKEN.sub(lambda match: _NAMES[match[0]], _swept(text)))


def _swept(text: str) -> str:
    """`hue hundred mu 0.01 solved` as `hue, a hundred classes, μ = 0.01`."""
    return _SWEPT.sub(lambda m: f"{m[1]}, {_SETS[m[2]]}{f', μ = {m[3]}' if m[3] else ''}", text)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def sweep(name: str) -> str:
    """A sweep as one reads it: `table-3 small actin` as `Actin disruptors (BBBC021)`."""
    if name in _SWEEPS:
        return _SWEEPS[name]
    return row_name(_ITEM.sub("", name)) or name


def claim(text: str) -> str:
    """A claim as a sentence: names instead of ids, a capital at its start."""
    return _capital(with_names(text))


def with_names(text: str) -> str:
    """A claim or a reason with names instead of ids, within a sentence."""
    return _IDS_TOKEN.sub(lambda match: _IDS[match[0]], _swept(text))


def column_meaning(column: str) -> str:
    """What a column's number means, for hover; "" where its name says it."""
    return next((told for key, told in ABOUT.items() if key in row_name(column)), "")


def glossary(texts: Iterable[str]) -> list[str]:
    """`AMI: adjusted mutual …` for each term that these texts use."""
    whole = " ".join(texts).lower()
    return [f"{term}: {told[0].lower()}{told[1:]}" for term, told in ABOUT.items() if term.lower() in whole]


def is_share(item: str, row: str, column: str) -> bool:
    """Whether a number is read in percent."""
    if column.endswith("top-1") or row == "class_behaviour_match":
        return True
    return any(column.startswith(start) for start in _SHARES.get(item, ()))


_DIFFERENCES = ("std", "change", "price")


def unit(item: str, row: str, column: str) -> str:
    """Of a number: `%` of a share, `points` of a difference of shares, else ""."""
    if not is_share(item, row, column):
        return ""
    return "points" if column.startswith(_DIFFERENCES) else "%"


QUANTITIES = {
    "table-1": "F of a one-way analysis of variance between the behaviour groups",
    "table-3": "AMI with treatment",
    "table-4": "AMI with treatment",
    "table-6": "Number of classes",
    "table-8": "Top-1 of linear evaluation",
    "figure-9": "AMI with treatment",
    "figure-10": "AMI with treatment",
}
"""What an item's numbers are, where neither rows nor columns say it."""


def number(value: float | None, unit: str = "", *, digits: int = 3) -> str:
    """A number of a table, counts without decimals; `–` where there is none.

    Args:
        unit: `%` and `points` of shares, which are 0..1. digits: after the point, of numbers below 1.
    """
    if value is None or value != value:
        return "–"
    if unit:
        return f"{_percent(value)} {unit}"
    if value == int(value):
        return f"{value:,.0f}".replace("-", "−")
    text = f"{value:.{digits if abs(value) < 1 else 2}f}"
    return text.replace("-", "−" if float(text) else "")


def published(value: float, unit: str = "", *, nearest: bool = False) -> str:
    """A number as the paper prints it; `≈` before one of another network or other images."""
    return ("≈ " if nearest else "") + number(value, unit, digits=2)


def spread(mean: float, sd: float | None, unit: str = "") -> str:
    """`0.407 ± 0.032`, `94.9 ± 0.5 %`."""
    if sd is None or sd != sd:
        return number(mean, unit)
    if unit:
        return f"{_percent(mean)} ± {_percent(sd)} {unit}"
    return f"{number(mean)} ± {number(sd)}"


def _percent(value: float) -> str:
    return f"{100 * value:.1f}".replace("-", "−")


def sample_size(item: str, column: str, n: int) -> str:
    """`n = 5 seeds`: what a number was counted over."""
    kinds = _COUNTED.get(item, {})
    kind = next((with_names for start, with_names in kinds.items() if column.startswith(start)), "seeds")
    return f"n = {n:,} {kind if n != 1 else kind.removesuffix('es') if kind == 'classes' else kind.removesuffix('s')}"


def difference(contrast: dict[str, Any]) -> str:
    """A contrast's difference with its 95 % interval and n, or why there is none."""
    if contrast["difference"] is None:
        return claim(str(contrast["reason"]))
    times, unit = (100, "points") if contrast["unit"] == "top-1" else (1, contrast["unit"])
    digits = 1 if unit.startswith("points") else 3

    def signed(value: float, digits: int = digits) -> str:
        text = f"{times * value:+.{digits}f}"
        return text.replace("-", "−") if float(text) else text.lstrip("+-")

    def end(value: float) -> str:
        """With as many digits as it takes to tell on which side of 0 it lies, four more at most."""
        return next((said for more in range(5) if float((said := signed(value, digits + more)).replace("−", "-"))), "0")

    span = ""
    if contrast["low"] is not None:
        span = f" (95 % interval {end(contrast['low'])} to {end(contrast['high'])})"
    counted = contrast.get("counted", "seeds")
    n = " and ".join(str(n) for n in contrast["n"] if n)
    n += f" {counted if sum(contrast['n']) != 1 else counted.removesuffix('s')}"
    unit = unit.replace("points²", "points² of variance")
    more = f"; {contrast['reason']}" if contrast["reason"] else ""
    return f"Difference {signed(contrast['difference'])} {unit}{span}, n = {n}{more}"


_OF_SEEDS = "Points: seeds; diamond: their mean with its 95 % interval (Student's t)."
_ITEMS_OF_SEEDS = ("table-8", "figure-4", "figure-6", "figure-7", "figure-8", "figure-12")
_CHART_KEYS = {
    "table-2": f"{_OF_SEEDS[:-1]}; ring: published.",
    **dict.fromkeys(_ITEMS_OF_SEEDS, _OF_SEEDS),
    **dict.fromkeys(("table-3", "table-4"), f"{_OF_SEEDS[:-1]}; ring: published, of another network and other cells."),
    "table-5": "Point: mean over the values; thick: its sd over them; thin: from the lowest to the highest.",
    "figure-10": "Line: one network; dotted: its labels shuffled. One run each, so that there is no interval.",
}


def chart_key(item: str) -> str:
    """What the marks of an item's charts are; "" where the charts say it themselves."""
    return _CHART_KEYS.get(item, "")


def gpu(hours: float) -> str:
    """`19,000 GPU hours`, `12 GPU minutes`, `under a GPU minute`."""
    if hours < 1 / 60:
        return "under a GPU minute"
    if hours < 1:
        return f"{60 * hours:.0f} GPU minutes"
    return f"{_two_digits(hours)} GPU hours"


def time(seconds: float) -> str:
    """`13 minutes`, `5 hours`, `63 days`, `7.3 years`: a length that is guessed, in one unit."""
    for least, length, unit in _UNITS:
        if seconds >= least:
            return f"{_two_digits(seconds / length)} {unit}"
    return f"{max(1, round(seconds))} seconds"


def _two_digits(value: float) -> str:
    if value < 10:
        return f"{value:.1f}".removesuffix(".0")
    return f"{float(f'{value:.2g}'):,.0f}"
