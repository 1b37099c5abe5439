"""The part of a network that is kept: normalisation, backbone, global average pooling."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

_SMALLEST_SD = 1e-3  # a channel of one value must not divide by zero


class Encoder(nn.Module):
    """Images in 0..1 to embeddings.

    Args:
        body: (B,C,S,S) normalised images to (B,D); its keys are torchvision's, without a head.
        name: the backbone's name in `specs.backbones`.
        dim: D.
        channels: C.
        side: S in px, the side of the views it is trained on; `embedding.embed` brings images to it.
        stem: "small" or "standard", as built.
        min_side: smaller images are enlarged to it (bilinear), e.g. 32 px for VGG's five poolings.
        mean, sd: (C,) of the train split in 0..1; the first layer subtracts and divides.
    """

    mean: Tensor
    sd: Tensor

    def __init__(
        self,
        body: nn.Module,
        *,
        name: str,
        dim: int,
        channels: int,
        side: int,
        stem: str,
        min_side: int = 1,
        mean: Sequence[float],
        sd: Sequence[float],
    ) -> None:
        super().__init__()
        self.body = body
        self.name, self.dim, self.channels, self.side, self.stem = name, dim, channels, side, stem
        self.min_side = min_side
        self.register_buffer("mean", torch.tensor([float(v) for v in mean]).view(1, -1, 1, 1))
        self.register_buffer("sd", torch.tensor([max(float(v), _SMALLEST_SD) for v in sd]).view(1, -1, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        """(B,C,S,S) float in 0..1 to (B,D)."""
        embedding: Tensor = self.body(self.enlarged((images - self.mean) / self.sd))
        return embedding

    def enlarged(self, images: Tensor) -> Tensor:
        """Images at least `min_side` high and wide."""
        height, width = images.shape[-2:]
        if min(height, width) >= self.min_side:
            return images
        size = (max(height, self.min_side), max(width, self.min_side))
        return functional.interpolate(images, size=size, mode="bilinear", align_corners=False)
