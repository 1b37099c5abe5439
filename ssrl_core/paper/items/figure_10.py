"""Figure 10: ImageNet VGGs of several sizes on nocodazole, every concentration against untreated cells."""

from __future__ import annotations

from ssrl_core.paper.evidence import Evidence
from ssrl_core.paper.item import Item, Outcome
from ssrl_core.paper.items import figure_9

NETWORKS = ("vgg11", "vgg13", "vgg16", "vgg19")
SMALL = ("vgg16", *figure_9.LITE)


def compare(evidence: Evidence) -> Outcome:
    """AMI of each size at each concentration."""
    return figure_9.outcome(evidence, NETWORKS, "vgg16")


ITEM = Item(
    "figure-10",
    "ImageNet VGGs of several sizes, no training",
    "Of the VGGs, VGG16 tells treated from untreated cells apart most clearly.",
    figure_9.plans(NETWORKS, SMALL),
    compare,
    unsolved=figure_9.UNSOLVED,
)
