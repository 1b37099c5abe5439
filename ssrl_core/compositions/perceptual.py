"""LPIPS: how different two views look. Low is alike; the mean over many views says how much a composition changes.

Source: Zhang et al. 2018, "The unreasonable effectiveness of deep features as a perceptual metric", arXiv:1801.03924.
"""

from __future__ import annotations

import importlib.util
import threading
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from ssrl_core import stores
from ssrl_core.compositions import Array
from ssrl_core.compositions.lpips import NETWORKS
from ssrl_core.compositions.pairs import draw_shown
from ssrl_core.compositions.views import make_views
from ssrl_core.datasets.progress import Report, or_silent
from ssrl_core.errors import DataError, SpecError, Stopped
from ssrl_core.specs.composition import Composition

SMALLEST_PX = 64
LEAST_PX = 32
"""Sides that both networks can take; 64 unless one asks for another."""

_lock = threading.Lock()
_loaded: dict[tuple[str, str], tuple[tuple[str, int], Network]] = {}


_VALUES_AT_ONCE = 1 << 26
_VIEWS_AT_ONCE = 64


@dataclass(frozen=True)
class Network:
    """The five stages, the scaling before them, and the weight of each of their channels."""

    stages: tuple[nn.Module, ...]
    shift: Tensor
    scale: Tensor
    weights: tuple[Tensor, ...]

    def features(self, images: Tensor, *, half: bool = False) -> Iterator[tuple[Tensor, Tensor]]:
        """Stage by stage: unit-length features (N, C, h, w), and the weights (C, 1, 1) of their squared differences.

        Args:
            images: (N, 3, H, W) in 0..1, sides of at least 32 px.
            half: whether convolutions run in bfloat16 (on a GPU); lengths are float32 all the same.

        Source: Zhang et al. 2018, arXiv:1801.03924, equation 1; `lpips` 0.1.4 (`normalize_tensor`, `ScalingLayer`).
        """
        x = ((2.0 * images - 1.0) - self.shift) / self.scale
        for stage, weight in zip(self.stages, self.weights, strict=True):
            with torch.autocast(x.device.type, torch.bfloat16, enabled=half):
                x = stage(x)
            exact = x.float()
            length = exact.square().sum(1, keepdim=True).sqrt_()
            yield exact / (length + 1e-10), weight


def missing(net: str = "alex") -> str | None:
    """None if LPIPS can be computed, else a sentence that says which file or package is not there and what to do.

    Raises:
        SpecError: an unknown net.
    """
    _check(net)
    if importlib.util.find_spec("lpips") is None:
        return "LPIPS needs the Python package lpips: install it with `pip install lpips`."
    if NETWORKS[net].file() is None:
        row, place = NETWORKS[net], stores.weights_root()
        ours, theirs = row.files
        return (
            f"LPIPS needs the {row.title} weights: lay {ours} (or torchvision's {theirs}) into {place}. "
            f"The latter is at {row.address} ({row.megabytes} MB)."
        )
    return None


def network(net: str, device: torch.device) -> Network:
    """The network on a device, loaded once.

    Raises:
        SpecError: an unknown name, or something is missing.
        DataError: the file is not what it should be.
    """
    if sentence := missing(net):
        raise SpecError(sentence)
    file = NETWORKS[net].file()
    assert file is not None  # `missing` looked
    key, stamp = (net, str(device)), (str(file), file.stat().st_mtime_ns)
    with _lock:
        if key not in _loaded or _loaded[key][0] != stamp:
            _loaded[key] = (stamp, _load(net, file, device))
        return _loaded[key][1]


def coloured(images: Tensor) -> Tensor:
    """(N, C, H, W) as three channels: one is repeated, three are left, of any other number the mean is repeated."""
    if images.shape[1] == 3:
        return images
    return (images if images.shape[1] == 1 else images.mean(1, keepdim=True)).expand(-1, 3, -1, -1)


def prepared(images: Tensor, smallest_px: int = SMALLEST_PX) -> Tensor:
    """Images as the network takes them: three channels, sides under `smallest_px` enlarged to it (bilinear)."""
    images = coloured(images)
    height, width = images.shape[2:]
    size = (max(height, smallest_px), max(width, smallest_px))
    if size != (height, width):
        images = nn.functional.interpolate(images, size, mode="bilinear", align_corners=False)
    return images


def _check(net: str) -> None:
    if net not in NETWORKS:
        raise SpecError.at("LPIPS", "net", " or ".join(NETWORKS), net, "The usual one is alex.")


def _load(net: str, file: Path, device: torch.device) -> Network:
    import lpips

    features = _features(file)
    linear = Path(lpips.__file__).parent / "weights" / "v0.1" / f"{net}.pth"
    with torch.device("meta"), warnings.catch_warnings():
        # lpips passes torchvision's old argument `pretrained`, which warns twice
        warnings.filterwarnings("ignore", message=".*'pretrained'.*", category=UserWarning)
        warnings.filterwarnings("ignore", message=".*weight enum.*", category=UserWarning)
        model = lpips.LPIPS(net=net, pretrained=False, pnet_rand=True, verbose=False)
    slices = {key for key in model.state_dict() if key.startswith("net.")}
    state = {key: features.get(f"features.{key.split('.', 2)[2]}") for key in slices}
    lost = sorted(key for key, value in state.items() if value is None)
    if lost:
        raise DataError(f"{file}: the weights {lost[0]} are missing in it. Lay the right file there.")
    state |= torch.load(linear, map_location="cpu", weights_only=True)
    try:
        model.load_state_dict(state, strict=False, assign=True)
    except RuntimeError as error:
        raise DataError(f"{file}: these are not the {NETWORKS[net].title} features ({_first(error)}).") from error
    model.eval().requires_grad_(False).to(device)
    scaling = model.scaling_layer
    return Network(
        tuple(getattr(model.net, f"slice{i}") for i in range(1, model.L + 1)),
        scaling.shift,
        scaling.scale,
        tuple(lin.model[-1].weight[0] for lin in model.lins),
    )


def _features(file: Path) -> dict[str, Any]:
    try:
        if file.suffix == ".safetensors":
            from safetensors.torch import load_file

            found = load_file(file)
        else:
            found = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # both libraries raise many kinds on a damaged file
        raise DataError(f"{file}: the weights cannot be read ({_first(error)}). Lay the file there again.") from error
    return {key: value.float() for key, value in found.items() if key.startswith("features.")}


def _first(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:160]


@dataclass(frozen=True)
class Lpips:
    """LPIPS of some images under a composition.

    Attributes:
        values: (n,) float64, each the mean over the pairs of an image's views, in the order of `image_ids`.
        mean, sd: over the images; sd with n - 1, 0 for a single image.
        backbone: alex or vgg.
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


def size_px(side: int, smallest_px: int = SMALLEST_PX) -> int:
    """Side at which views of a side are compared."""
    return max(side, smallest_px)


@torch.inference_mode()
def distance(a: Tensor, b: Tensor, *, net: str = "alex") -> Tensor:
    """LPIPS between two images each.

    Args:
        a, b: (B, C, H, W) in 0..1.

    Returns:
        (B,) float32 on their device.

    Raises:
        SpecError: shapes that differ, an unknown net, missing weights.
    """
    if a.shape != b.shape or a.ndim != 4:
        raise SpecError.at(
            "LPIPS",
            "images",
            "two sets (B, C, H, W) of one shape",
            (tuple(a.shape), tuple(b.shape)),
            "Resize one of them.",
        )
    return pairwise(torch.stack([a, b]), net=net)


@torch.inference_mode()
def pairwise(
    views: Tensor,
    *,
    net: str = "alex",
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
        raise SpecError.at(
            "LPIPS", "views", "(V, B, C, S, S) with at least two views", tuple(views.shape), "Raise the count of views."
        )
    _check_smallest(smallest_px)
    loaded = network(net, views.device)
    count, images = views.shape[:2]
    pixels = size_px(views.shape[3], smallest_px) * size_px(views.shape[4], smallest_px)
    half = views.is_cuda if half is None else half
    step = max(1, _VALUES_AT_ONCE // (count * pixels * NETWORKS[net].values_per_pixel))
    out = torch.zeros(images, device=views.device)
    for start in range(0, images, step):
        part = views[:, start : start + step]
        for features, weight in loaded.features(prepared(part.flatten(0, 1).float(), smallest_px), half=half):
            apart = features.view(count, -1, *features.shape[1:])
            apart = (apart - apart.mean(0)).square_().sum(0)
            out[start : start + step] += (apart * weight).sum(1).mean((1, 2)) * (2.0 / (count - 1))
        or_silent(report)(min(start + step, images), images, "LPIPS")
    return out


class Images(Protocol):
    """What LPIPS takes: an image set, or anything with pixels (N, C, H, W) and the value that stands for 1."""

    @property
    def pixels(self) -> Any:
        """By image id."""

    @property
    def max_value(self) -> int:
        """The pixel value that stands for 1."""


def measure(
    imageset: Images,
    composition: Composition,
    image_ids: Any,
    *,
    seed: int,
    epoch: int = 0,
    net: str = "alex",
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
        raise SpecError.at("LPIPS", "images", "at least one", 0, "Choose some images.")
    if composition.view_count < 2:
        raise SpecError.at(
            f'Composition "{composition.name}"',
            "count",
            "at least 2 views to compare",
            composition.view_count,
            "Raise the count of views.",
        )
    place = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    _check_smallest(smallest_px)
    network(net, place)  # what is missing is said before the first image
    step = max(1, _VIEWS_AT_ONCE // composition.view_count)
    values, side = [], 0
    for start in range(0, len(ids), step):
        if should_stop is not None and should_stop():
            raise Stopped("LPIPS was stopped.")
        some = ids[start : start + step]
        drawn = draw_shown(imageset, composition, some, seed=seed, epoch=epoch)
        pixels = torch.from_numpy(np.array(imageset.pixels[drawn.needed])).to(place)
        made = make_views(pixels, drawn, composition, max_value=imageset.max_value)
        views = _compared(made, composition)
        side = size_px(views.shape[-1], smallest_px)
        values.append(pairwise(views, net=net, smallest_px=smallest_px).cpu().numpy().astype(np.float64))
        or_silent(report)(min(start + step, len(ids)), len(ids), "LPIPS")
    return _summed_up(np.concatenate(values), net, side, ids)


def _check_smallest(side: int) -> None:
    if not LEAST_PX <= side <= 4096:
        raise SpecError.at(
            "LPIPS", "size", f"in {LEAST_PX}..4096 px", side, "The networks take no smaller image; 64 is usual."
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
