"""Readings of "average LPIPS between views" of table 2, which says neither the size, nor the range, nor the pairs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

SIZES = (32, 64, 224)
RANGES = ("-1..1", "0..1", "normalised")
PAIRS = ("views", "image and view")
PUBLISHED = {
    "mnist-rotation-crop": 0.22,
    "mnist-rotation-crop-padding": 0.25,
    "mnist-first-set": 0.33,
    "mnist-rotation-crop-flips": 0.32,
    "mnist-second-set": 0.51,
}
_MEAN, _SD = 0.1307, 0.3081  # of MNIST, as loaders usually normalise it


def readings(parameters: Mapping[str, Any], report: Callable[[int, int], None] | None = None) -> dict[str, Any]:
    """LPIPS (AlexNet) of the five rows under every reading, and how far each is from the published values.

    Parameters:
        dataset, n (images), seed.

    Readings: the side at which AlexNet sees the 32 px views (as they are, or enlarged), the range of the numbers it is
    given (LPIPS asks for −1..1; 0..1 and images normalised by MNIST's mean and sd are common slips), the pairs.

    Returns:
        {readings: [{size_px, range, pairs, values, distance (mean absolute difference), in_order}], n}, nearest first.
    """
    rows = []
    cells = [(size, kind, pair) for size in parameters.get("sizes", SIZES) for kind in RANGES for pair in PAIRS]
    for number, (size, kind, pair) in enumerate(cells, 1):
        values = {name: _mean(parameters, name, size, kind, pair) for name in PUBLISHED}
        rows.append({"size_px": size, "range": kind, "pairs": pair, "values": values, **_against(values)})
        if report:
            report(number, len(cells))
    return {"readings": sorted(rows, key=lambda row: row["distance"]), "n": parameters["n"]}


def _against(values: Mapping[str, float]) -> dict[str, Any]:
    apart = [abs(values[name] - published) for name, published in PUBLISHED.items()]
    order = sorted(PUBLISHED, key=PUBLISHED.__getitem__)
    means = [values[name] for name in order]
    return {"distance": float(np.mean(apart)), "in_order": means == sorted(means)}


def _mean(parameters: Mapping[str, Any], name: str, size: int, kind: str, pair: str) -> float:
    """Mean over the images."""
    found = [apart for a, b in _pairs(parameters, name, pair) for apart in _distance(a, b, size, kind)]
    return float(np.mean(found))


def _pairs(parameters: Mapping[str, Any], name: str, pair: str) -> Iterator[tuple[Tensor, Tensor]]:
    """Two images each, (B,1,32,32) in 0..1, some at a time."""
    import torch

    from ssrl_core.compositions.draws import draw
    from ssrl_core.compositions.views import make_views
    from ssrl_core.datasets import store as image_sets
    from ssrl_core.specs.composition import load

    imageset, composition = image_sets.load(parameters["dataset"]), load(name)
    ids = imageset.split_ids("test")[: parameters["n"]]
    for start in range(0, len(ids), 50):
        some = ids[start : start + 50]
        pixels = torch.from_numpy(np.array(imageset.pixels[some]))
        drawn = draw(composition, some, seed=parameters["seed"], epoch=0)
        views = make_views(pixels, drawn, composition, max_value=imageset.max_value)[0]
        whole = torch.nn.functional.interpolate(
            pixels.float() / imageset.max_value, views.shape[-2:], mode="bilinear", align_corners=False
        )
        yield (views[0], views[1]) if pair == "views" else (whole, views[0])


def _distance(a: Tensor, b: Tensor, size: int, kind: str) -> list[float]:
    """(B,) LPIPS of pairs at a size, in a range."""
    import torch

    from ssrl_core.compositions import perceptual as network

    with torch.inference_mode():
        images = network.coloured(torch.cat([a, b]))
        if size != images.shape[-1]:
            images = torch.nn.functional.interpolate(images, (size, size), mode="bilinear", align_corners=False)
        features = network.network("alex", torch.device("cpu")).features(_ranged(images, kind))
        total = sum((weight * (f[: len(a)] - f[len(a) :]).square()).sum(1).mean((1, 2)) for f, weight in features)
        return [float(v) for v in torch.as_tensor(total)]


def _ranged(images: Tensor, kind: str) -> Tensor:
    """Numbers of which the network's own 2x - 1 makes the wanted range."""
    if kind == "0..1":
        return (images + 1) / 2
    if kind == "normalised":
        return ((images - _MEAN) / _SD + 1) / 2
    return images
