"""A small network for CPUs and demonstrations."""

from __future__ import annotations

from collections.abc import Collection

from torch import Tensor, nn

from ssrl_core.learning.backbones import Body

NAMES = ("tiny_cnn",)
_WIDTHS = (32, 64, 128, 128)


def body(name: str, channels: int, small: bool, keys: Collection[str] | None) -> Body:
    """Four 3x3 convolutions with batch norm; every one but the last halves the side (the stem by 4 above 64 px)."""
    return Body(TinyCNN(channels, small), dim=_WIDTHS[-1], min_side=8)


class TinyCNN(nn.Module):
    """(B,C,S,S) to (B,128)."""

    def __init__(self, channels: int, small: bool) -> None:
        super().__init__()
        strides = (2 if small else 4, 2, 2, 1)
        blocks = []
        for index, (width, stride) in enumerate(zip(_WIDTHS, strides, strict=True)):
            kernel = 5 if index == 0 else 3
            blocks.append(_block(channels, width, kernel, stride))
            channels = width
        self.features = nn.Sequential(*blocks)

    def forward(self, images: Tensor) -> Tensor:
        """(B,C,S,S) to (B,128)."""
        maps: Tensor = self.features(images)
        return maps.mean(dim=(2, 3))


def _block(inputs: int, outputs: int, kernel: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )
