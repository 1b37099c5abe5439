"""The network behind LPIPS: its files, and its features stage by stage.

The linear weights ship inside the `lpips` package; the ImageNet features are a file of their own. Nothing is downloaded
here: `missing` says what to lay where.
"""

from __future__ import annotations

import importlib.util
import os
import threading
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ssrl_core import stores
from ssrl_core.errors import DataError, SpecError
from ssrl_core.specs.lpips_networks import LPIPS_NETWORKS, NAMES, SMALLEST_PX, USUAL

_lock = threading.Lock()
_loaded: dict[tuple[str, str], tuple[tuple[str, int], Network]] = {}


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


def missing(net: str) -> str | None:
    """None, or a sentence that says which file or package is not there and what to do."""
    _check(net)
    if importlib.util.find_spec("lpips") is None:
        return "LPIPS needs the Python package lpips: install it with `pip install lpips`."
    if _file(net) is None:
        row, place = LPIPS_NETWORKS[net], stores.weights_root()
        ours, theirs = row.files
        return (
            f"LPIPS needs the {row.title} weights: lay {ours} (or torchvision's {theirs}) into {place}. "
            f"It is at {row.address} ({row.megabytes} MB)."
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
    file = _file(net)
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
    if net not in LPIPS_NETWORKS:
        raise SpecError(where="LPIPS", field="net", rule=NAMES, value=net, remedy=f"The usual one is {USUAL}.")


def _file(net: str) -> Path | None:
    home = Path(os.environ.get("TORCH_HOME") or stores.models_root() / "cache" / "torch")
    folders = (stores.weights_root(), home / "hub" / "checkpoints")
    names = LPIPS_NETWORKS[net].files
    return next((folder / name for folder in folders for name in names if (folder / name).is_file()), None)


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
        raise DataError(f"{file}: these are not the {LPIPS_NETWORKS[net].title} features ({_first(error)}).") from error
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
