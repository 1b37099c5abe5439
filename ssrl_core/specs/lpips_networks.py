"""The networks behind LPIPS, one row each: what the core loads, and what pages and commands offer (no torch here).

A new one is a row here (its name is what the package `lpips` calls it) and its file of features in the weights' folder.
"""

from __future__ import annotations

from dataclasses import dataclass

SMALLEST_PX = 64
"""Side that smaller views are enlarged to, unless one asks for another."""
LEAST_PX = 32
"""Side that every network can take."""
SIDES_PX = (32, 64, 128, 224)
"""What pages offer."""


@dataclass(frozen=True)
class LpipsNetwork:
    """A network whose features LPIPS compares.

    Attributes:
        files: our file of its ImageNet features (keys `features.*`), and torchvision's own; either will do.
        address: where torchvision's file comes from.
        megabytes: size of that file.
        values_per_pixel: of its widest stage, per input pixel: what memory it takes.
    """

    name: str
    title: str
    files: tuple[str, str]
    address: str
    megabytes: int
    values_per_pixel: int


_ROWS = (
    LpipsNetwork(
        "alex",
        "AlexNet",
        ("alexnet_features.safetensors", "alexnet-owt-7be5be79.pth"),
        "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth",
        233,
        12,
    ),
    LpipsNetwork(
        "vgg",
        "VGG16",
        ("vgg16_features.safetensors", "vgg16-397923af.pth"),
        "https://download.pytorch.org/models/vgg16-397923af.pth",
        528,
        128,
    ),
)
LPIPS_NETWORKS = {row.name: row for row in _ROWS}
USUAL = _ROWS[0].name
NAMES = " or ".join(LPIPS_NETWORKS)
