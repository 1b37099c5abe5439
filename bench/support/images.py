"""The pictures that are measured on: real ones from `SSRL_SHARED` where there are any, else sets that ship."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Pictures:
    """Images (N, 3, S, S) uint8 and what they are."""

    pixels: npt.NDArray[Any]
    what: str


def cifar_32(count: int = 512) -> Pictures:
    """Real CIFAR-10, else simulated noise of its size."""
    file = shared("data/cifar10/cifar10_small.npz")
    if file is None:
        return _strokes(count, 32)
    with np.load(file) as archive:
        pixels = archive["x_train"][:count]
    return Pictures(np.ascontiguousarray(pixels.transpose(0, 3, 1, 2)), "real CIFAR-10 (shared), 32 px")


def cifar_32_labels(count: int = 512) -> npt.NDArray[Any]:
    """Labels of the same images, else chance (the speed is the same)."""
    file = shared("data/cifar10/cifar10_small.npz")
    if file is None:
        return np.random.default_rng(0).integers(0, 10, count)
    with np.load(file) as archive:
        labels: npt.NDArray[Any] = archive["y_train"][:count]
    return labels


def cells_196(count: int = 64) -> Pictures:
    """Real three-channel cells of 68 px, enlarged to 196 px and taken to 8 bit."""
    file = shared("data/bbbc021/cells.npz")
    if file is None:
        return _strokes(count, 196)
    from PIL import Image

    with np.load(file) as archive:
        x = archive["x"][:count]
    bright = np.clip(x / max(1, int(np.percentile(x, 99.9))), 0, 1)
    bytes_ = (255 * bright).astype(np.uint8)
    grown = [np.asarray(Image.fromarray(image).resize((196, 196), Image.Resampling.BICUBIC)) for image in bytes_]
    pixels = np.ascontiguousarray(np.stack(grown).transpose(0, 3, 1, 2))
    return Pictures(pixels, "real BBBC021 cells (shared), 68 px enlarged to 196 px, 8 bit")


def _strokes(count: int, side: int) -> Pictures:
    from PIL import Image

    from ssrl_core.datasets import store

    some = np.asarray(store.load("strokes", report=lambda done, total, what: None).pixels[:count, 0])
    grown = np.stack([np.asarray(Image.fromarray(image).resize((side, side))) for image in some])
    pixels = np.repeat(grown[:, None], 3, axis=1)
    return Pictures(np.ascontiguousarray(pixels), f"strokes (shipped, three equal channels), enlarged to {side} px")


def mnist(train: int, test: int) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """The first digits of either split of MNIST, train images first: (N, 1, 28, 28) uint8, and their labels as text."""
    data = _archive("data/mnist/mnist.npz")
    pixels = np.concatenate([data["x_train"][:train], data["x_test"][:test]])[:, None]
    return pixels, np.concatenate([data["y_train"][:train], data["y_test"][:test]]).astype(str)


def cifar10() -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """5,000 train and 2,000 test images of CIFAR-10: (N, 3, 32, 32) uint8, and the names of their classes."""
    data = _archive("data/cifar10/cifar10_small.npz")
    pixels = np.moveaxis(np.concatenate([data["x_train"], data["x_test"]]), -1, 1)
    return np.ascontiguousarray(pixels), data["names"][np.concatenate([data["y_train"], data["y_test"]])].astype(str)


def bbbc021() -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Crops of real cells, (N, 3, 68, 68) uint16, and the mechanism of each."""
    data = _archive("data/bbbc021/cells.npz")
    return np.ascontiguousarray(np.moveaxis(data["x"], -1, 1)), data["moa"].astype(str)


def shared(name: str) -> Path | None:
    """A file of `SSRL_SHARED`, or None."""
    file = shared_folder() / name
    return file if file.is_file() else None


def shared_folder() -> Path:
    """`SSRL_SHARED`, the folder that holds `data/`."""
    return Path(os.environ.get("SSRL_SHARED", "../shared"))


def _archive(name: str) -> Any:
    return np.load(shared_folder() / name, allow_pickle=False)
