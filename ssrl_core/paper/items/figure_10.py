"""Figure 10: ImageNet VGGs of several sizes on nocodazole, every concentration against untreated cells."""

from __future__ import annotations

from ssrl_core.paper import cells, pretrained_sizes
from ssrl_core.paper.evidence import Evidence
from ssrl_core.paper.item import Item, Outcome, Plan

NETWORKS = ("vgg11", "vgg13", "vgg16", "vgg19")
SMALL = ("vgg16",)


def compare(evidence: Evidence) -> Outcome:
    """AMI of each size at each concentration."""
    networks = NETWORKS if evidence.scale == "full" else SMALL
    return pretrained_sizes.outcome(evidence, networks, "vgg16")


ITEM = Item(
    "figure-10",
    "ImageNet VGGs of several sizes, no training",
    "VGG16 is best.",
    {
        "full": Plan(
            measures=pretrained_sizes.measures_of(NETWORKS, cells.SUBSETS["nocodazole"], "nocodazole"),
            needs=(cells.SUBSETS["nocodazole"],),
            says="Needs every concentration (not the four highest only) and the ImageNet weights of each size.",
        ),
        "small": Plan(
            measures=pretrained_sizes.measures_of(SMALL, "simulated-cells", "sim-nocodazole"),
            needs=("simulated-cells",),
            says="Rehearsal on simulated cells with one size, whose weights must be in models/weights; sizes cannot be "
            "compared with one.",
        ),
    },
    compare,
)
