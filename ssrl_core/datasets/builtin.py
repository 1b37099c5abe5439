"""The image sets that are there without an import. A new one = its row here and one file with a `make`."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

from ssrl_core.datasets.progress import Report

_DIGITS = tuple("0123456789")
_CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_CIFAR100 = tuple(
    """
    apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel
    can castle caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur
    dolphin elephant flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion
    lizard lobster man maple_tree motorcycle mountain mouse mushroom oak_tree orange orchid otter palm_tree
    pear pickup_truck pine_tree plain plate poppy porcupine possum rabbit raccoon ray road rocket rose sea
    seal shark shrew skunk skyscraper snail snake spider squirrel streetcar sunflower sweet_pepper table tank
    telephone television tiger tractor train trout tulip turtle wardrobe whale willow_tree wolf woman worm
    """.split()  # noqa: SIM905 - a hundred quotes would hide the words
)


@dataclass(frozen=True)
class BuiltIn:
    """What a built-in image set will be, before it is made.

    Attributes:
        module: the file in this room whose `make(report)` creates it.
        fetched: whether making it needs the network, or files laid by hand.
        seconds: about how long making it takes.
    """

    name: str
    title: str
    sentence: str
    module: str
    count: int
    shape: tuple[int, int, int]
    classes: tuple[str, ...]
    splits: tuple[int, int, int]
    fetched: bool = False
    label: str = "digit"
    dtype: str = "uint8"
    seconds: int = 5

    def make(self, report: Report | None = None) -> None:
        """Create it in the store."""
        importlib.import_module(f"ssrl_core.datasets.made.{self.module}").make(self, report)


BUILT_IN: dict[str, BuiltIn] = {
    row.name: row
    for row in (
        BuiltIn(
            "strokes",
            "Strokes",
            "Digits drawn by a pen, with the truth of each: digit, writer, thickness, slant, size, place.",
            "strokes",
            10_000,
            (1, 28, 28),
            _DIGITS,
            (7000, 1000, 2000),
        ),
        BuiltIn(
            "digits",
            "Digits (scikit-learn)",
            "Real handwritten digits, 8 × 8 pixels of 17 grey levels.",
            "digits",
            1797,
            (1, 8, 8),
            _DIGITS,
            (1259, 179, 359),
        ),
        BuiltIn(
            "simulated-cells",
            "Simulated cells",
            "Drawn cells, untreated and under three compounds at eight doses, with the truth of each: response, "
            "nuclear shape, neighbours.",
            "simulated_cells",
            2_000,
            (3, 96, 96),
            ("DMSO", "sim-nocodazole", "sim-cytochalasin-b", "sim-taxol"),
            (1_400, 200, 400),
            label="compound",
            seconds=60,
        ),
        BuiltIn(
            "mnist",
            "MNIST",
            "Real handwritten digits; the paper's first data set.",
            "mnist",
            70_000,
            (1, 28, 28),
            _DIGITS,
            (52_500, 7_500, 10_000),
            fetched=True,
        ),
        BuiltIn(
            "cifar10",
            "CIFAR-10",
            "Small photographs of ten kinds of things.",
            "cifar",
            60_000,
            (3, 32, 32),
            _CIFAR10,
            (43_750, 6_250, 10_000),
            fetched=True,
            label="label",
        ),
        BuiltIn(
            "cifar100",
            "CIFAR-100",
            "Small photographs of a hundred kinds of things.",
            "cifar",
            60_000,
            (3, 32, 32),
            _CIFAR100,
            (43_700, 6_300, 10_000),
            fetched=True,
            label="label",
        ),
        BuiltIn(
            "simulated-nocodazole",
            "Simulated nocodazole",
            "Drawn cells, half untreated, half under the four higher doses of one compound: as many as the paper took "
            "of BBBC021.",
            "simulated_cells",
            3_500,
            (3, 64, 64),
            ("DMSO", "sim-nocodazole"),
            (2_450, 350, 700),
            label="compound",
            seconds=60,
        ),
        BuiltIn(
            "simulated-screen",
            "Simulated screen",
            "A drawn screen: six plates of two weeks that differ, four mechanisms of four compounds, twelve compounds "
            "that do nothing, one that only loses cells; what each does is known.",
            "simulated_screen",
            4_141,
            (3, 48, 48),
            (
                "untreated",
                "microtubule destabilizer",
                "actin disruptor",
                "microtubule stabilizer",
                "mitotic arrest",
                "cell loss",
                "nothing",
            ),
            (2_901, 400, 840),
            label="acts_as",
            seconds=90,
        ),
    )
}


def source_of(name: str) -> str:
    """What imageset.json says in `source` of a set that was made here."""
    return f"built-in:{name}"


def promised(row: BuiltIn) -> dict[str, Any]:
    """The item of `data list` (docs/contracts.md C11) of a set that is not made yet; its fingerprint is not known."""
    return {
        "name": row.name,
        "title": row.title,
        "count": row.count,
        "shape": list(row.shape),
        "dtype": row.dtype,
        "classes": list(row.classes),
        "splits": dict(zip(("train", "val", "test"), row.splits, strict=True)),
        "label": row.label,
        "fingerprint": None,
    }
