"""What the colour transforms share: greys, means and factors of each image, the same bits in any batch.

Formulas: torchvision.transforms.functional on float images (`_blend`, `rgb_to_grayscale`, `_rgb2hsv`, `_hsv2rgb`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from ssrl_core.compositions import Array

if TYPE_CHECKING:
    from torch import Tensor, dtype

GREY = (0.2989, 0.587, 0.114)
_WORTH_A_CALL = 1 << 14  # values of an image above which a call of its own is cheaper than gathering it with others


def grey(images: Tensor) -> Tensor:
    """(n, 1, H, W) brightness: weighted for three channels, the plain mean for any other number."""
    channels = images.shape[1]
    if channels == 1:
        return images.clone()
    weights = GREY if channels == 3 else (1.0 / channels,) * channels
    out = images[:, :1] * weights[0]
    for channel in range(1, channels):
        out += images[:, channel : channel + 1] * weights[channel]
    return out


def mean(values: Tensor) -> Tensor:
    """(n, …) -> (n,) mean of each image.

    Halves are added to halves: a library's sum may order its additions by the size of the batch.
    """
    flat = values.reshape(len(values), -1)
    count = flat.shape[1]
    odd = flat.new_zeros(len(flat))
    while flat.shape[1] > 1:
        half = flat.shape[1] // 2
        if flat.shape[1] % 2:
            odd += flat[:, -1]
        flat = flat[:, :half] + flat[:, half : 2 * half]
    return (flat[:, 0] + odd) / count


def column(values: Array, like: Tensor) -> Tensor:
    """(n,) numbers as (n, 1, 1, 1) on the device of the images."""
    from ssrl_core.compositions.pixels import send

    return send(values[:, None, None, None], like.device)


def brightness(images: Tensor, factor: Array) -> Tensor:
    """f · x, clipped; in place."""
    return images.mul_(column(factor, images)).clamp_(0.0, 1.0)


def contrast(images: Tensor, factor: Array) -> Tensor:
    """f · x + (1 - f) · mean grey of the image, clipped; in place."""
    f = column(factor, images)
    middle = mean(grey(images)).view(-1, 1, 1, 1)
    return images.mul_(f).add_((1.0 - f) * middle).clamp_(0.0, 1.0)


def saturation(images: Tensor, factor: Array) -> Tensor:
    """f · x + (1 - f) · grey, clipped; three channels; in place."""
    f = column(factor, images)
    dull = grey(images).mul_(1.0 - f)
    return images.mul_(f).add_(dull).clamp_(0.0, 1.0)


def hue(images: Tensor, turn: Array) -> Tensor:
    """Colours turned round the colour wheel by `turn` (n,) in -0.5..0.5 turns; three channels; in place.

    The hexagon in one formula: a channel is max - chroma · clip(min(k, 4 - k), 0, 1) with k = (place + 6 h) mod 6 and
    place 5, 3, 1 for red, green, blue; the same values as the table of six cases.
    """
    import torch

    red, green, blue = images.unbind(1)
    top = torch.maximum(torch.maximum(red, green), blue)
    chroma = top - torch.minimum(torch.minimum(red, green), blue)
    is_red, is_green = top == red, top == green
    turned = torch.where(is_red, green - blue, torch.where(is_green, blue - red, red - green))
    turned = turned / torch.where(chroma == 0, 1.0, chroma)
    turned += torch.where(is_red, 0.0, torch.where(is_green, 2.0, 4.0))
    turned += column(6.0 * turn, images)[:, 0]
    for channel, place in enumerate((5.0, 3.0, 1.0)):
        k = turned + place
        k -= (k / 6.0).floor_().mul_(6.0)
        k = torch.minimum(k, 4.0 - k).clamp_(0.0, 1.0).mul_(chroma)
        images[:, channel] = (top - k).clamp_(0.0, 1.0)
    return images


def only_where(images: Tensor, chosen: Array, change: Callable[[Tensor, Array], Tensor]) -> Tensor:
    """Some of the images changed, in place.

    Args:
        chosen: (n,) bool, known on the host, so that nothing waits for the device; or a tensor.
        change: gets those images and their row numbers; may work in place.
    """
    if not isinstance(chosen, np.ndarray):  # on the device (`graphs`): all are changed, and some of it is taken
        changed = change(images.clone(), slice(None))  # type: ignore[unreachable]
        return changed.where(chosen[:, None, None, None], images)
    if chosen.all():
        return change(images, np.arange(len(images)))
    members = np.flatnonzero(chosen)
    if not len(members):
        return images
    spans = np.split(members, np.flatnonzero(np.diff(members) > 1) + 1)
    if len(spans) == 1 or (images.device.type == "cpu" and images[0].numel() >= _WORTH_A_CALL):
        for span in spans:
            part = images[span[0] : span[-1] + 1]
            changed = change(part, span)
            if changed is not part:
                part.copy_(changed)
        return images
    from ssrl_core.compositions.pixels import send

    some = send(members, images.device, long())
    return images.index_copy_(0, some, change(images.index_select(0, some), members))


def long() -> dtype:
    """torch.int64, the type of indices."""
    import torch

    return torch.int64
