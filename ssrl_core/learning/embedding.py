"""From images to embeddings: of the images as they are, and of images passed once through a composition."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from ssrl_core.compositions.draws import draw, shown_of
from ssrl_core.compositions.views import make_views
from ssrl_core.compositions.views import view_side as group_side
from ssrl_core.datasets.imageset import ImageSet
from ssrl_core.learning.backbones import build
from ssrl_core.learning.backbones.encoder import Encoder
from ssrl_core.learning.devices import pick_device
from ssrl_core.specs.composition import Composition
from ssrl_core.specs.run import RunSpec

Report = Callable[[int, int], None]
Show = Callable[[Tensor], Tensor]
"""From stored pixels (B,C,H,W) to what an encoder is shown of them: (B,C,h,w) float32 in 0..1 on the same device."""
_BATCH, _VALUES = 512, 1 << 22  # images, or values of them, that are embedded at once
_WIDE = {torch.uint16: torch.int32}  # uint16 tensors know too few operations


def embed(
    encoder: Encoder,
    pixels: NDArray[Any],
    image_ids: NDArray[np.int64],
    *,
    max_value: int,
    device: torch.device | str,
    batch_size: int | None = None,
    report: Report | None = None,
    show: Show | None = None,
) -> NDArray[np.float32]:
    """Embeddings of images as they are, in float32, with the encoder in evaluation mode.

    Images of another side than the encoder's (the side of the views it was trained on) are resized (bilinear,
    antialiased).

    Args:
        pixels: (N,C,H,W) uint8 or uint16, array or memory map.
        image_ids: (n,) which images, in this order.
        max_value: the pixel value that is 1.0.
        batch_size: images at once; else `at_once`.
        report: called with (images done, images).
        show: what of the images is embedded (`showing`); else all of them.

    Returns:
        (n, D) float32.
    """
    show = show or (lambda stored: as_float(stored, max_value))
    device = _placed(encoder, device)
    batch_size = batch_size or at_once(pixels.shape[1:])
    made = np.empty((len(image_ids), encoder.dim), dtype=np.float32)
    for start in range(0, len(image_ids), batch_size):
        chunk = torch.from_numpy(np.ascontiguousarray(pixels[image_ids[start : start + batch_size]])).to(device)
        made[start : start + batch_size] = _forward(encoder, show(chunk))
        if report is not None:
            report(min(start + batch_size, len(image_ids)), len(image_ids))
    return made


def views_of(
    imageset: ImageSet,
    image_ids: NDArray[np.int64],
    composition: Composition,
    *,
    seed: int,
    device: torch.device | str,
    batch_size: int | None = None,
) -> Iterator[tuple[NDArray[np.int64], Tensor]]:
    """One view of each image: view 0 of the first view group, draws of epoch 0 of this seed.

    Yields:
        (image ids (B,), views (B,C,S,S) float32 in 0..1 on the device).
    """
    one = replace(composition, views=(replace(composition.views[0], count=1),))
    batch_size = batch_size or at_once(imageset.shape)
    for start in range(0, len(image_ids), batch_size):
        ids = image_ids[start : start + batch_size]
        pixels = torch.from_numpy(imageset.take(ids)).to(pick_device(str(device)))
        drawn = draw(one, ids, seed=seed, epoch=0)
        yield ids, make_views(pixels, drawn, one, max_value=imageset.max_value)[0][0]


def fresh_encoder(spec: RunSpec, imageset: ImageSet) -> Encoder:
    """The encoder that a run starts from: its backbone, seed and weights, on the CPU."""
    mean, sd = imageset.channel_stats()
    return build(
        spec.backbone.name,
        channels=imageset.shape[0],
        side=view_side(spec, imageset),
        stem=spec.backbone.stem,
        weights=spec.backbone.weights,
        mean=mean.tolist(),
        sd=sd.tolist(),
        seed=spec.seed,
    )


def untrained_encoder(spec: RunSpec, imageset: ImageSet) -> Encoder:
    """The reference beside a trained encoder: the same network before its first step, in evaluation mode.

    Beside a solved one it is the feature bank alone.
    """
    if spec.is_solved:
        from ssrl_core.learning.solving import bank_alone

        return bank_alone(spec, imageset)
    if not spec.is_trained:  # else the reference would be the network itself
        spec = replace(spec, backbone=replace(spec.backbone, weights=None))
    return fresh_encoder(spec, imageset).eval()


def view_side(spec: RunSpec, imageset: ImageSet) -> int:
    """Side in px of the first term's first view group, which the encoder is built for."""
    return group_side(spec.terms[0].composition.views[0], imageset.shape[1:])


def showing(spec: RunSpec, imageset: ImageSet) -> Show:
    """What a network is shown of an image when it is measured (`evaluate.input`): the one place that makes it.

    `whole`: the image as it is. `fixed_steps`: what `compositions.draws.shown_of` leaves of it, the same for every
    image, epoch and seed.
    """
    steps = shown_of(spec)
    if steps is None:
        return lambda pixels: as_float(pixels, imageset.max_value)

    def fixed(pixels: Tensor) -> Tensor:
        drawn = draw(steps, np.arange(len(pixels)), seed=0, epoch=0)
        return make_views(pixels, drawn, steps, max_value=imageset.max_value)[0][0]

    return fixed


def at_once(shape: tuple[int, ...]) -> int:
    """Images (C,H,W) that are taken through a network at once: at most 512, fewer where they are large.

    Copies of a batch (floats, views, maps of a network) are what memory goes to; larger ones save no time.
    """
    return max(1, min(_BATCH, _VALUES // max(1, int(np.prod(shape)))))


def as_float(pixels: Tensor, max_value: int) -> Tensor:
    """uint8 or uint16 pixels as float32 in 0..1."""
    return pixels.to(_WIDE.get(pixels.dtype, pixels.dtype)).float() / max_value


def sized(encoder: Encoder, images: Tensor) -> Tensor:
    """Images (B,C,H,W) at the side that the encoder was built for."""
    return at_side(images, encoder.side)


def at_side(images: Tensor, side: int) -> Tensor:
    """Images (B,C,H,W) at a side of S px (bilinear, antialiased)."""
    if tuple(images.shape[-2:]) == (side, side):
        return images
    return functional.interpolate(images, size=(side, side), mode="bilinear", align_corners=False, antialias=True)


def embed_batch(encoder: Encoder, images: Tensor, *, device: torch.device | str) -> NDArray[np.float32]:
    """Embeddings (B, D) of images (B,C,H,W) float32 in 0..1, in one pass; else as `embed`."""
    return _forward(encoder, images.to(_placed(encoder, device)))


@torch.inference_mode()
def _forward(encoder: Encoder, images: Tensor) -> NDArray[np.float32]:
    embedding: Tensor = encoder(sized(encoder, images))
    return embedding.float().cpu().numpy()


def _placed(encoder: Encoder, device: torch.device | str) -> torch.device:
    chosen = pick_device(str(device))
    encoder.eval().to(chosen)
    return chosen
