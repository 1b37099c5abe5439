"""Image sets that the experiments need: whether they are here, are what they should be, and how to get them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

CIFAR_FILES = "Fetched by torchvision on first use, or lay its archive into data/downloads."


@dataclass(frozen=True)
class Needed:
    """An image set.

    Attributes:
        images: train images of the paper's experiments, for the cost while the set is not here. side: px.
        classes: what it must have at least, to be checked; () asks for none.
        how: how to obtain it.
    """

    name: str
    title: str
    images: int
    side: int
    classes: int
    how: str


_CELLS = (
    "Fetch BBBC021_v1 (Broad Bioimage Benchmark Collection, Caie et al. 2010), make a table of its fields from "
    "BBBC021_v1_image.csv with the columns DNA, actin, tubulin and compound, dose, plate, well, keep the rows of DMSO "
    "and of {} at its four highest doses, then: data cells FIELDS.csv --name {} --size 196 --label compound."
)
NEEDED: dict[str, Needed] = {
    row.name: row
    for row in (
        Needed("mnist", "MNIST", 52_500, 32, 10, "Fetched by torchvision on first use, or import an .npz as `mnist`."),
        Needed("cifar10", "CIFAR-10", 43_750, 32, 10, CIFAR_FILES),
        Needed("cifar100", "CIFAR-100", 43_700, 32, 100, CIFAR_FILES),
        Needed(
            "imagenet100",
            "ImageNet100",
            126_689,
            224,
            100,
            "Take the hundred classes of ImageNet100 (Tian et al. 2020) out of ImageNet, which needs an account at "
            "image-net.org, as one folder a class, then: data import FOLDER --name imagenet100 --size 224.",
        ),
        Needed(
            "bbbc021-nocodazole",
            "BBBC021, nocodazole",
            2450,
            196,
            2,
            _CELLS.format("nocodazole", "bbbc021-nocodazole"),
        ),
        Needed("bbbc021-taxol", "BBBC021, taxol", 1330, 196, 2, _CELLS.format("taxol", "bbbc021-taxol")),
        Needed(
            "bbbc021-cytochalasin-b",
            "BBBC021, cytochalasin B",
            1610,
            196,
            2,
            _CELLS.format("cytochalasin B", "bbbc021-cytochalasin-b"),
        ),
        Needed(
            "bbbc021-crops",
            "BBBC021 crops of 68 px",
            1397,
            68,
            2,
            "Single-cell crops of BBBC021 with the column moa, imported with --label moa.",
        ),
        Needed("simulated-cells", "Simulated cells", 1400, 96, 2, "Made on first use."),
        Needed("simulated-nocodazole", "Simulated nocodazole", 2450, 64, 2, "Made on first use."),
        Needed("strokes", "Strokes", 7000, 28, 10, "Made on first use."),
    )
}


def check(name: str) -> dict[str, Any]:
    """{name, title, ready, problem, how}: whether an image set is here and has what the experiments need."""
    from ssrl_core.datasets import builtin
    from ssrl_core.datasets import store as image_sets

    row = NEEDED[name]
    ready = name in image_sets.names() and image_sets.is_ready(name)
    problem = None
    if ready:
        about = image_sets.summary(name)
        if len(about["classes"]) < row.classes:
            problem = f"It has {len(about['classes'])} classes, at least {row.classes} are needed."
    made = name in builtin.BUILT_IN and not builtin.BUILT_IN[name].fetched
    return {
        "name": name,
        "title": row.title,
        "ready": (ready or made) and problem is None,
        "problem": problem if ready or made else "It is not here.",
        "how": row.how,
    }
