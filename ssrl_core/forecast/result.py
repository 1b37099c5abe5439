"""What a forecast answers, as data, and how well such answers ordered networks that were trained."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from functools import cache
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from ssrl_core.specs.wishes import in_a_row

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[Any]
_SURE = 0.3  # without steps, below which a share is too rough to be put into words
_KEPT, _LOST = 0.8, 0.5
_MOST_NAMED, _LEAST_CHANGE = 3, 0.03
ARRAYS = ("shares", "image_ids", "embedding", "cluster_ids")


@dataclass(frozen=True)
class Kept:
    """What an embedding still tells of one thing.

    Attributes:
        kind: descriptor, column (numbers of the image set's table) or classes.
        value, low, high: held-out R² (or accuracy), and its 95 % interval over test images.
        icc: share of the descriptor's variance that views of an image have in common; None where it has none.
        plain: value of the same bank without any steps.
        against: value under the second composition, where one was given.
    """

    name: str
    kind: str
    value: float
    low: float
    high: float
    icc: float | None
    plain: float
    against: float | None = None

    @property
    def share(self) -> float:
        """What is kept, of what is told without any steps."""
        return self.value / self.plain if self.plain > 0 else 1.0


@dataclass(frozen=True)
class ClassKept:
    """Held-out accuracy of one class, without any steps beside it (None: no test image)."""

    name: str
    accuracy: float | None
    plain: float | None
    against: float | None = None


@dataclass(frozen=True)
class PairKept:
    """How often two classes are taken for one another on held-out images (the mean of both ways), and without steps."""

    a: str
    b: str
    confused: float
    plain: float
    against: float | None = None


@dataclass(frozen=True)
class StepCost:
    """What is kept when one step is left out: name -> value; place counts from 1 within its view group."""

    group: str
    place: int
    step: str
    kept: dict[str, float]


@dataclass(frozen=True, repr=False)
class Forecast:
    """What a composition keeps.

    Attributes:
        pairs: those that are taken for one another more often than without any steps, the most so first.
        clusters: k, and AMI with the classes (None without labels).
        guards: warnings, a sentence each.
        missing: name -> why it is not among `kept`.
        shares: (k,) lambda of the directions, on other images (of a quick forecast: on the same).
        image_ids, embedding, cluster_ids: the images that were asked about (n,), (n,k) and (n,).
    """

    dataset: str
    composition: str
    against: str | None
    bank: str
    images: int
    views: int
    kept: tuple[Kept, ...]
    classes: tuple[ClassKept, ...]
    pairs: tuple[PairKept, ...]
    clusters: dict[str, Any]
    steps: tuple[StepCost, ...]
    guards: tuple[str, ...]
    missing: dict[str, str]
    seconds: float
    shares: Array = field(repr=False)
    image_ids: Array = field(repr=False)
    embedding: Array = field(repr=False)
    cluster_ids: Array = field(repr=False)

    def __repr__(self) -> str:
        best = sorted(self.kept, key=lambda one: -one.value)
        lines = [
            f"{one.name:20} {one.value:5.2f}  ({one.low:.2f} to {one.high:.2f}; plain {one.plain:.2f})" for one in best
        ]
        head = f"<Forecast of {self.composition} on {self.dataset}: {self.images:,} images, {self.views} views each>"
        return "\n".join([head, self.sentence, *lines, *self.guards])

    @property
    def sentence(self) -> str:
        """What is kept best, what is lost most, and the classes that suffer by more than chance explains."""
        best, lost = best_and_worst(self.kept)
        told = (("Keeps best", best), ("Loses most", lost))
        parts = [f"{words}: {in_a_row(row.name for row in rows)}." for words, rows in told if rows]
        suffering = self.suffering
        if suffering:
            named = ", ".join(f"{row.name} ({100 * change:+.0f} points)" for row, change in suffering[:_MOST_NAMED])
            parts.append(f"Classes that suffer most: {named}.")
        elif self.classes:
            parts.append("No class suffers by more than chance explains.")
        return " ".join(parts)

    @property
    def suffering(self) -> list[tuple[ClassKept, float]]:
        """Classes whose accuracy falls by more than two standard errors, with the change, the most first.

        The errors are those of two shares of as many images as a class has on average.
        """
        each = max(1.0, len(self.image_ids) / max(1, len(self.classes)))
        found = []
        for row in self.classes:
            if row.accuracy is not None and row.plain is not None:
                spread = row.accuracy * (1 - row.accuracy) + row.plain * (1 - row.plain)
                if row.plain - row.accuracy > max(_LEAST_CHANGE, 2 * (spread / each) ** 0.5):
                    found.append((row, row.accuracy - row.plain))
        return sorted(found, key=lambda one: one[1])

    def to_json(self) -> dict[str, Any]:
        """Plain data, arrays left out."""
        named = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in ARRAYS}
        named["sentence"] = self.sentence
        rows = ("kept", "classes", "pairs", "steps")
        return {key: [asdict(row) for row in value] if key in rows else _plain(value) for key, value in named.items()}

    @property
    def table(self) -> pd.DataFrame:
        """What is kept, one row a thing, by its name: kind, value, low, high, icc, plain, against."""
        import pandas as pd

        return pd.DataFrame([asdict(row) for row in self.kept]).set_index("name")

    def _repr_html_(self) -> str:
        head = f"{escape(self.composition)} on {escape(self.dataset)}: what is kept of it, beside no steps at all"
        shown = self.table.drop(columns=[] if self.against else ["against"])
        said = "".join(f"<div>⚠ {escape(text)}</div>" for text in self.guards)
        rows = shown.to_html(float_format="{:.2f}".format, na_rep="–")
        return f"<div>{head}</div><div>{escape(self.sentence)}</div>{rows}{said}"


def best_and_worst(kept: Sequence[Kept]) -> tuple[list[Kept], list[Kept]]:
    """The three things that are kept best and the three that are lost most; too rough ones and classes are left out."""
    sure = [row for row in kept if row.kind != "classes" and row.plain >= _SURE]
    ranked = sorted(sure, key=lambda row: row.share, reverse=True)
    best = [row for row in ranked if row.share >= _KEPT][:_MOST_NAMED]
    return best, [row for row in reversed(ranked) if row.share <= _LOST][:_MOST_NAMED]


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


_CALIBRATION = Path(__file__).with_name("calibration.json")
_TOLD = {
    "descriptors": "what is kept of descriptors",
    "descriptor_changes": "how compositions change that",
    "ami": "clusters",
    "accuracy": "accuracy",
    "classes": "changes of single classes",
}


@cache
def calibration() -> Mapping[str, Any]:
    """How well forecasts ordered trained networks, as it was measured for this version.

    Returns:
        {networks, of, image_sets, agreement: {ami, descriptors, descriptor_changes, accuracy, classes: {value, low,
        high, weakest, weakest_value}}, in_order: {right, of, ami_apart}, source}: Spearman correlations within an image
        set, their mean over sets with its 95 % interval; `in_order` pairs whose AMI differed by `ami_apart` or more.

    Source:
        docs/results/forecast.md; `python -m bench.calibration --ship` measures and writes it again.
    """
    found: Mapping[str, Any] = json.loads(_CALIBRATION.read_bytes())
    return found


def calibration_words() -> str:
    """How far to trust it, in few words; `calibration_sentence` has the rest."""
    found = calibration()
    order = found["in_order"]
    return (
        f"Beside {found['networks']} trained networks {order['right']} of {order['of']} pairs of compositions that "
        "differ clearly came in the right order."
    )


def calibration_sentence() -> str:
    """The same in one sentence, for whoever points at the words."""
    found = calibration()
    agreement, order = found["agreement"], found["in_order"]
    told = ", ".join(f"{agreement[name]['value']:.2f} for {words}" for name, words in _TOLD.items())
    name = min(_TOLD, key=lambda one: float(agreement[one]["weakest_value"]))
    where, least = agreement[name]["weakest"], agreement[name]["weakest_value"]
    return (
        f"Beside {found['networks']} trained networks its order agreed by {told} (Spearman; weakest: {_TOLD[name]} on "
        f"{where}, {least:.2f}); {order['right']} of {order['of']} pairs that differ clearly came in the right order."
    )
