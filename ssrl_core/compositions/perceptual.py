"""LPIPS: how different two views look. Low is alike; the mean over many views says how much a composition changes.

Source: Zhang et al. 2018, "The unreasonable effectiveness of deep features as a perceptual metric", arXiv:1801.03924.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from ssrl_core.compositions import lpips_network
from ssrl_core.compositions.draws import draw
from ssrl_core.compositions.laws import Array
from ssrl_core.compositions.views import make_views
from ssrl_core.datasets.progress import Report, told
from ssrl_core.errors import SpecError, Stopped
from ssrl_core.specs.composition import Composition
from ssrl_core.specs.lpips_networks import LEAST_PX, LPIPS_NETWORKS, SMALLEST_PX, USUAL

if TYPE_CHECKING:
    from ssrl_core.datasets.imageset import ImageSet

_VALUES_AT_ONCE = 1 << 26
_VIEWS_AT_ONCE = 64


@dataclass(frozen=True)
class Lpips:
    """LPIPS of some images under a composition.

    Attributes:
        values: (n,) float64, each the mean over the pairs of an image's views, in the order of `image_ids`.
        mean, sd: over the images; sd with n - 1, 0 for a single image.
        backbone: name of the network, of `LPIPS_NETWORKS`.
        size_px: side of the images that were compared (small views are enlarged to 64).
    """

    values: Array
    mean: float
    sd: float
    n: int
    backbone: str
    size_px: int
    image_ids: Array

    def as_dict(self) -> dict[str, Any]:
        """{mean, sd, n, backbone, size_px}, as the command line prints it."""
        return {key: getattr(self, key) for key in ("mean", "sd", "n", "backbone", "size_px")}


def missing(net: str = USUAL) -> str | None:
    """None if LPIPS can be computed, else a sentence that names the file and where to lay it.

    Raises:
        SpecError: an unknown net.
    """
    return lpips_network.missing(net)


def size_px(side: int, smallest_px: int = SMALLEST_PX) -> int:
    """Side at which views of a side are compared."""
    return max(side, smallest_px)


@torch.inference_mode()
def distance(a: Tensor, b: Tensor, *, net: str = USUAL) -> Tensor:
    """LPIPS between two images each.

    Args:
        a, b: (B, C, H, W) in 0..1.

    Returns:
        (B,) float32 on their device.

    Raises:
        SpecError: shapes that differ, an unknown net, missing weights.
    """
    if a.shape != b.shape or a.ndim != 4:
        raise SpecError(
            where="LPIPS",
            field="images",
            rule="two sets (B, C, H, W) of one shape",
            value=(tuple(a.shape), tuple(b.shape)),
            remedy="Resize one of them.",
        )
    return pairwise(torch.stack([a, b]), net=net)


@torch.inference_mode()
def pairwise(
    views: Tensor,
    *,
    net: str = USUAL,
    smallest_px: int = SMALLEST_PX,
    half: bool | None = None,
    report: Report | None = None,
) -> Tensor:
    """Mean LPIPS over all pairs of views of each image, with one pass of each view through the network.

    The sum of w (f_i - f_j)² over the pairs i < j is V times the sum of w (f_i - mean)² over the views, so pairs need
    not be formed.

    Args:
        views: (V, B, C, S, S) in 0..1, V >= 2.
        smallest_px: smaller views are enlarged to this side, at least 32.
        half: bfloat16 inside the network; None is on a GPU only (there to about 1e-2, elsewhere to 1e-5).
        report: told how many images are done.

    Returns:
        (B,) float32 on the device of the views.

    Raises:
        SpecError: fewer than two views, an unknown net, missing weights.
    """
    if views.ndim != 5 or len(views) < 2:
        raise SpecError(
            where="LPIPS",
            field="views",
            rule="(V, B, C, S, S) with at least two views",
            value=tuple(views.shape),
            remedy="Raise the count of views.",
        )
    _check_smallest(smallest_px)
    network = lpips_network.network(net, views.device)
    count, images = views.shape[:2]
    pixels = size_px(views.shape[3], smallest_px) * size_px(views.shape[4], smallest_px)
    half = views.is_cuda if half is None else half
    step = max(1, _VALUES_AT_ONCE // (count * pixels * LPIPS_NETWORKS[net].values_per_pixel))
    out = torch.zeros(images, device=views.device)
    for start in range(0, images, step):
        part = views[:, start : start + step]
        for features, weight in network.features(
            lpips_network.prepared(part.flatten(0, 1).float(), smallest_px), half=half
        ):
            apart = features.view(count, -1, *features.shape[1:])
            apart = (apart - apart.mean(0)).square_().sum(0)
            out[start : start + step] += (apart * weight).sum(1).mean((1, 2)) * (2.0 / (count - 1))
        told(report)(min(start + step, images), images, "LPIPS")
    return out


def measure(
    imageset: ImageSet,
    composition: Composition,
    image_ids: Any,
    *,
    seed: int,
    epoch: int = 0,
    net: str = USUAL,
    smallest_px: int = SMALLEST_PX,
    device: str | None = None,
    report: Report | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> Lpips:
    """LPIPS between the views that a composition makes of some images, a few images at a time.

    Views of all groups of the role `global` are compared with each other (all views, where fewer than two are global);
    where groups differ in size, smaller views are enlarged to the largest.

    Args:
        image_ids: (n,) rows of the image set.
        smallest_px: smaller views are enlarged to this side, at least 32.
        device: where it is computed; None is the first GPU if there is one.
        report: told (done, total, what) after every few images.
        should_stop: asked then; True ends it.

    Raises:
        SpecError: no images, fewer than two views, missing weights.
        Stopped: `should_stop` said so.
    """
    ids = np.asarray(image_ids, dtype=np.int64)
    if not len(ids):
        raise SpecError(where="LPIPS", field="images", rule="at least one", value=0, remedy="Choose some images.")
    if composition.view_count < 2:
        raise SpecError(
            where=f'Composition "{composition.name}"',
            field="count",
            rule="at least 2 views to compare",
            value=composition.view_count,
            remedy="Raise the count of views.",
        )
    place = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    _check_smallest(smallest_px)
    lpips_network.network(net, place)  # what is missing is said before the first image
    step = max(1, _VIEWS_AT_ONCE // composition.view_count)
    values, side = [], 0
    for start in range(0, len(ids), step):
        if should_stop is not None and should_stop():
            raise Stopped("LPIPS was stopped.")
        some = ids[start : start + step]
        pixels = torch.from_numpy(np.array(imageset.pixels[some])).to(place)
        made = make_views(
            pixels, draw(composition, some, seed=seed, epoch=epoch), composition, max_value=imageset.max_value
        )
        views = _compared(made, composition)
        side = size_px(views.shape[-1], smallest_px)
        values.append(pairwise(views, net=net, smallest_px=smallest_px).cpu().numpy().astype(np.float64))
        told(report)(min(start + step, len(ids)), len(ids), "LPIPS")
    return _summed_up(np.concatenate(values), net, side, ids)


def _check_smallest(side: int) -> None:
    if not LEAST_PX <= side <= 4096:
        raise SpecError(
            where="LPIPS",
            field="size",
            rule=f"in {LEAST_PX}..4096 px",
            value=side,
            remedy="The networks take no smaller image; 64 is usual.",
        )


def _summed_up(values: Array, net: str, side: int, ids: Array) -> Lpips:
    sd = float(values.std(ddof=1)) if len(values) > 1 else 0.0
    return Lpips(values, float(values.mean()), sd, len(values), net, side, ids)


def _compared(made: list[Tensor], composition: Composition) -> Tensor:
    """(V, B, C, S, S) of the views that are compared."""
    chosen = [views for views, group in zip(made, composition.views, strict=True) if group.role == "global"]
    if sum(len(views) for views in chosen) < 2:
        chosen = made
    side = max(views.shape[-1] for views in chosen)
    return torch.cat([_enlarged(views, side) for views in chosen])


def _enlarged(views: Tensor, side: int) -> Tensor:
    if views.shape[-1] == side:
        return views
    flat = torch.nn.functional.interpolate(views.flatten(0, 1), (side, side), mode="bilinear", align_corners=False)
    return flat.view(*views.shape[:3], side, side)
