"""The tables of backbones and of feature banks, fixed networks whose outputs the closed form takes. No torch here.

A new one is a row here and a file in `learning/backbones/` or `learning/features/`. Beside the rows, every backbone
with ImageNet weights is a bank, and so are `timm/NAME` and `run:ID` (the network of a finished run).
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass

from ssrl_core.errors import SpecError


@dataclass(frozen=True)
class BackboneRow:
    """A network that turns an image into an embedding.

    Attributes:
        dim: length of the embedding.
        min_side: smallest image side it takes, px; smaller images are enlarged.
        parameters_m: millions of parameters, three input channels, without head.
        cpu_images_per_s: images of 32 px trained a second on two cores (an image = two views), a first estimate.
        imagenet: torchvision has ImageNet weights for it.
    """

    name: str
    title: str
    sentence: str
    dim: int
    min_side: int
    parameters_m: float
    cpu_images_per_s: float
    imagenet: bool = True


_ROWS = (
    BackboneRow(
        "tiny_cnn",
        "Tiny CNN",
        "Four small convolution blocks: for CPUs, rehearsals and demonstrations.",
        128,
        8,
        0.24,
        600,
        False,
    ),
    BackboneRow("vgg11", "VGG11", "Eight convolutions; the paper's network for digits.", 512, 32, 9.2, 60),
    BackboneRow("vgg13", "VGG13", "Ten convolutions; the paper's network for cells.", 512, 32, 9.4, 35),
    BackboneRow("vgg16", "VGG16", "Thirteen convolutions.", 512, 32, 14.7, 28),
    BackboneRow("vgg19", "VGG19", "Sixteen convolutions.", 512, 32, 20.0, 22),
    BackboneRow(
        "resnet18", "ResNet18", "Eighteen layers with shortcuts; the usual choice for small studies.", 512, 8, 11.2, 15
    ),
    BackboneRow("resnet34", "ResNet34", "Thirty-four layers with shortcuts.", 512, 8, 21.3, 8),
    BackboneRow("resnet50", "ResNet50", "Fifty layers with shortcuts and bottlenecks.", 2048, 8, 23.5, 6),
    BackboneRow(
        "resnet101", "ResNet101", "A hundred and one layers with shortcuts and bottlenecks.", 2048, 8, 42.5, 3.5
    ),
    BackboneRow(
        "resnet152", "ResNet152", "A hundred and fifty-two layers with shortcuts and bottlenecks.", 2048, 8, 58.1, 2.5
    ),
    BackboneRow(
        "convnext_tiny",
        "ConvNeXt-Tiny",
        "A convolution network with the recipe of vision transformers.",
        768,
        16,
        27.8,
        8,
    ),
)

BACKBONES: dict[str, BackboneRow] = {row.name: row for row in _ROWS}


DEFAULT, LIVE = "random", "live"
_TIMM = re.compile(r"^timm/[a-zA-Z0-9_.]{1,80}$")
_RUN = re.compile(r"^run:[a-z0-9][a-z0-9._-]{0,120}$")


@dataclass(frozen=True)
class BankRow:
    """A fixed network.

    Attributes:
        dim: numbers it makes of a view.
        ms_per_view: of one core, one channel, a first estimate.
        weights: it needs a file of ImageNet weights.
    """

    name: str
    title: str
    sentence: str
    dim: int
    ms_per_view: float
    weights: bool = False


_BANKS = (
    BankRow(
        "random",
        "Random features",
        "Five layers of random weights at two scales; no file, no training, any number of channels.",
        1152,
        0.55,
    ),
    BankRow("live", "Random features, quick", "The same at one scale, for answers within a second.", 576, 0.15),
    BankRow(
        "patches",
        "Patches of these images",
        "How alike each place of an image is to 256 typical patches of the image set itself.",
        1024,
        0.8,
    ),
    BankRow("alexnet", "AlexNet", "All five stages of AlexNet, trained on ImageNet.", 1152, 1.5, True),
    BankRow("vgg16", "VGG16", "All five stages of VGG16, trained on ImageNet.", 1472, 15.0, True),
)

BANKS: dict[str, BankRow] = {row.name: row for row in _BANKS}


def check_bank(name: object, where: str) -> str:
    """The name of a bank.

    Raises:
        SpecError: there is none of this name; says the nearest.
    """
    imagenet = [row.name for row in BACKBONES.values() if row.imagenet]
    known = [*BANKS, *(other for other in imagenet if other not in BANKS)]
    if isinstance(name, str) and (name in known or _TIMM.match(name) or _RUN.match(name)):
        return name
    near = difflib.get_close_matches(str(name), known, n=1)
    raise SpecError.at(
        where,
        "bank",
        f"one of {', '.join(known)}, timm/NAME or run:ID",
        name,
        f"Did you mean {near[0]}?" if near else f"Leave it out for {DEFAULT}.",
    )
