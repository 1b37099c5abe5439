"""The table of backbones. A new one is a row here and a file in `learning/backbones/`."""

from __future__ import annotations

from dataclasses import dataclass


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
