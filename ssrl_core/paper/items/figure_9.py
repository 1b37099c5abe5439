"""Figure 9: ImageNet ResNets of several sizes on nocodazole, every concentration against untreated cells."""

from __future__ import annotations

from ssrl_core.paper import pretrained_sizes
from ssrl_core.paper.evidence import Evidence
from ssrl_core.paper.item import Item, Outcome

NETWORKS = ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152")
SMALL = ("resnet18",)


def compare(evidence: Evidence) -> Outcome:
    """AMI of each size at each concentration."""
    networks = NETWORKS if evidence.scale == "full" else SMALL
    return pretrained_sizes.outcome(evidence, networks, "resnet101")


ITEM = Item(
    "figure-9",
    "ImageNet ResNets of several sizes, no training",
    "ResNet101 has the highest AMI on the four highest concentrations; with randomised labels AMI is about 0.",
    pretrained_sizes.plans(NETWORKS, SMALL),
    compare,
)
