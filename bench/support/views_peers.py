"""The peers of the view engine: the same recipe in PIL, in kornia and in torchvision v2.

Each maker takes images (N, 3, S, S) uint8, a recipe's name, and how many of the images are used at the most. It returns
a function that makes one view of a batch, normalised, and says how many. Data loading and batching beyond a list of
images is nobody's task here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy.typing as npt
import torch

Array = npt.NDArray[Any]
MEAN, SD = (0.4914, 0.4822, 0.4465), (0.247, 0.2435, 0.2616)
JITTER = {"basic": (0.8, 0.8, 0.8, 0.2), "full": (0.8, 0.8, 0.8, 0.2), "cells": (0.4, 0.4, 0.4, 0.125)}


def pil(pixels: Array, recipe: str, most: int = 128) -> Callable[[], int]:
    """solo-learn's pipeline (`solo/data/pretrain_dataloader.py`), written with torchvision on PIL images.

    Crops are bicubic as solo-learn's, its blur and solarization are PIL's own; one image after the other, as in a
    worker of a data loader.
    """
    import random

    from PIL import Image, ImageFilter, ImageOps
    from torchvision import transforms as T

    def blur(image: Any) -> Any:
        return image.filter(ImageFilter.GaussianBlur(radius=random.uniform(0.1, 2.0)))

    side = pixels.shape[-1]
    bicubic, bilinear = T.InterpolationMode.BICUBIC, T.InterpolationMode.BILINEAR
    end = [T.ToTensor(), T.Normalize(MEAN, SD)]
    if recipe == "cells":
        steps = [
            T.RandomRotation(360, bilinear),
            T.RandomAffine(20, (0.1, 0.1), shear=10, interpolation=bilinear),
            T.ColorJitter(*JITTER[recipe]),
            T.RandomResizedCrop(side, (0.5, 1.0), interpolation=bilinear),
        ]
    else:
        steps = [
            T.RandomResizedCrop(side, (0.08, 1.0), interpolation=bicubic),
            T.RandomApply([T.ColorJitter(*JITTER[recipe])], 0.8),
            T.RandomGrayscale(0.2),
        ]
        if recipe == "full":
            steps += [T.RandomApply([T.Lambda(blur)], 0.5), T.RandomApply([T.Lambda(ImageOps.solarize)], 0.2)]
        steps += [T.RandomHorizontalFlip(0.5)]
    whole = T.Compose(steps + end)
    images = [Image.fromarray(image.transpose(1, 2, 0)) for image in pixels[:most]]

    def work() -> int:
        torch.stack([whole(image) for image in images])
        return len(images)

    return work


def torchvision_v2(pixels: Array, recipe: str, most: int = 128) -> Callable[[], int]:
    """torchvision's v2 transforms on uint8 tensors, image by image (they draw once for a whole batch)."""
    from torchvision.transforms import v2

    side = pixels.shape[-1]
    bilinear = v2.InterpolationMode.BILINEAR
    if recipe == "cells":
        steps: list[Any] = [
            v2.RandomRotation(360, bilinear),
            v2.RandomAffine(20, (0.1, 0.1), shear=10, interpolation=bilinear),
            v2.ColorJitter(*JITTER[recipe]),
            v2.RandomResizedCrop(side, (0.5, 1.0), antialias=True),
        ]
    else:
        steps = [
            v2.RandomResizedCrop(side, (0.08, 1.0), antialias=True),
            v2.RandomApply([v2.ColorJitter(*JITTER[recipe])], 0.8),
            v2.RandomGrayscale(0.2),
        ]
        if recipe == "full":
            steps += [v2.RandomApply([v2.GaussianBlur(13, (0.1, 2.0))], 0.5), v2.RandomSolarize(128, 0.2)]
        steps += [v2.RandomHorizontalFlip(0.5)]
    whole = v2.Compose([*steps, v2.ToDtype(torch.float32, scale=True), v2.Normalize(MEAN, SD)])
    images = list(torch.from_numpy(pixels[:most]))

    def work() -> int:
        torch.stack([whole(image) for image in images])
        return len(images)

    return work


def kornia(pixels: Array, recipe: str, most: int | None = None, *, device: str = "cpu") -> Callable[[], int]:
    """kornia's batched augmentations, each image with parameters of its own; on another device of all images."""
    import kornia.augmentation as K

    side = pixels.shape[-1]
    if recipe == "cells":
        steps: list[Any] = [
            K.RandomRotation(360.0, p=1.0),
            K.RandomAffine(20.0, (0.1, 0.1), shear=10.0, p=1.0),
            K.ColorJitter(*JITTER[recipe], p=1.0),
            K.RandomResizedCrop((side, side), (0.5, 1.0)),
        ]
    else:
        steps = [
            K.RandomResizedCrop((side, side), (0.08, 1.0)),
            K.ColorJitter(*JITTER[recipe], p=0.8),
            K.RandomGrayscale(p=0.2),
        ]
        if recipe == "full":
            steps += [K.RandomGaussianBlur((13, 13), (0.1, 2.0), p=0.5), K.RandomSolarize(0.0, 0.0, p=0.2)]
        steps += [K.RandomHorizontalFlip(p=0.5)]
    whole = K.AugmentationSequential(*steps, K.Normalize(torch.tensor(MEAN), torch.tensor(SD)), data_keys=["input"])
    few = most or (len(pixels) if device != "cpu" else 128 if side < 100 else 16)
    images, whole = torch.from_numpy(pixels[:few]).to(device), whole.to(device)

    @torch.no_grad()
    def work() -> int:
        whole(images.float() / 255)
        if images.is_cuda:
            torch.cuda.synchronize(images.device)
        return len(images)

    return work


PEERS = {"pil": (pil, "pillow"), "kornia": (kornia, "kornia"), "torchvision-v2": (torchvision_v2, "torchvision")}
"""Name of a peer: how to make it, and the package whose version is said."""
